"""I11: what was leased for an activation is given back exactly once, and one at a time is lent."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import TYPE_CHECKING, Final

from attrs import define

from ..facts import AtRest, Claimed, Closed, Opening
from ..schedule import TICK
from ..service_facts import Held, LeaseReturned, LeaseTaken, LetGo
from .broken import Broken

if TYPE_CHECKING:
    from ..history import History


def leases_returned_once(history: History) -> Iterator[Broken]:
    """Find leases that leaked, that came back twice or early, and that are one too many.

    A process that is killed gives nothing back, and a handler that would not stop may keep its own.
    """
    yield from _Leases(history).read()


# What is read of the records.
_READ: Final = (Opening, Claimed, LeaseTaken, Held, LetGo, LeaseReturned, AtRest, Closed)


@define
class _Lent:
    """A lease that is out: which run of a service has had it, since when, and whether still.

    From `due` on it ought to be back: whoever has it was left to itself.
    """

    thread: str
    run: int | None = None
    since: float = 0.0
    at_work: bool = False
    due: float = inf


class _Leases:
    def __init__(self, history: History) -> None:
        self._history = history
        self._out: dict[str, _Lent] = {}
        self._patience = 0.0  # after which a service that will not stop is left without its lease
        self._release = 0.0

    def read(self) -> Iterator[Broken]:
        for index, record in self._history.of(*_READ):
            match record.fact:
                case Opening(limits=limits):
                    self._out.clear()
                    self._release = limits.lease_release_seconds
                    self._patience = limits.cancel_grace_seconds + self._release
                case LeaseTaken(thread=thread, lease=lease):
                    self._out[lease] = _Lent(thread)
                case Held() as held:
                    yield from self._held(held, index, record.at)
                case LetGo(lease=lease) if lease in self._out:
                    self._out[lease].at_work = False
                case LeaseReturned(lease=lease):
                    yield from self._returned(lease, index, record.at)
                case Claimed(thread=thread):  # nobody claims it while a service is waited for
                    self._leave_alone(thread, record.at)
                case AtRest():
                    for lease, lent in self._out.items():
                        if record.at > lent.due:
                            yield Broken("I11", f"{lease} stays with who was abandoned", index)
                case Closed(abandoned=()):
                    for lease in self._out:
                        yield Broken("I11", f"{lease} was never given back", index)
                case _:
                    pass

    def _leave_alone(self, thread: str, at: float) -> None:
        for lent in self._out.values():
            if lent.thread == thread and lent.run is not None:
                lent.due = min(lent.due, at + self._release + TICK)

    def _held(self, held: Held, index: int, at: float) -> Iterator[Broken]:
        lent = self._out.get(held.lease)
        if lent is None:
            yield Broken("I11", f"a service has {held.lease}, which nobody lent", index)
            return
        if lent.thread != held.thread or lent.run is not None:
            yield Broken("I11", f"{held.lease} was lent to a second service", index)
        others = (name for name, other in self._out.items() if self._is_beside(other, held, at))
        for name in others:
            yield Broken("I11", f"{held.thread} has {held.lease} and {name} at a time", index)
        lent.run, lent.since, lent.at_work = held.run, at, True

    def _is_beside(self, other: _Lent, held: Held, at: float) -> bool:
        """Say whether another lease ought to be back; one that nobody had may still be coming."""
        left_alone = at >= other.since + self._patience
        return other.thread == held.thread and other.run is not None and not left_alone

    def _returned(self, lease: str, index: int, at: float) -> Iterator[Broken]:
        lent = self._out.pop(lease, None)
        if lent is None:
            yield Broken("I11", f"{lease} was given back, and nobody had it", index)
        elif at > lent.due:
            yield Broken("I11", f"{lease} came back late from who was abandoned", index)
        elif lent.at_work and at < lent.since + self._patience:
            yield Broken("I11", f"{lease} was given back under the service that has it", index)

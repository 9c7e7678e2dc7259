"""I16: a thread whose rows are damaged is set aside, never read as empty, and stops nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ...delivery.batches import Snapshot
from ..facts import Answered, Claimed, Drained, Fault, Opening, Refused, Saw, Stored, Struck
from ..operations import Attach
from .broken import Broken

if TYPE_CHECKING:
    from ..history import History


def damage_is_set_aside(history: History) -> Iterator[Broken]:
    """Find damaged threads that were used, or shown as empty, and others that were stopped."""
    yield from _Damage(history).read()


# What is read of the records.
_READ: Final = (Opening, Struck, Claimed, Stored, Answered, Saw, Drained)


class _Damage:
    def __init__(self, history: History) -> None:
        self._history = history
        self._damaged: set[str] = set()
        self._hit: set[str] = set()  # every thread that a fault befell
        self._met: set[str] = set()  # whose damage a command of this life has met

    def read(self) -> Iterator[Broken]:
        for index, record in self._history.of(*_READ):
            match record.fact:
                case Opening():
                    self._met.clear()
                case Struck(fault=fault, thread=str(thread)):
                    self._strike(fault, thread)
                case Claimed(thread=thread) | Stored(thread=thread) if thread in self._damaged:
                    message = f"{thread} went on, although its rows are damaged"
                    yield Broken("I16", message, index)
                case Answered(call=call, answer=Refused(code="thread_failed")):
                    yield from self._refused(call, index)
                case Saw(attachment=number, batch=Snapshot() as snapshot):
                    yield from self._shown(snapshot, number, index)
                case Drained(quarantined=quarantined):
                    for thread in sorted(self._met.difference(quarantined)):
                        yield Broken("I16", f"{thread} is damaged and not set aside", index)
                case _:
                    pass
        yield from self._never_opened()

    def _strike(self, fault: Fault, thread: str) -> None:
        self._hit.add(thread)
        if fault is Fault.DAMAGE:
            self._damaged.add(thread)
        elif fault is Fault.MENDED:
            self._damaged.discard(thread)
            self._met.discard(thread)

    def _refused(self, number: int, index: int) -> Iterator[Broken]:
        call = self._history.calls[number]
        if call.thread not in self._hit:
            message = f"call {number} was refused, and {call.thread} is not damaged"
            yield Broken("I16", message, index)
        if call.thread in self._damaged and not isinstance(call.operation, Attach):
            self._met.add(call.thread)

    def _shown(self, snapshot: Snapshot, number: int, index: int) -> Iterator[Broken]:
        # It may have been read before the damage, but not before it was asked for.
        before = [at for at, _ in self._history.seen[number] if at < index]
        asked = max(before, default=self._history.calls[number].called)
        head = self._history.head(snapshot.thread, asked)
        if snapshot.thread in self._damaged and snapshot.position.offset == 0 < head.offset:
            yield Broken("I16", f"{snapshot.thread} is damaged, and shown as empty", index)

    def _never_opened(self) -> Iterator[Broken]:
        for life in self._history.lives.values():
            blows = [blow for blow in self._history.struck if blow.life == life.number]
            if (life.opened, life.killed) == (None, None) and not blows and self._hit:
                yield Broken("I16", f"life {life.number} never began to serve", life.opening)

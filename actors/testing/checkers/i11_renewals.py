"""I11: a lease is worked with for as long as it was lent and renewed, and is lost no sooner."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import TYPE_CHECKING, Final, TypeAlias

from attrs import define

from ..facts import Opening
from ..schedule import TICK
from ..service_facts import (
    Held,
    LeaseRenewed,
    LeaseReturned,
    LeaseTaken,
    LetGo,
    RenewalAsked,
    ServiceExited,
)
from .broken import Broken

if TYPE_CHECKING:
    from ..history import History


def leases_used_in_their_time(history: History) -> Iterator[Broken]:
    """Find leases that a service has when they have run out, or is said to have lost before.

    From a service that heeds no cancellation its own is taken; it may go on without.
    """
    yield from _Terms(history).read()


# What happens to a lease that is out.
_Moves: TypeAlias = Held | LetGo | RenewalAsked | LeaseRenewed | LeaseReturned
_MOVES: Final = (Held, LetGo, RenewalAsked, LeaseRenewed, LeaseReturned)


@define
class _Term:
    """For how long a lease is lent, which run of a service has it, and until when it had it."""

    run: int | None = None
    lasts: float = inf
    asked: float = inf
    expires: float = inf
    let_go: float | None = None
    back: bool = False

    @property
    def ran_out(self) -> bool:
        return self.let_go is not None and self.let_go >= self.expires - TICK


class _Terms:
    def __init__(self, history: History) -> None:
        self._history = history
        self._terms: dict[str, _Term] = {}

    def read(self) -> Iterator[Broken]:
        for index, record in self._history.of(Opening, LeaseTaken, ServiceExited, *_MOVES):
            match record.fact:
                case Opening():
                    self._terms.clear()
                case LeaseTaken(lease=lease):
                    self._terms[lease] = _Term()
                case ServiceExited(run=run, error="LeaseLost"):
                    yield from self._lost(run, index)
                case fact if isinstance(fact, _MOVES):
                    if term := self._terms.get(fact.lease):
                        yield from self._moved(term, fact, record.at, index)
                case _:
                    pass

    def _moved(self, term: _Term, fact: _Moves, at: float, index: int) -> Iterator[Broken]:
        match fact:
            case Held(run=run, lasts=lasts):
                term.run, term.lasts, term.expires = run, lasts, at + lasts
            case LetGo():
                term.let_go = at
                if not term.back and at > term.expires + TICK:
                    yield Broken("I11", f"a service went on with {fact.lease}, run out", index)
            case RenewalAsked():
                term.asked = at
                if term.back:
                    yield Broken("I11", f"{fact.lease} is renewed after it was given back", index)
            case LeaseRenewed():
                term.expires = term.asked + term.lasts
            case LeaseReturned():
                term.back = True

    def _lost(self, run: int, index: int) -> Iterator[Broken]:
        had = [lease for lease, term in self._terms.items() if term.run == run]
        if not any(self._terms[lease].ran_out for lease in had):
            yield Broken("I11", f"a service is told that it lost {', '.join(had)} early", index)

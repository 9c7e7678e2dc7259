"""The recorder: what was seen from outside, in the order in which it happened."""

from __future__ import annotations

from typing import Final

import trio
from attrs import frozen

from .facts import Answered, Called, Fact, Lost, Unanswered
from .wire_facts import WireFact

# What ends a call.
_OVER: Final = (Answered, Lost, Unanswered)


@frozen
class Record:
    """A fact at its time.

    Args:
        at: virtual seconds since the run began.
        life: which life of the process it belongs to, from 1.
        fact: what was seen.
    """

    at: float
    life: int
    fact: Fact | WireFact


class Recorder:
    """Collects the records of one run. Facts of one loop, so their order is the true one."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.open_calls: dict[int, tuple[int, Called]] = {}
        self._calls = 0
        self._moved = trio.lowlevel.ParkingLot()

    def note(self, life: int, fact: Fact | WireFact) -> None:
        """Add a fact."""
        self.records.append(Record(trio.current_time(), life, fact))
        if isinstance(fact, Called):
            self.open_calls[fact.call] = (life, fact)
        elif isinstance(fact, _OVER):
            del self.open_calls[fact.call]
        self._moved.unpark_all()

    def note_last(self, fact: Fact) -> None:
        """Add a fact about the end of the run, at the time of the last one; trio is over by now."""
        at, life = (self.records[-1].at, self.records[-1].life) if self.records else (0.0, 1)
        self.records.append(Record(at, life, fact))

    def next_call(self) -> int:
        """Return the number of the next call."""
        self._calls += 1
        return self._calls

    async def moved(self) -> None:
        """Wait for the next fact."""
        await self._moved.park()

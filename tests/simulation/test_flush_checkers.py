"""I20: who flushes is told as soon as what was said is durable, unless the turn is over first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from attrs import evolve

from actors.testing.facts import AtRest, Opening, Said
from actors.testing.turn_facts import Flushed, Flushes
from tests.simulation.histories import Told, delta, started, submitted

if TYPE_CHECKING:
    from actors.testing.recorder import Record

LATE = "t1 flushes, and is not told that what it said is on disk"


def flushing() -> Told:
    """A turn flushes, and what it has said is on disk; a step of the disk takes five ticks."""
    told = Told()
    told.records[:] = [_slow(record) for record in told.records]
    told.store(submitted("t1"), started("t1"))
    told.enter("t1")
    told.note(Said("a", "t1", 1, "hello"), Flushes("a", "t1", 1))
    told.store(delta("t1", "hello"))
    return told


def _slow(record: Record) -> Record:
    fact = record.fact
    return evolve(record, fact=evolve(fact, slowest=5)) if isinstance(fact, Opening) else record


def test_whoever_is_told_in_time_is_told_in_time() -> None:
    told = flushing()
    told.note(Flushed("a", "t1", 1), after=5)
    told.note(AtRest(), after=100)
    assert told.broken("I20, in time") == []


def test_i20_finds_who_is_told_late_or_never() -> None:
    for late in (True, False):
        told = flushing()
        if late:
            told.note(Flushed("a", "t1", 1), after=6)
        told.note(AtRest(), after=100)
        assert told.broken("I20, in time") == [LATE]


def test_a_turn_that_is_over_is_told_nothing() -> None:
    told = flushing()
    told.exit("t1", "TurnOver")
    told.note(AtRest(), after=100)
    assert told.broken("I20, in time") == []


def test_without_a_bound_nothing_is_late() -> None:
    told = flushing()
    fact = told.records[0].fact
    assert isinstance(fact, Opening)
    told.records[0] = evolve(told.records[0], fact=evolve(fact, slowest=math.inf))
    told.note(AtRest(), after=100)
    assert told.broken("I20, in time") == []

"""Each checker is silent about what may be, and finds what it is there for."""

from __future__ import annotations

from actors.delivery.batches import Detached
from actors.statistics import RuntimeStatistics
from actors.testing.facts import (
    Answered,
    Closing,
    CutOff,
    Drained,
    Fault,
    Refused,
    Saw,
    Struck,
    Stuck,
    Surprise,
)
from actors.testing.operations import Cancel, Submit
from tests.simulation.histories import Told, ended, started, submitted


def statistics(restarts: int = 0, **aside: str) -> RuntimeStatistics:
    return RuntimeStatistics(
        active=0,
        restarts=restarts,
        quarantined=aside,
        abandoned=(),
        journal_failed=False,
        subscribers=0,
    )


def bug(thread: str = "a") -> Struck:
    return Struck(Fault.ACTOR, thread)


# I10: what fails, fails alone.


def test_i10_an_actor_restarts_and_is_set_aside_when_that_does_not_help() -> None:
    told = Told()
    watching = told.attach()
    for generation in (1, 2, 3):
        told.claim(generation)
        told.call(Submit("1 stop"))
        told.note(bug(), Answered(generation + 1, Refused("internal")))
    told.call(Submit("1 stop"), Refused("thread_failed"))
    told.note(Saw(watching, Detached("a", told.head(), "failed")))
    told.note(Struck(Fault.RELEASED, "a"))
    told.claim(4)
    told.turn("t1")
    told.note(Closing(), Drained(statistics(restarts=3)))
    assert told.broken("I10") == []


def test_i10_finds_a_thread_that_is_started_again_and_again() -> None:
    told = Told()
    for generation in (1, 2, 3, 4):
        told.claim(generation)
        told.note(bug())
    assert told.broken("I10") == ["a was activated once more, although its actor failed too often"]


def test_i10_finds_a_bystander_that_is_set_aside_or_refused() -> None:
    told = Told()
    for _ in range(3):
        told.note(bug("a"))
    told.call(Submit("1 stop"), Refused("thread_failed"), thread="b")
    told.call(Submit("1 stop"), Refused("internal"), thread="b")
    told.note(Drained(statistics(3, a="", b="")))
    assert told.broken("I10") == [
        "call 1 was refused, thread_failed, for no reason",
        "call 2 was refused, internal, for no reason",
        "b was set aside, and nothing explains it",
    ]


def test_i10_finds_viewers_who_notice_a_restart() -> None:
    told = Told()
    watching, cut = told.attach(), told.attach()
    told.note(bug(), Saw(watching, Detached("a", told.head(), "failed")), CutOff(cut, "internal2"))
    assert len(told.broken("I10")) == 2


def test_i10_finds_a_failed_turn_that_counts_as_completed_and_needless_restarts() -> None:
    told = Told()
    told.store(submitted("t1"), started("t1"))
    told.enter("t1")
    told.exit("t1", "RuntimeError")
    told.store(ended("t1"))
    told.note(Drained(statistics(restarts=1)), Surprise("the runtime failed"))
    assert len(told.broken("I10")) == 3


def test_i10_finds_a_journal_that_stays_failed_after_it_was_opened_anew() -> None:
    told = Told()
    told.note(Struck(Fault.JOURNAL))
    told.call(Submit("1 stop"), Refused("journal_unavailable"))
    told.note(Struck(Fault.REOPENED))
    told.turn("t1")
    assert told.broken("I10") == []
    told.call(Cancel(), Refused("journal_unavailable"))
    assert told.broken("I10") == ["call 3 was refused, journal_unavailable, for no reason"]


# I20: everything comes to its end.


def test_i20_finds_what_is_stuck() -> None:
    told = Told()
    told.note(Stuck("one task is left"))
    assert told.broken("I20") == ["one task is left"]

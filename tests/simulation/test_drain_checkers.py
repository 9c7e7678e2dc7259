"""The checkers of drains, failures, deadlines, bounds, and what goes along, silent and firing."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from actors.core.effects import Submitted
from actors.core.position import Position
from actors.testing.along import Along, along_of
from actors.testing.checkers import CHECKERS
from actors.testing.facts import (
    Answered,
    AtRest,
    Claimed,
    Closed,
    Closing,
    Drained,
    Exited,
    Fault,
    Killed,
    KindGiven,
    Read,
    Said,
    Struck,
)
from actors.testing.operations import ListThreads, ReadPage, Submit
from actors.testing.read_facts import Line, Listing, Page
from actors.testing.schedule import TICK
from actors.testing.service_facts import Held, LeaseReturned, LeaseTaken
from actors.testing.world import SIMULATION_LIMITS
from tests.simulation.histories import Told, ended, recorded, started, submitted
from tests.simulation.test_read_checkers import items, two_turns

CREATED = {"type": "thread.created"}
RELEASE = round(SIMULATION_LIMITS.lease_release_seconds / TICK)
GRACE = RELEASE + round(SIMULATION_LIMITS.cancel_grace_seconds / TICK)


def found(told: Told, checker: str) -> list[str]:
    return [f"{each.invariant}: {each.message}" for each in CHECKERS[checker](told.history())]


def running() -> Told:
    told = Told()
    told.store(CREATED, submitted("t1"), started("t1"))
    return told


def closed(told: Told, *abandoned: tuple[str, str]) -> None:
    told.note(Drained(0, ()), Closed(abandoned))


# I9: draining.


def test_i9_a_drain_ends_what_runs_and_leaves_what_waits() -> None:
    told = running()
    told.store(submitted("t2"))
    told.note(Closing())
    told.store(ended("t1", "interrupted"))
    closed(told)
    told.opened()
    told.store(started("t2"))
    assert found(told, "I9, of draining") == []


def test_i9_what_was_abandoned_or_struck_is_settled_by_the_next_start() -> None:
    told = running()
    told.note(Closing())
    closed(told, ("a", "t1"))
    assert found(told, "I9, of draining") == []
    told = running()
    told.note(Struck(Fault.JOURNAL), Closing())
    closed(told)
    assert found(told, "I9, of draining") == []
    told = Told()
    told.note(Struck(Fault.JOURNAL))
    told.store(CREATED, submitted("t1"), started("t1"), after=0)  # past the failure by then
    told.note(Closing())
    closed(told)
    assert found(told, "I9, of draining") == []
    told = running()
    told.note(Closing(), Killed())
    assert found(told, "I9, of draining") == []


def test_i9_a_drain_whose_time_is_over_may_leave_turns_open() -> None:
    told = running()
    told.note(Closing())
    told.note(Drained(0, ()), after=GRACE)
    told.note(Closed(()))
    assert found(told, "I9, of draining") == []


def test_i9_finds_a_turn_that_a_drain_leaves_open() -> None:
    told = running()
    told.note(Closing())
    closed(told)
    told.opened(serving=False)
    told.store(ended("t1", "interrupted"))
    assert found(told, "I9, of draining") == ["I9: t1 is open, and the runtime closed in order"]


def test_i9_finds_a_turn_that_begins_in_a_drain() -> None:
    told = running()
    told.store(submitted("t2"))
    told.note(Closing(), Drained(0, ()))
    told.store(ended("t1", "interrupted"), started("t2"))
    assert found(told, "I9, of draining") == ["I9: t2 was started while the runtime drained"]


def test_i9_finds_one_attempt_too_many() -> None:
    told = Told(retry=True)
    told.store(CREATED, submitted("t1"), started("t1"))
    for attempt in range(2, SIMULATION_LIMITS.turn_attempts + 1):
        told.note(Struck(Fault.ACTOR, "a"))
        told.store(started("t1", attempt))
    assert told.broken("I9") == []
    told.note(Struck(Fault.ACTOR, "a"))
    told.store(started("t1", SIMULATION_LIMITS.turn_attempts + 1))
    assert told.broken("I9") == ["t1 was started more often than it may be"]


# I10: what is told of a failure.


def failed(error: str, words: str, told_error: str, message: str) -> list[str]:
    told = running()
    told.enter("t1")
    told.note(Exited("a", "t1", 1, error, words))
    told.store(ended("t1", "failed", error=told_error, message=message))
    return told.broken("I10")


def test_i10_a_failure_keeps_its_words_to_the_log() -> None:
    assert failed("ValueError", "no /etc/key", "ValueError", "the handler failed") == []
    assert failed("ValueError", "", "ValueError", "the handler failed") == []
    assert failed("TurnFailed", "busy: later", "busy", "later") == []
    assert failed("Rejected", "too large", "too_large", "too large") == []


def test_i10_finds_a_failure_that_says_too_much_or_too_little() -> None:
    message = "t1 tells everybody what went wrong within it"
    assert failed("ValueError", "no /etc/key", "ValueError", "it was: no /etc/key") == [message]
    (silent,) = failed("TurnFailed", "busy: later", "TurnFailed", "the handler failed")
    assert silent == "t1 failed with busy: later, and says the handler failed"


# I11: leases of those who were abandoned.


def lent() -> Told:
    told = Told()
    told.note(LeaseTaken("a", "gpu-1"), Held("a", 1, "gpu-1"))
    told.note(Claimed("a", 2), after=GRACE)
    return told


def test_i11_a_lease_comes_back_soon_from_who_was_abandoned() -> None:
    told = lent()
    told.note(LeaseReturned("gpu-1"), after=RELEASE)
    told.note(AtRest(), after=2 * RELEASE)
    assert found(told, "I11") == []


def test_i11_finds_a_lease_that_stays_with_who_was_abandoned() -> None:
    told = lent()
    told.note(AtRest(), after=2 * RELEASE)
    told.note(LeaseReturned("gpu-1"))
    assert found(told, "I11") == [
        "I11: gpu-1 stays with who was abandoned",
        "I11: gpu-1 came back late from who was abandoned",
    ]


# I20: deadlines.


def timed(reason: str, *gaps: int) -> list[str]:
    """Have a turn speak after each gap but the last, and run out of time after that one."""
    told = running()
    told.note(KindGiven("a", False, 8 * TICK, deadline=100 * TICK, silence=40 * TICK))
    told.enter("t1")
    for number, gap in enumerate(gaps, 1):
        said = number < len(gaps)
        fact = Said("a", "t1", 1, "a") if said else Exited("a", "t1", 1, "Cancelled")
        told.note(fact, after=gap)
    told.store(ended("t1", "timed_out", reason=reason, at=told.records[-1].at))
    return found(told, "I20, of deadlines")


def test_i20_a_turn_is_stopped_when_its_time_is_over() -> None:
    assert timed("no_progress", 30, 30, 40) == []
    assert timed("no_progress", 48) == []
    assert timed("deadline", 30, 30, 30, 10) == []


def test_i20_who_is_left_to_itself_by_a_failing_actor_may_go_on() -> None:
    told = running()
    told.note(KindGiven("a", False, 8 * TICK, deadline=100 * TICK))
    told.enter("t1")
    told.note(Struck(Fault.ACTOR, "a"))
    told.note(Exited("a", "t1", 1, "TurnOver"), after=200)
    assert found(told, "I20, of deadlines") == []


def test_i20_finds_turns_that_are_stopped_too_early_or_too_late() -> None:
    early = "I20: t1 ran out of time, {}, and had some left"
    late = "I20: t1 was overdue, and nobody stopped it"
    assert timed("no_progress", 30, 30, 30) == [early.format("no_progress")]
    assert timed("deadline", 30, 30, 30) == [early.format("deadline")]
    assert timed("no_progress", 50) == [late]
    assert timed("deadline", 30, 30, 30, 30) == [late]


# Reads, and items.


def test_i5_a_repair_is_no_activity() -> None:
    told = running()
    active_at = told.history().logs["a"][1].raw["at"]
    told.store(ended("t1", "interrupted"))
    line = Line("a", told.head(), 1, active_at)
    told.call(ListThreads(), Listing((line,), True))
    assert found(told, "I15, of reads") == []


def test_i5_finds_a_repair_that_counts_as_activity() -> None:
    told = running()
    told.store(ended("t1", "interrupted"))
    active_at = told.history().logs["a"][-1].raw["at"]
    call = told.call(ListThreads(), Listing((Line("a", told.head(), 1, active_at),), True))
    message = f"listing {call} has a active at another time than it was, by turn.submitted"
    assert found(told, "I15, of reads") == [f"I5: {message}"]


@pytest.mark.parametrize(("limit", "broken"), [(1, 1), (2, 0), (None, 0)])
def test_i12_finds_a_page_that_is_longer_than_was_asked_for(limit: int | None, broken: int) -> None:
    told = two_turns()
    told.call(ReadPage(limit), Page(items("t1.0", "t2.0"), None))
    assert [each[:3] for each in found(told, "I15, of reads")] == ["I12"] * broken


def test_i15_finds_a_marker_of_what_is_rolled_back() -> None:
    told = running()
    told.store(recorded("r1"), ended("t1", "cancelled", rolled_back=True))
    assert told.broken("I15, of items") == []
    told.store(submitted("t2"), started("t2"))
    told.store(ended("t2", "cancelled", rolled_back=True, item="t2.1"))
    message = "t2 is rolled back, and shows t2.1 all the same"
    assert told.broken("I15, of items") == [message]


# I8 and I15: what goes along with a message.


def with_metadata(turn: str, key: str | None = None) -> dict[str, Any]:
    return {**submitted(turn, key=key), **Along.METADATA.more}


def test_along_tells_what_went_along() -> None:
    assert [along_of(along.more) for along in Along] == [*Along]
    assert along_of({"metadata": {"other": 1}}) is None


def test_i8_finds_a_receipt_for_what_went_along_with_another() -> None:
    for along, broken in ((Along.METADATA, 0), (Along.NOTHING, 1)):
        told = Told()
        told.store(CREATED, with_metadata("t1", key="k"))
        receipt = Submitted("t1", Position(1, 2))
        told.call(Submit("1 stop", "k", along=along), receipt)
        assert len(told.broken("I8")) == broken


def test_i15_finds_a_handler_that_is_not_given_the_metadata() -> None:
    for given, broken in (({"note": "n"}, []), ({}, ["t1 was given {} as what was sent along"])):
        told = Told()
        told.store(CREATED, with_metadata("t1"), started("t1"))
        message = {"role": "user", "content": "1 stop"}
        told.note(Read("a", "t1", 1, (message,), given))
        assert told.broken("I15") == broken


def test_i15_finds_a_message_without_its_attachment() -> None:
    told = two_turns()
    told.store({**submitted("t3"), **Along.ATTACHMENT.more}, started("t3"), ended("t3"))
    told.call(ReadPage(1), Page(items("t3.0"), "t3.0"))
    (missing,) = told.broken("I15, of reads")
    assert missing.endswith("which the history never was")
    (item,) = items("t3.0")
    whole = evolve(item, body={**item.body, **Along.ATTACHMENT.more})
    told.records.pop()
    told.note(Answered(told.call(ReadPage(1)), Page((whole,), "t3.0")))
    assert told.broken("I15, of reads") == []

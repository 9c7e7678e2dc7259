"""I1 to I9: each checker is silent about a plain run, and finds what it is there for."""

from __future__ import annotations

from typing import Any

import pytest

from actors.core.effects import Cancelled, CancelOutcome, Submitted
from actors.core.event_codec import Row
from actors.core.position import Position
from actors.delivery.batches import Detached, Events
from actors.testing.facts import Answered, Fault, Killed, Refused, Said, Saw, Struck
from actors.testing.operations import Cancel, Submit, Target, Truncate
from tests.simulation.histories import Told, delta, ended, started, submitted


def plain() -> Told:
    """Tell a thread with one turn, which somebody watches from the beginning."""
    told = Told()
    told.claim(1)
    told.attach()
    told.store({"type": "thread.created"})
    told.turn("t1")
    return told


@pytest.mark.parametrize("invariant", [f"I{number}" for number in range(1, 10)])
def test_a_plain_history_breaks_none_of_them(invariant: str) -> None:
    told = Told()
    call = told.call(Submit("1 stop"))
    told.claim(1)
    told.store({"type": "thread.created"}, submitted("t1"), started("t1"))
    told.note(Answered(call, Submitted("t1", Position(1, 2))))
    told.enter("t1")
    told.note(Said("a", "t1", 1, "hello"))
    told.exit("t1")
    told.store(delta("t1", "hello"), ended("t1"))
    assert told.broken(invariant) == []


def test_i1_finds_two_turns_at_once() -> None:
    told = Told()
    told.store(submitted("t1"), submitted("t2"), started("t1"), started("t2"))
    told.enter("t1")
    told.enter("t2")
    assert "t2 began to run while t1 had not stopped" in told.broken("I1")


def test_i1_lets_a_turn_run_again_whose_rows_were_damaged_before_it_began() -> None:
    """Its actor fails at its first write, and is let go when its grace has run out."""
    told = Told(retry=True)
    told.store(submitted("t1"), started("t1"))
    told.note(Struck(Fault.DAMAGE, "a"))
    told.enter("t1")
    told.note(Struck(Fault.MENDED, "a"), after=9)
    told.store(started("t1", attempt=2), generation=2)
    told.enter("t1", attempt=2)
    assert told.broken("I1") == []


def test_i1_finds_one_that_was_let_go_before_its_grace_had_run_out() -> None:
    told = Told(retry=True)
    told.store(submitted("t1"), started("t1"))
    told.note(Struck(Fault.DAMAGE, "a"))
    told.enter("t1")
    told.note(Struck(Fault.MENDED, "a"))
    told.store(started("t1", attempt=2), generation=2)
    told.enter("t1", attempt=2)
    assert told.broken("I1") == ["t1 began to run while t1 had not stopped"]


def test_i3_finds_who_is_detached_by_an_end_that_came_before() -> None:
    told = Told()
    before = told.attach()
    at = told.store({"type": "thread.created"}, {"type": "thread.ended"})
    after = told.attach()
    rows = tuple(told.history().at["a", 1, offset].row for offset in (1, 2))
    told.note(Saw(before, Events("a", rows, at)))
    for call in (before, after):
        told.note(Saw(call, Detached("a", at, "ended")))
    assert told.broken("I3") == [
        f"subscriber {after}: was detached by a thread.ended that came before it"
    ]


def test_i6_a_cancel_in_a_fork_is_told_a_place_in_the_fork() -> None:
    told = plain()
    told.fork(submitted("t1"), started("t1"), ended("t1"), after="t1.0", to="b")
    early = Cancelled("t1", CancelOutcome.ALREADY_ENDED, Position(1, 3))
    told.call(Cancel(Target.NEWEST), early, argument="t1", thread="b")
    assert told.broken("I6") == []
    call = told.call(Cancel(Target.NEWEST), early, argument="t1")
    assert told.broken("I6") == [f"call {call} was told a place before the ending"]


def test_i2_finds_a_turn_without_an_ending_and_one_with_two() -> None:
    told = plain()
    told.store(ended("t1", "cancelled"), submitted("t2"))
    assert told.broken("I2") == [
        "t1 has a second terminal event, turn.cancelled",
        "t2 has no terminal event",
    ]


def test_i3_finds_a_gap() -> None:
    told = Told()
    call = told.attach()
    told.store({"type": "thread.created"}, submitted("t1"))
    second = told.history().at["a", 1, 2].row
    told.note(Saw(call, Events("a", (second,), Position(1, 2))))
    assert told.broken("I3") == [f"subscriber {call}: 1.2 came after 1.0"]


def test_i3_finds_an_event_that_is_not_on_disk() -> None:
    told = Told()
    call = told.attach()
    told.note(Saw(call, Events("a", (Row(1, 1, b'{"type":"thread.created"}'),), Position(1, 1))))
    assert told.broken("I3") == [f"subscriber {call}: offset 1 is not what is on disk"]


def test_i4_finds_what_was_acknowledged_before_it_was_durable() -> None:
    told = Told()
    told.call(Submit("1 stop"), Submitted("t1", Position(1, 2)))
    told.store({"type": "thread.created"}, submitted("t1"))
    assert told.broken("I4") == ["t1 was acknowledged at 1.2, and is not on disk"]


def test_i5_finds_an_activation_and_an_ending_that_nobody_asked_for() -> None:
    told = Told()
    told.attach()
    told.claim(1)
    told.store(submitted("t1"), started("t1"))
    told.store(ended("t1", "cancelled"))
    assert told.broken("I5") == [
        "a was activated without a command",
        "t1 ended as turn.cancelled, which nobody caused",
    ]


def test_i5_takes_an_operators_release_for_a_command() -> None:
    told = Told()
    told.attach()
    told.note(Struck(Fault.RELEASED, "a"))
    told.claim(1)
    assert told.broken("I5") == []


@pytest.mark.parametrize(("attempt", "found"), [(1, 0), (2, 1)])
def test_i6_an_attempt_that_was_let_go_may_outlast_the_cancel_of_the_next(
    attempt: int, found: int
) -> None:
    told = Told(retry=True)
    told.store(submitted("t1"), started("t1"))
    told.note(Struck(Fault.ACTOR, "a"))
    told.store(started("t1", attempt=2), generation=2)
    told.enter("t1", attempt=attempt)
    call = told.call(Cancel())
    at = told.store(ended("t1", "cancelled"), generation=2)
    told.note(Answered(call, Cancelled("t1", CancelOutcome.CANCELLED, at)))
    assert told.broken("I6") == [f"call {call}: the handler of t1 still runs"] * found


def test_i6_finds_a_cancel_that_hits_another_turn_and_one_that_is_answered_too_early() -> None:
    told = Told()
    told.store(submitted("t1"), started("t1"))
    told.enter("t1")
    outcome = Cancelled("t0", CancelOutcome.CANCELLED, Position(1, 3))
    told.call(Cancel(), outcome, argument="t0")
    told.store(ended("t1", "cancelled"))
    assert told.broken("I6") == [
        "call 1: t0 has no durable ending",
        "t1 was cancelled by a command for another turn",
    ]


def test_i7_finds_a_turn_and_a_writer_that_go_on_behind_their_end() -> None:
    told = plain()
    told.store(delta("t1", "more"), generation=2)
    told.note(Said("a", "t1", 1, "more"))
    told.store(submitted("t2"), generation=1)
    assert told.broken("I7") == [
        "t1 wrote turn.delta after its end",
        "the handler of t1 was heard after its end",
        "generation 1 wrote to a after 2",
    ]


ANEW = {"type": "thread.truncated", "after": None, "items": 0}
CUT = Truncate(clear=True)


@pytest.mark.parametrize(
    ("before", "said", "silent"),
    [
        (ANEW, CUT, True),
        (ANEW, None, False),
        (submitted("t0"), None, True),
        (submitted("t0"), CUT, False),
        # Nothing is there that could be cut, and so nothing tells.
        ({"type": "thread.created"}, CUT, True),
        ({"type": "thread.created"}, None, True),
    ],
)
def test_i8_a_truncation_is_part_of_what_a_key_binds(
    before: dict[str, Any], said: Truncate | None, silent: bool
) -> None:
    told = Told()
    told.store(before, submitted("t1", key="k1"))
    told.call(Submit("1 stop", "k1", first=said), Submitted("t1", Position(1, 2), duplicate=True))
    assert (told.broken("I8") == []) is silent


@pytest.mark.parametrize(("before", "broken"), [(ANEW, 0), (submitted("t0"), 1)])
def test_i8_finds_a_conflict_with_the_very_same_truncation(
    before: dict[str, Any], broken: int
) -> None:
    told = Told()
    told.store(before, submitted("t1", key="k1"))
    told.call(Submit("1 stop", "k1"), Refused("idempotency_conflict"))
    assert len(told.broken("I8")) == broken


def test_i8_finds_two_who_are_given_one_turn_and_say_different_things() -> None:
    told = Told()
    told.store({"type": "thread.created"}, submitted("t1", key="k1"))
    for cut, again in ((None, False), (CUT, True)):
        told.call(Submit("1 stop", "k1", first=cut), Submitted("t1", Position(1, 2), again))
    assert told.broken("I8") == ["calls 1 and 2 say different things as t1"]


def test_i8_finds_a_key_that_binds_twice() -> None:
    told = Told()
    told.store(submitted("t1", key="k1"), submitted("t2", key="k1"))
    assert told.broken("I8") == ["key k1 of a bound twice in life 1"]


def test_i9_what_fails_as_a_start_is_stored_is_reason_enough_for_another() -> None:
    for failed, found in ((True, []), (False, ["t1 was started again for no reason"])):
        told = Told(retry=True)
        told.claim(1)
        if failed:
            told.note(Struck(Fault.ACTOR, "a"))
        told.store(submitted("t1"), started("t1"))
        told.claim(2)
        told.store(started("t1", attempt=2), generation=2)
        assert told.broken("I9") == found


def test_i9_finds_a_turn_that_a_restart_leaves_open_or_runs_again() -> None:
    told = Told()
    told.store(submitted("t1"), started("t1"))
    told.note(Killed())
    told.opened()
    told.store(started("t1", attempt=2), submitted("t2"), ended("t2", "interrupted"))
    assert told.broken("I9") == [
        "t1 is open when life 2 begins to serve",
        "t1 was started again for no reason",
        "t2 only waited, and was interrupted",
    ]

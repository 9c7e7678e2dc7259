"""Finalising: when it is drawn, what the checkers know of it, and a cancel that a drain meets."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from actors.core.commands import FINALISING
from actors.core.effects import Submitted
from actors.core.position import Position
from actors.testing import (
    Cancel,
    Delete,
    Finalise,
    Restart,
    Scenario,
    Step,
    Submit,
    Truncate,
    sample_schedule,
    scripted,
    simulate,
)
from actors.testing.checkers import CHECKERS
from actors.testing.facts import Answered, Closed, Closing, Done, Drained, Exited, Opened, Refused
from tests.simulation.histories import Told, ended, recorded, started, submitted
from tests.simulation.kinds import kind
from tests.simulation.lifetimes import FINALISED, SPARED, finalising, sparing

HANDED: dict[str, Any] = submitted(FINALISING) | {"content": [{"type": FINALISING}]}
RUNS = 150


def test_some_scenarios_finalise_the_first_thread_and_do_not_delete_it() -> None:
    steps = (Step(1, "a", Delete()), Step(1, "b", Delete()), Step(2, "a", Truncate()))
    drawn = [finalising(Random(number), Scenario((steps,))) for number in range(300)]
    others = [each.phases[0] for each in drawn if each != Scenario((steps,))]
    assert 0.5 * FINALISED < len(others) / len(drawn) < 1.5 * FINALISED
    for phase in others:
        assert Step(1, "a", Finalise()) in phase
        assert Step(1, "b", Delete()) in phase
        assert Step(2, "a", Truncate()) in phase
        assert Step(1, "a", Delete()) not in phase


def handed(told: Told) -> None:
    """Tell a finalising that is accepted and begins."""
    call = told.call(Finalise())
    told.store(HANDED, started(FINALISING))
    told.note(Answered(call, Submitted(FINALISING, Position(1, told.head().offset - 1))))


def test_a_finalising_that_goes_on_after_an_orderly_restart_is_right() -> None:
    told = Told()
    told.store({"type": "thread.created"}, recorded("r1") | {"kind": "called"})
    handed(told)
    told.enter(FINALISING)
    told.note(Closing())
    told.exit(FINALISING, "Cancelled")
    told.note(Drained(0, ()), Closed(()))
    told.opened(serving=False)
    told.claim(2)
    told.store(started(FINALISING, 2), generation=2)
    told.note(Opened())
    told.enter(FINALISING, attempt=2)
    told.note(Exited("a", FINALISING, 2, None))
    told.call(Finalise(), Submitted(FINALISING, told.head(), duplicate=True))
    told.store(ended(FINALISING), generation=2)
    for invariant in CHECKERS:
        assert told.broken(invariant) == []


@pytest.mark.parametrize(("turn", "retry"), [(FINALISING, False), ("t1", True), ("t1", False)])
def test_i9_finds_what_a_start_gave_up_and_was_to_run_again(turn: str, retry: bool) -> None:
    told = Told(retry=retry)
    told.store(submitted(turn), started(turn))
    told.opened(serving=False)
    told.store(ended(turn, "interrupted"))
    given_up = retry or turn == FINALISING
    assert told.broken("I9") == [f"{turn} was given up, and not run again"] * given_up


def test_i9_finds_a_finalising_that_a_drain_gave_up() -> None:
    told = Told()
    handed(told)
    told.note(Closing())
    told.store(ended(FINALISING, "interrupted"))
    assert told.broken("I9") == [f"{FINALISING} was given up, and not run again"]


def test_what_was_started_as_often_as_it_may_be_is_given_up() -> None:
    told = Told()
    handed(told)
    told.opened(serving=False)
    told.store(started(FINALISING, 2))
    told.opened(serving=False)
    told.store(ended(FINALISING, "interrupted"))
    assert told.broken("I9") == []


def test_i18_finds_who_is_told_that_nobody_asked_before() -> None:
    told = Told()
    told.store({"type": "thread.created"}, recorded("r1") | {"kind": "called"})
    told.call(Finalise(), Submitted(FINALISING, told.head(), duplicate=True))
    handed(told)
    told.store(ended(FINALISING))
    handed(told)
    message = "call {} could not be answered so at any time"
    assert told.broken("I18") == [message.format(1), message.format(3)]


def test_i4_finds_who_is_told_again_of_what_is_not_on_disk() -> None:
    told = Told()
    handed(told)
    told.call(Finalise(), Submitted(FINALISING, Position(1, 9), duplicate=True))
    assert told.broken("I4") == ["call 2 was told 1.9 ahead of the disk"]


def test_whoever_cancels_what_a_drain_leaves_to_the_next_start_is_answered() -> None:
    asked = (Submit("1 linger"), Cancel(), Finalise(), Cancel(waits=False), Restart())
    scenario = Scenario((tuple(Step(0, "a", each) for each in asked),))
    refused = 0
    for number in range(RUNS):
        run = simulate(scenario, scripted, schedule=sample_schedule(Random(number)), kind=kind)
        assert list(run.broken()) == []
        answers = [call.answer for call in run.history.calls.values()]
        refused += Refused("draining") in answers
    assert refused


def test_some_scenarios_delete_the_second_thread_unless_it_is_in_use() -> None:
    plain = Scenario(((Step(1, "a", Submit("x")),),))
    drawn = [sparing(Random(number), plain) for number in range(300)]
    others = [each.phases[0] for each in drawn if each != plain]
    assert 0.5 * SPARED < len(others) / len(drawn) < 1.5 * SPARED
    assert all(Step(1, "b", Delete(unless_used=True)) in phase for phase in others)


@pytest.mark.parametrize("unless_used", [True, False])
def test_what_spares_a_thread_in_use_neither_deletes_it_nor_ends_its_turn(
    *, unless_used: bool
) -> None:
    told = Told()
    told.turn("t1")
    told.store(submitted("t2"), started("t2"))
    call = told.call(Delete(unless_used))
    told.store(ended("t2", "cancelled", reason="deleted"), {"type": "thread.deleted"})
    told.note(Answered(call, Done(True)))
    ended_by = ["t2 ended as turn.cancelled, which nobody caused"]
    meant = ["t2 was cancelled by a command for another turn"]
    assert told.broken("I5") == ended_by * unless_used
    assert told.broken("I6") == meant * unless_used
    late = f"call {call} could not be answered so at any time"
    assert (late in told.broken("I18")) is unless_used

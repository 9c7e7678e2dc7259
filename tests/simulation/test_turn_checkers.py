"""I4 and I6 of turns: what a handler adds is durable when it is told so; a stop goes as asked."""

from __future__ import annotations

import pytest

from actors.core.commands import OnBusy
from actors.core.effects import Cancelled, CancelOutcome, Submitted
from actors.core.position import Position
from actors.testing.facts import Answered, Exited, Refused, Said
from actors.testing.operations import Cancel, Submit
from actors.testing.turn_facts import Kept
from tests.simulation.histories import Told, delta, ended, recorded, started, submitted

ITEM = {"type": "turn.item", "turn": "t1", "item": "t1.1", "kind": "tool_call", "data": {}}


def cancelled(told: Told, *calls: int, **more: object) -> None:
    """Have the turn end as it was asked to, and everybody be told."""
    head = told.store(ended("t1", "cancelled", reason="requested", **more))
    for call in calls:
        told.note(Answered(call, Cancelled("t1", CancelOutcome.CANCELLED, head)))


def running() -> Told:
    """A turn runs."""
    told = Told()
    told.store(submitted("t1"), started("t1"))
    return told


@pytest.mark.parametrize("rollback", [False, True])
def test_i6_finds_a_cancel_that_rolls_back_unasked_or_not_at_all(rollback: bool) -> None:
    for done in (False, True):
        told = running()
        call = told.call(Cancel(rollback=rollback))
        cancelled(told, call, **({"rolled_back": True} if done else {}))
        found = told.broken("I6, as asked")
        what = f"t1 was {'rolled back' if done else 'kept'}, which nobody asked for"
        assert found == ([] if done is rollback else [what])


def test_of_two_cancels_either_may_be_the_first() -> None:
    for more in ({}, {"rolled_back": True}):
        told = running()
        calls = told.call(Cancel(rollback=True)), told.call(Cancel())
        cancelled(told, *calls, **more)
        assert told.broken("I6, as asked") == []


def test_a_cancel_that_was_refused_for_another_turn_asks_for_nothing() -> None:
    told = running()
    told.call(Cancel(rollback=True), Refused("turn_not_found"), argument="t0")
    cancelled(told, told.call(Cancel()))
    assert told.broken("I6, as asked") == []


@pytest.mark.parametrize("policy", [OnBusy.INTERRUPT, OnBusy.ROLLBACK])
def test_i6_finds_a_successor_that_rolls_back_unasked_or_not_at_all(policy: OnBusy) -> None:
    for done in (False, True):
        told = running()
        call = told.call(Submit("1 stop", on_busy=policy))
        head = told.store({**submitted("t2"), "supersedes": "t1"})
        told.note(Answered(call, Submitted("t2", head)))
        told.store(ended("t1", "superseded", by="t2", **({"rolled_back": True} if done else {})))
        assert (told.broken("I6, as asked") == []) is (done is (policy is OnBusy.ROLLBACK))


def test_whose_policy_nobody_knows_may_do_either() -> None:
    told = running()
    told.call(Submit("1 stop", "k1", OnBusy.INTERRUPT))  # its answer was lost
    again = Submitted("t2", Position(1, 3), duplicate=True)
    told.store({**submitted("t2", key="k1"), "supersedes": "t1"})
    told.call(Submit("1 stop", "k1", OnBusy.ROLLBACK), again)
    told.store(ended("t1", "superseded", by="t2"))
    assert told.broken("I6, as asked") == []


@pytest.mark.parametrize("event", [ITEM, recorded("t1-1-1") | {"item": "t1.1"}])
def test_i4_finds_an_item_that_is_called_durable_too_early(event: dict[str, object]) -> None:
    for early in (True, False):
        told = running()
        if not early:
            told.store(event)
        told.note(Kept("a", "t1", 1, "t1.1"))
        if early:
            told.store(event)
        message = "t1 was told that t1.1 is durable, and it is not"
        assert told.broken("I4") == ([message] if early else [])


def test_i6_finds_reasoning_that_is_kept_as_the_answer() -> None:
    for channel in ("reasoning", None):
        told = running()
        told.enter("t1")
        told.note(Said("a", "t1", 1, "hm"), Said("a", "t1", 1, "yes", channel))
        told.note(Exited("a", "t1", 1, None))
        told.store(delta("t1", "hmyes"), ended("t1"))
        kept = "t1 said 'hm[reasoning] yes', and 'hmyes' is kept"
        assert told.broken("I6") == ([kept] if channel else [])


@pytest.mark.parametrize("item", ["t1.1", "t1.2"])
def test_i15_finds_an_attempt_that_uses_an_id_again(item: str) -> None:
    told = running()
    told.store(delta("t1", "a"), delta("t1", "b"))
    told.store(started("t1", attempt=2), {**delta("t1", "c"), "item": item})
    message = "t1.1 of a is another item's id"
    assert told.broken("I15, of items") == ([message] if item == "t1.1" else [])

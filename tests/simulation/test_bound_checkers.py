"""I12 and I18: what is bounded is bounded exactly, and nobody is refused who has room."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from actors.core.commands import OnBusy
from actors.core.effects import Submitted
from actors.core.event_codec import Row
from actors.core.position import Position
from actors.delivery.batches import Events
from actors.testing.facts import Answered, Opening, Refused, Saw
from actors.testing.operations import Submit
from actors.testing.world import SIMULATION_LIMITS
from tests.simulation.histories import Told, delta, ended, started, submitted

FULL = Refused("queue_full")


def item(turn: str, data: object) -> dict[str, Any]:
    """Return a whole item of a turn's answer."""
    return {"type": "turn.item", "turn": turn, "item": f"{turn}.9", "kind": "x", "data": data}


@pytest.mark.parametrize(("sizes", "wrong"), [((400,), 0), ((150, 150), 0), ((150, 151), 1)])
def test_i12_one_event_alone_may_be_larger_than_a_batch(sizes: tuple[int, ...], wrong: int) -> None:
    told = Told()
    call = told.attach()
    rows = tuple(Row(n, n, b" " * size) for n, size in enumerate(sizes, 1))
    told.note(Saw(call, Events("a", rows, Position(1, len(rows)))))
    assert len(told.broken("I12")) == wrong


LIMITS = evolve(SIMULATION_LIMITS, turn_output_bytes=100)


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ((delta("t1", "x" * 100),), 0),
        ((delta("t1", "x" * 100), delta("t1", "y")), 1),
        ((delta("t1", "ä" * 50), delta("t1", "ä")), 1),
        ((delta("t1", "x" * 92), item("t1", "of 8 b")), 0),
        ((delta("t1", "x" * 93), item("t1", "of 8 b")), 1),
        # What an earlier attempt had said is gone.
        ((delta("t1", "x" * 100), started("t1", 2), delta("t1", "y")), 0),
    ],
)
def test_i12_finds_a_turn_that_says_more_than_it_may(
    said: tuple[dict[str, Any], ...], wrong: int
) -> None:
    told = Told()
    told.note(Opening(LIMITS))
    told.store(submitted("t1"), started("t1"), *said)
    assert len(told.broken("I12")) == wrong


def full_queue(supersedes: str | None) -> Told:
    """Tell a thread where one turn runs and as many wait as may; the first may be to replace it."""
    told = Told()
    told.store({"type": "thread.created"}, submitted("t1"), started("t1"))
    told.store(submitted("t2"), {**submitted("t3"), "supersedes": supersedes})
    return told


def answers_of(told: Told) -> list[str]:
    """Return which answers are wrong; the turns in the queue are nobody's."""
    return [each for each in told.broken("I18") if each.startswith("call ")]


@pytest.mark.parametrize(
    ("supersedes", "on_busy", "wrong"),
    [
        (None, OnBusy.INTERRUPT, 0),
        ("t1", OnBusy.QUEUE, 0),
        ("t1", OnBusy.INTERRUPT, 1),
        ("t1", OnBusy.ROLLBACK, 1),
    ],
)
def test_i18_finds_who_is_refused_although_another_makes_way(
    supersedes: str | None, on_busy: OnBusy, wrong: int
) -> None:
    told = full_queue(supersedes)
    told.call(Submit("1 stop", on_busy=on_busy), FULL)
    assert answers_of(told) == ["call 1 could not be answered so at any time"][:wrong]


def test_i18_who_replaces_takes_the_place_of_who_was_to() -> None:
    told = full_queue("t1")
    call = told.call(Submit("1 stop", on_busy=OnBusy.INTERRUPT))
    gone = {**ended("t3", "superseded"), "by": "t4"}
    told.store(gone, {**submitted("t4"), "supersedes": "t1"})
    told.note(Answered(call, Submitted("t4", Position(1, 7))))
    assert answers_of(told) == []

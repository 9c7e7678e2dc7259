"""The checker of presence finds rolls that name others than are there."""

from __future__ import annotations

import pytest

from actors.core.position import Position
from actors.delivery.batches import Attendee, Presence, Roll
from actors.testing.facts import AtRest, KindGiven, Left, Saw
from actors.testing.wire_facts import Connected, Sent
from actors.testing.world import SIMULATION_LIMITS
from tests.simulation.histories import Told

# Ticks after which whoever left is counted no longer.
FORGOTTEN = 100_000


def present(*principals: str) -> tuple[Told, list[int]]:
    """Attach one after the other to thread a, each over a connection of its own."""
    told = Told()
    told.note(KindGiven("a", False, SIMULATION_LIMITS.cancel_grace_seconds, presence=True))
    calls = []
    for connection, principal in enumerate(principals, 1):
        call = told.attach()
        told.note(Connected(connection, connection, principal), Sent(connection, call))
        calls.append(call)
    return told, calls


def tell(told: Told, call: int, total: int | None = None, /, **counts: int) -> None:
    roll = Roll(tuple(Attendee(*each) for each in counts.items()), total or len(counts))
    told.note(Saw(call, Presence("a", Position(1, 0), roll)))


def found(told: Told) -> list[str]:
    told.note(AtRest(), after=FORGOTTEN)
    return told.broken("I5, of presence")


def test_a_roll_that_names_those_who_are_there_is_right() -> None:
    told, calls = present("ada", "ada", "eve")
    for call in calls:
        tell(told, call, ada=1)  # what was told before does not count
        tell(told, call, ada=2, eve=1)
    assert found(told) == []


@pytest.mark.parametrize(
    ("total", "counts"),
    [
        (None, {"ada": 1}),
        (None, {"ada": 2, "eve": 1}),
        (None, {"ada": 1, "eve": 1, "bob": 1}),
        (3, {"ada": 1, "eve": 1}),
    ],
    ids=["too few", "too many", "a stranger", "a wrong total"],
)
def test_i5_finds_a_roll_that_is_wrong(total: int | None, counts: dict[str, int]) -> None:
    told, calls = present("ada", "eve")
    tell(told, calls[0], ada=1, eve=1)
    tell(told, calls[1], total, **counts)
    (message,) = found(told)
    assert message.startswith(f"subscriber {calls[1]} was told that")


def test_i5_finds_who_was_never_told() -> None:
    told, _ = present("ada")
    assert len(found(told)) == 1


def test_i5_finds_that_nobody_was_told_of_one_who_left() -> None:
    told, calls = present("ada", "eve")
    tell(told, calls[0], ada=1, eve=1)
    told.note(Left(calls[1]))
    assert len(found(told)) == 1


def test_whoever_left_just_now_may_be_counted() -> None:
    told, calls = present("ada", "eve")
    tell(told, calls[0], ada=1, eve=1)
    told.note(Left(calls[1]), AtRest())
    assert told.broken("I5, of presence") == []


def test_a_thread_without_presence_tells_nobody() -> None:
    told = Told()
    told.attach()
    assert found(told) == []

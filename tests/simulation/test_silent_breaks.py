"""Connections that break without a word: only who asks for a sign of life finds out."""

from __future__ import annotations

from itertools import islice

import pytest
import trio
import trio.testing

from actors.testing.schedule import PLAIN
from actors.testing.wire_facts import Befell, Disconnected
from actors.testing.world import World
from tests.simulation.wire import runs
from transport.testing.network import SimulatedNetwork
from transport.testing.wire_limits import WIRE_LIMITS

RUNS = 150


async def test_neither_end_is_told_whatever_the_other_does() -> None:
    world = World(PLAIN, WIRE_LIMITS)
    async with trio.open_nursery() as nursery:
        connection = SimulatedNetwork(world.delays, nursery, WIRE_LIMITS).pair()
        await connection.client.send_text("under way")
        connection.vanish()
        await connection.client.send_text("behind it")
        connection.client.abort()
        connection.heal()
        nursery.start_soon(connection.server.receive)
        await trio.testing.wait_all_tasks_blocked()
        assert len(nursery.child_tasks) == 1  # it still waits
        nursery.cancel_scope.cancel()


async def test_a_sign_of_life_is_missed(autojump_clock: trio.testing.MockClock) -> None:
    world = World(PLAIN, WIRE_LIMITS)
    async with trio.open_nursery() as nursery:
        connection = SimulatedNetwork(world.delays, nursery, WIRE_LIMITS).pair()
        connection.vanish()
        for end in (connection.client, connection.server):
            with pytest.raises(trio.TooSlowError):
                await end.ping()


def test_every_client_finds_out_in_time() -> None:
    """B1: what is up to date and answered at rest has found out; see the checkers of that."""
    late: list[float] = []
    for run in islice(runs(seed=3), RUNS):
        since: dict[int, float] = {}
        for _, record in run.history.of(Befell, Disconnected):
            match record.fact:
                case Befell(connection=number, what="break it without a word"):
                    since[number] = record.at
                case Disconnected(connection=number) if number in since:
                    late.append(record.at - since[number])
                case _:
                    pass
    assert len(late) > 5
    # How near to the most the latest of so few comes depends on what was drawn.
    assert 1.9 < max(late) / WIRE_LIMITS.heartbeat_seconds <= 2

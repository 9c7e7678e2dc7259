"""Presence over connections: ordered with the events, and steady where a connection breaks."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import trio
import trio.testing
from memory_server import LIMITS, PIECES, MemoryServer, client_of, paced, play

from actors import CaughtUp, Events, Presence, Snapshot, ThreadKind
from actors.errors import ClientClosed

if TYPE_CHECKING:
    from transport import Client

SHOWN = ThreadKind(on_turn=paced(PIECES), presence=True)


async def follow(client: Client, seen: list[Any], thread: str = "t") -> None:
    with suppress(ClientClosed):
        async with client.attach(thread) as subscription:
            while True:
                seen.append(await anext(subscription))


def counts(seen: list[Any]) -> list[int]:
    """The attachments that were told of, one number for each telling."""
    rolls = [batch.roll for batch in seen if isinstance(batch, Presence)]
    return [sum(attendee.count for attendee in roll.attendees) for roll in rolls]


def test_a_goodbye_is_one_though_a_sender_meets_it_before_the_receiver() -> None:
    """Which of them does so is up to trio's order of tasks, which is another one each time."""

    async def scene(server: MemoryServer, client: Client) -> None:
        async with client.attach("t"):
            await client.submit("t", "hello")
            async with client_of(server, 1) as other, trio.open_nursery() as beside:
                beside.start_soon(follow, other, [])
                await trio.sleep(2)  # at this instant a piece is said
                beside.cancel_scope.cancel()
            await trio.sleep(1)
            attendance = server.runtime.registry._entries["t"].attendance
            assert attendance is not None
            assert attendance.roll.attendees[0].count == 1

    for _ in range(20):
        play(scene, SHOWN)


def test_who_is_attached_is_told_in_order_with_the_events() -> None:
    async def scene(server: MemoryServer, client: Client) -> None:
        seen: list[Any] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow, client, seen)
            await trio.sleep(1)
            assert [type(batch) for batch in seen] == [Snapshot, Presence, CaughtUp]
            await client.submit("t", "hello")
            async with client_of(server, 1) as other, trio.open_nursery() as beside:
                beside.start_soon(follow, other, [])
                await trio.sleep(2)
                beside.cancel_scope.cancel()
            await trio.sleep(5)
            nursery.cancel_scope.cancel()
        assert counts(seen) == [1, 2, 1]
        sorts = [type(batch) for batch in seen[3:]]
        assert sorts.index(Events) < sorts.index(Presence) < len(sorts) - 1
        assert sorts[-1] is Events
        cursors = [batch.position for batch in seen]
        assert cursors == sorted(cursors)

    play(scene, SHOWN)


def test_a_connection_that_breaks_and_comes_back_makes_no_flicker() -> None:
    """B17: the old one's end is nothing to the new one."""

    async def scene(server: MemoryServer, client: Client) -> None:
        seen: list[Any] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow, client, seen)
            await trio.sleep(1)
            async with client_of(server, 1) as other:
                nursery.start_soon(follow, other, [])
                await trio.sleep(1)
                assert counts(seen)[-1] == 2
                told = len(seen)
                for _ in range(3):
                    server.links[-1].abort()
                    await trio.sleep(5)
                assert len(server.links) == 5
                await trio.sleep(10 * LIMITS.presence_seconds)
                assert counts(seen[told:]) == []
            await trio.sleep(1)
            assert counts(seen[told:]) == [1], "it said goodbye, so it is gone at once"
            nursery.cancel_scope.cancel()

    play(scene, SHOWN)


def test_a_connection_that_breaks_and_stays_away_is_gone_in_time() -> None:
    async def scene(server: MemoryServer, client: Client) -> None:
        seen: list[Any] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow, client, seen)
            await trio.sleep(1)
            async with client_of(server, 1) as other:
                nursery.start_soon(follow, other, [])
                await trio.sleep(1)
                server.up = False
                server.links[-1].abort()
                await trio.sleep(LIMITS.presence_seconds - 1)
                assert counts(seen)[-1] == 2
                await trio.sleep(2)
                assert counts(seen)[-1] == 1
            nursery.cancel_scope.cancel()

    play(scene, SHOWN)


def test_attaching_anew_on_one_connection_makes_no_flicker() -> None:
    async def scene(server: MemoryServer, client: Client) -> None:
        seen: list[Any] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow, client, seen)
            await trio.sleep(1)
            server.links[-1].abort()
            await trio.sleep(5)
            nursery.cancel_scope.cancel()
        assert counts(seen) == [1, 1], "once more after it attached again, and the same"

    play(scene, SHOWN)


def test_only_the_newest_is_kept_for_a_reader_that_lags() -> None:
    async def scene(server: MemoryServer, client: Client) -> None:
        async with client.attach("t") as subscription:
            await trio.sleep(1)
            for number in range(20):
                async with client_of(server, number) as other, other.attach("t"):
                    await trio.sleep(1)
            await trio.sleep(1)
            kept = [batch for batch, _ in subscription._batches]
        assert [type(batch) for batch in kept] == [Snapshot, Presence, CaughtUp, Presence]
        assert counts(kept) == [1, 1]

    play(scene, SHOWN)

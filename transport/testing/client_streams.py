"""The part of the client contract on streams: every event once and in order, whatever is cut."""

from __future__ import annotations

from typing import Final

import trio

from actors.errors import Rejected

from ..wire import client_messages as client
from ..wire import server_messages as wire
from .client_scene import HOUR, LIMITS, Check, ConnectClient, scene
from .scripted_server import run_of


async def a_cut_in_mid_events_loses_nothing(connect: ConnectClient) -> None:
    """Nothing is missing and nothing comes twice, wherever the connections end."""
    async with scene(connect, LIMITS) as play:
        reader, peer = await play.follow()
        await peer.say(run_of("t", [2, 3]), run_of("t", [4]))
        await reader.until(lambda: reader.seen == [2, 3, 4])
        for offset in range(5, 9):
            peer.cut()
            peer = await play.server.greet()
            attach = await peer.expect(client.Attach)
            assert attach.cursor == f"1.{offset - 1}"
            await peer.resume(attach)
            await peer.say(run_of("t", [offset]))
            await reader.until(lambda: reader.seen[-1] == offset)  # noqa: B023 - used at once
        assert reader.seen == [2, 3, 4, 5, 6, 7, 8]
        assert reader.snapshots == ["1.1"]


async def a_cut_before_attached_asks_again(connect: ConnectClient) -> None:
    """At the same place; also where the cut fell between `attached` and its snapshot."""
    async with scene(connect, LIMITS) as play:
        reader = play.read("t")
        peer = await play.server.greet()
        assert (await peer.expect(client.Attach)).cursor is None
        peer.cut()
        peer = await play.server.greet()
        attach = await peer.expect(client.Attach)
        assert attach.cursor is None
        await peer.say(wire.Attached(attach.id, "t", "1.5", "snapshot"))
        peer.cut()
        peer = await play.server.greet()
        attach = await peer.expect(client.Attach)
        assert attach.cursor is None
        await peer.show(attach, "1.7")
        await peer.say(run_of("t", [8]))
        await reader.until(lambda: reader.seen == [8])
        assert reader.snapshots == ["1.7"]


async def a_snapshot_starts_anew(connect: ConnectClient) -> None:
    """Instead of a resume, and in mid-stream."""
    async with scene(connect, LIMITS) as play:
        reader, peer = await play.follow()
        peer.cut()
        peer = await play.server.greet()
        await peer.show(await peer.expect(client.Attach), "1.10", "snapshot", "truncated")
        await peer.say(run_of("t", [11]))
        await peer.say(wire.Snapshot("t", "1.20", (), None, None, (), {}))
        await peer.say(run_of("t", [21]))
        await reader.until(lambda: reader.seen == [21])
        assert reader.snapshots == ["1.1", "1.10", "1.20"]


async def a_repeat_or_a_gap_costs_the_connection(connect: ConnectClient) -> None:
    """It never reaches the reader, who goes on at its cursor on the next connection."""
    for wrong in ([2, 3], [3, 4], [5, 6], [4, 6]):
        async with scene(connect, LIMITS) as play:
            reader, peer = await play.follow()
            await peer.say(run_of("t", [2, 3]), run_of("t", wrong))
            await peer.expect_end()
            peer = await play.server.greet()
            attach = await peer.expect(client.Attach)
            assert attach.cursor == "1.3"
            await peer.resume(attach)
            await peer.say(run_of("t", [4, 5]))
            await reader.until(lambda: reader.seen[-1] == 5)  # noqa: B023 - used at once
            assert reader.seen == [2, 3, 4, 5]


async def what_is_not_known_is_ignored(connect: ConnectClient) -> None:
    """Unknown messages, fields and event types; their offsets count."""
    async with scene(connect, LIMITS) as play:
        reader, peer = await play.follow()
        await peer.say_text('{"type":"news","of":"a later version"}')
        await peer.say_text(
            '{"type":"events","thread":"t","cursor":"1.4","more":1,"events":'
            '[{"offset":2,"to":4,"type":"turn.danced","at":0,"how":"well"}]}'
        )
        await peer.say(run_of("t", [5]))
        await reader.until(lambda: reader.seen == [2, 3, 4, 5])


async def an_end_ends_the_reading(connect: ConnectClient) -> None:
    """After `detached`, reason ended, nothing is attached again."""
    async with scene(connect, LIMITS) as play:
        reader, peer = await play.follow()
        await peer.say(run_of("t", [2]), wire.Detached("t", "1.2", "ended"))
        await reader.until(lambda: reader.detached == "ended")
        peer.cut()
        peer = await play.server.greet()
        await peer.expect_nothing(HOUR)
        assert reader.seen == [2]


async def a_slow_reader_is_attached_again(connect: ConnectClient) -> None:
    """`detached`, reason slow or failed, is not the end of it."""
    for reason in ("slow", "failed"):
        async with scene(connect, LIMITS) as play:
            reader, peer = await play.follow()
            await peer.say(run_of("t", [2]), wire.Detached("t", "1.2", reason))
            attach = await peer.expect(client.Attach)
            assert attach.cursor == "1.2"
            await peer.resume(attach)
            await peer.say(run_of("t", [3]))
            await reader.until(lambda: reader.seen == [2, 3])  # noqa: B023 - used at once
            assert reader.detached is None


async def a_cut_after_a_detach_attaches_again(connect: ConnectClient) -> None:
    """Where `detached` and the cut come together, the next connection makes it good."""
    async with scene(connect, LIMITS) as play:
        reader, peer = await play.follow()
        await peer.say(run_of("t", [2]), wire.Detached("t", "1.2", "slow"))
        peer.cut()
        peer = await play.server.greet()
        attach = await peer.expect(client.Attach)
        assert attach.cursor == "1.2"
        await peer.resume(attach)
        await peer.say(run_of("t", [3]))
        await reader.until(lambda: reader.seen == [2, 3])
        await peer.expect_nothing(HOUR)


async def a_refused_attach_is_asked_again(connect: ConnectClient) -> None:
    """Where the server says that it may succeed later; otherwise the reader is told."""
    async with scene(connect, LIMITS) as play:
        reader = play.read("t")
        peer = await play.server.greet()
        for _ in range(3):
            attach = await peer.expect(client.Attach)
            await peer.refuse(attach, "overloaded", retryable=True)
        await peer.refuse(await peer.expect(client.Attach), "thread_failed")
        await reader.until(lambda: reader.failure is not None)
        assert isinstance(reader.failure, Rejected)
        assert reader.failure.code == "thread_failed"
        await peer.expect_nothing(HOUR)


async def a_lagging_reader_holds_nobody_up(connect: ConnectClient) -> None:
    """It is left for a while, goes on where it stood, and misses nothing."""
    async with scene(connect, LIMITS) as play:
        slow, peer = await play.follow()
        quick = play.read("quick")
        await peer.show(await peer.expect(client.Attach), "1.0")
        said, left = 1, None
        async with slow.allowed:
            while left is None:
                said += 10
                await peer.say(run_of("t", range(said - 9, said + 1)))
                with trio.move_on_after(1):
                    left = await peer.expect(client.Detach)
            assert left.thread == "t"
            await peer.say(wire.Detached("t", f"1.{said}", "requested"))
            for offset in range(1, 50):
                await peer.say(run_of("quick", [offset]))
                await quick.until(lambda: quick.seen[-1:] == [offset])  # noqa: B023 - used at once
            await peer.expect_nothing(HOUR)
        attach = await peer.expect(client.Attach)
        assert (attach.thread, attach.cursor) == ("t", f"1.{said}")
        await peer.resume(attach)
        await peer.say(run_of("t", [said + 1]))
        await slow.until(lambda: slow.seen == list(range(2, said + 2)))


async def a_lagging_reader_hears_of_a_deletion(connect: ConnectClient) -> None:
    """Its thread is attached on the next connection, if only to see that it is still there."""
    async with scene(connect, LIMITS) as play:
        slow, peer = await play.follow()
        async with slow.allowed:
            await peer.say(*(run_of("t", [offset]) for offset in range(2, 60)))
            await peer.expect(client.Detach)
            asked = play.ask(play.client.submit, "t", "hello")
            await peer.expect(client.Submit)
            peer.cut()
            peer = await play.server.greet()
            still_there = await peer.expect(client.Attach)
            await peer.resume(still_there)
            for _ in range(2):
                await peer.expect(client.Detach, client.Submit)
            peer.cut()
            peer = await play.server.greet()
            attach = await peer.expect(client.Attach)
            assert attach.cursor == still_there.cursor
            await peer.show(attach, "2.0", "reset", "deleted")
            assert (await asked.failure(Rejected)).code == "thread_deleted"
            await peer.expect(client.Detach)
        attach = await peer.expect(client.Attach)
        await peer.show(attach, "2.0", "reset", "deleted")
        await slow.until(lambda: slow.snapshots == ["1.1", "2.0"])


CHECKS: Final[tuple[Check, ...]] = (
    a_cut_in_mid_events_loses_nothing,
    a_cut_before_attached_asks_again,
    a_snapshot_starts_anew,
    a_repeat_or_a_gap_costs_the_connection,
    what_is_not_known_is_ignored,
    an_end_ends_the_reading,
    a_slow_reader_is_attached_again,
    a_cut_after_a_detach_attaches_again,
    a_refused_attach_is_asked_again,
    a_lagging_reader_holds_nobody_up,
    a_lagging_reader_hears_of_a_deletion,
)

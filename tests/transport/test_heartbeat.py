"""The heartbeat on a virtual clock."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from actors.limits import Limits
from actors.timers import Timers
from transport.heartbeat import Heartbeat
from transport.link import Link, LinkClosed
from transport.testing.memory import memory_links

LIMITS = Limits(heartbeat_seconds=20)


async def receive_all(link: Link) -> None:
    try:
        while True:
            await link.receive()
    except LinkClosed:
        pass


async def heartbeat(link: Link) -> int:
    """Ping until the peer falls silent, and return how often that was."""
    timers, silence, beats = Timers(), trio.Event(), 0

    def on_beat() -> None:
        nonlocal beats
        beats += 1

    async def on_silence() -> None:
        assert not silence.is_set()
        silence.set()

    beating = Heartbeat(link, LIMITS, timers, on_beat, on_silence)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(timers.run)
        beating.begin(nursery)
        try:
            await silence.wait()
        finally:
            beating.end()
            assert not timers._waiting
            nursery.cancel_scope.cancel()
    return beats


async def test_it_goes_on_while_the_peer_answers(autojump_clock: trio.testing.MockClock) -> None:
    server, client = memory_links(LIMITS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive_all, client)
        with trio.move_on_after(3600) as scope:
            await heartbeat(server)
        assert scope.cancelled_caught
        await server.send_text(b"the link is whole")
        await server.aclose()


async def test_it_ends_with_the_first_silence(autojump_clock: trio.testing.MockClock) -> None:
    server, client = memory_links(LIMITS)

    async def fall_silent() -> None:
        await trio.sleep(50)
        client.answers_pings = False

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive_all, client)
        nursery.start_soon(fall_silent)
        # Pings at 20 and 40 are answered, the one at 60 is not, and is given up at 80.
        assert await heartbeat(server) == 3
        assert trio.current_time() == pytest.approx(80)
        await server.aclose(4004, "no pong")


async def test_it_ends_with_the_link(autojump_clock: trio.testing.MockClock) -> None:
    server, client = memory_links(LIMITS)
    client.abort()
    assert await heartbeat(server) == 1
    assert trio.current_time() <= LIMITS.heartbeat_seconds


async def test_between_the_pings_there_is_no_task(autojump_clock: trio.testing.MockClock) -> None:
    server, client = memory_links(LIMITS)
    timers = Timers()

    async def on_silence() -> None:
        raise AssertionError("the peer answers")

    async with trio.open_nursery() as clocks, trio.open_nursery() as nursery:
        clocks.start_soon(timers.run)
        clocks.start_soon(receive_all, client)
        beating = Heartbeat(server, LIMITS, timers, lambda: None, on_silence)
        beating.begin(nursery)
        for _ in range(5):
            await trio.sleep(LIMITS.heartbeat_seconds + 1)
            assert not nursery.child_tasks
        beating.end()
        clocks.cancel_scope.cancel()

"""The heartbeat on a virtual clock."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from actors.limits import Limits
from transport.heartbeat import heartbeat
from transport.link import Link, LinkClosed
from transport.testing.memory import memory_links

LIMITS = Limits(heartbeat_seconds=20)


async def receive_all(link: Link) -> None:
    try:
        while True:
            await link.receive()
    except LinkClosed:
        pass


async def test_it_goes_on_while_the_peer_answers(autojump_clock: trio.testing.MockClock) -> None:
    server, client = memory_links(LIMITS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive_all, client)
        with trio.move_on_after(3600) as scope:
            await heartbeat(server, LIMITS)
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
        await heartbeat(server, LIMITS)
        # Pings at 20 and 40 are answered, the one at 60 is not, and is given up at 80.
        assert trio.current_time() == pytest.approx(80)
        await server.aclose(4004, "no pong")


async def test_it_ends_with_the_link(autojump_clock: trio.testing.MockClock) -> None:
    server, client = memory_links(LIMITS)
    client.abort()
    await heartbeat(server, LIMITS)
    assert trio.current_time() <= LIMITS.heartbeat_seconds

"""Every kind of link passes the one contract."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from actors.testing import PLAIN
from actors.testing.schedulers.chosen import scheduler_of
from transport.access import AccessPolicy
from transport.http import Site, serve_connection
from transport.link import Link
from transport.listener import serve_connections
from transport.testing.link_contract import CHECKS, Check, name_of
from transport.testing.memory import memory_links
from transport.testing.network import SimulatedNetwork
from transport.websocket import connect_link

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from actors.limits import Limits
    from transport.exchange import Request

every_check = pytest.mark.parametrize("check", CHECKS, ids=name_of)


@asynccontextmanager
async def memory_pair(limits: Limits) -> AsyncGenerator[tuple[Link, Link], None]:
    yield memory_links(limits)


@asynccontextmanager
async def simulated_pair(limits: Limits) -> AsyncGenerator[tuple[Link, Link], None]:
    """A connection without faults."""
    async with trio.open_nursery() as nursery:
        delays = scheduler_of(PLAIN)
        connection = SimulatedNetwork(delays, nursery, limits).pair()
        yield connection.server, connection.client


@asynccontextmanager
async def websocket_pair(limits: Limits) -> AsyncGenerator[tuple[Link, Link], None]:
    """A server on a real socket, and a client."""
    accepted, arrivals = trio.open_memory_channel[Link](1)
    done = trio.Event()

    async def session(link: Link, request: Request) -> None:
        await accepted.send(link)
        await done.wait()

    site = Site(routes={}, serve_link=session, access=AccessPolicy(), limits=limits)
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_connections, [listener], partial(serve_connection, site=site))
        client = await connect_link(nursery, f"ws://127.0.0.1:{port}/ws", limits=limits)
        try:
            yield await arrivals.receive(), client
        finally:
            client.abort()
            nursery.cancel_scope.cancel()


@every_check
def test_memory_link(check: Check) -> None:
    trio.run(check, memory_pair, clock=trio.testing.MockClock(autojump_threshold=0))


@every_check
def test_simulated_link(check: Check) -> None:
    trio.run(check, simulated_pair, clock=trio.testing.MockClock(autojump_threshold=0))


@every_check
async def test_websocket_link(check: Check) -> None:
    await check(websocket_pair)

"""The client on real sockets: a server that stops and starts on its port, and ones that refuse."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio
from memory_server import paced
from remote_view import BEGINNING, View, everything, told
from shell_server import shell_server

from actors import Limits, Runtime, TurnEnded, TurnState, open_runtime
from actors.journal.memory import MemoryJournal
from transport import Client, ClientClosed, ConnectionState, Server, connect, serve
from transport.background import background_nursery

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from transport.exchange import Request
    from transport.link import Link

PIECES = [f"{number} " for number in range(50)]
LIMITS = Limits(
    drain_seconds=0.1,
    cancel_grace_seconds=0.2,
    close_seconds=0.3,
    handshake_seconds=1,
    reconnect_most_seconds=0.2,
)


@asynccontextmanager
async def server_on(
    port: int, journal: MemoryJournal
) -> AsyncGenerator[tuple[Runtime, Server], None]:
    """A server whose handler takes its time; leaving cuts it off, as a crash would."""
    journal.reopen()
    async with (
        open_runtime(journal, on_turn=paced(PIECES, 0.01), limits=LIMITS) as runtime,
        background_nursery() as nursery,
    ):
        yield runtime, await nursery.start(partial(serve, runtime, port=port))


def port_of(server: Server) -> int:
    return int(server.url.rstrip("/").rpartition(":")[2])


async def until(client: Client, state: ConnectionState) -> None:
    """Wait until the connection is in a state; the test's own time bounds it."""
    reached = trio.Event()
    client.on_connection(lambda status: reached.set() if status.state is state else None)
    await reached.wait()


@pytest.mark.parametrize("ordered", [True, False])
async def test_a_server_that_restarts_on_its_port(ordered: bool) -> None:
    journal, view = MemoryJournal(), View()
    with trio.fail_after(10):
        async with server_on(0, journal) as (_, server):
            port = port_of(server)
        async with (
            connect(f"http://127.0.0.1:{port}", limits=LIMITS) as client,
            background_nursery() as beside,
        ):
            beside.start_soon(view.watch, client, "t", BEGINNING)
            async with server_on(port, journal) as (_, server):
                first = await client.submit("t", "hello")
                await view.until_said("2 ")
                if ordered:
                    server.stop()
                    await until(client, ConnectionState.RECONNECTING)
            async with server_on(port, journal) as (runtime, _):
                second = await client.submit("t", "hello again", on_busy="queue")
                await view.until_ended([first.turn, second.turn])
                truth = await everything(runtime, "t")
    assert told(view.entries) == told(truth)
    ended = {e.event.turn: e.event for e in truth if isinstance(e.event, TurnEnded)}
    assert ended[first.turn].state is TurnState.INTERRUPTED
    assert ended[second.turn].state is TurnState.COMPLETED


async def test_an_answer_from_a_server_that_starts_late() -> None:
    journal = MemoryJournal()
    with trio.fail_after(10):
        async with server_on(0, journal) as (_, server):
            port = port_of(server)
        async with connect(f"ws://127.0.0.1:{port}/ws", limits=LIMITS) as client:
            await until(client, ConnectionState.RECONNECTING)
            assert "cannot connect" in client.connection.reason
            async with server_on(port, journal), client.ask("t", "hello") as answer:
                assert [piece async for piece in answer] == PIECES
                await client.ping()


async def test_a_server_that_does_not_know_the_path() -> None:
    async with shell_server() as server:
        with trio.fail_after(5):
            async with connect(server.url.replace("/ws", "/elsewhere"), limits=LIMITS) as client:
                with pytest.raises(ClientClosed, match="handshake"):
                    await client.submit("t", "hello")
                assert client.connection.state is ConnectionState.CLOSED


async def test_leaving_a_server_that_answers_nothing_is_bounded() -> None:
    async def deaf(link: Link, request: Request) -> None:
        await link.send_text(
            '{"type":"welcome","protocol":"holdfast.v1","instance":"i",'
            '"limits":{},"heartbeat_seconds":20}'
        )
        await trio.sleep_forever()

    async with shell_server(deaf) as server:
        async with connect(server.url, limits=LIMITS) as client:
            told: list[ConnectionState] = []
            client.on_connection(lambda status: told.append(status.state))
            await client.opened()
            with trio.move_on_after(0.1):
                for number in range(1000):
                    await client.submit("t", "x" * 1000, key=str(number))
            began = trio.current_time()
        assert trio.current_time() - began < LIMITS.close_seconds + 1
        assert told == ["connecting", "open", "closed"]

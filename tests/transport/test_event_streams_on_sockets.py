"""Server-Sent Events over real sockets: cuts, readers that take nothing, and an ordered end."""

from __future__ import annotations

import random
import socket
import tracemalloc
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import orjson
import pytest
import trio
import trio.lowlevel
import trio.testing
from event_source import EventSource, StreamServer, stream_server
from memory_server import run
from raw_peer import ask, connect, request

from actors import Limits, Runtime, Turn, open_runtime
from actors.journal.memory import MemoryJournal
from tests.real_input.server_process import running_server
from transport import serve

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

HANDLER = "transport.testing.conformance:KIND"
HASTY = Limits(slow_seconds=0.3, event_retry_seconds=0.02, cancel_grace_seconds=1, drain_seconds=1)
SECONDS = 30
CLOSING = {"Host": "127.0.0.1", "Connection": "close"}


async def reply(turn: Turn) -> None:
    for _ in range(int(turn.text)):
        await turn.write("x" * 4096)
        await trio.lowlevel.checkpoint()


async def count(turn: Turn) -> None:
    for number in range(int(turn.text)):
        await turn.write(f"{number} ")
        await trio.sleep(0.001)


def source_of(port: int, query: str = "", cuts: list[int] | None = None) -> EventSource:
    opened = partial(trio.open_tcp_stream, "127.0.0.1", port)
    return EventSource(opened, f"/threads/t/events{query}", cuts=cuts or [])


@asynccontextmanager
async def served(on_turn: object, limits: Limits = HASTY) -> AsyncGenerator[tuple[Runtime, int]]:
    async with (
        open_runtime(MemoryJournal(), on_turn=on_turn, limits=limits) as runtime,
        trio.open_nursery() as nursery,
    ):
        server = await nursery.start(partial(serve, runtime, port=0))
        yield runtime, int(server.url.rsplit(":", 1)[1].strip("/"))
        nursery.cancel_scope.cancel()


async def streams_of(port: int) -> int:
    """Return the number of open streams, as `/metrics` has it."""
    _, _, body = await ask(port, request("/metrics", CLOSING))
    lines = [line for line in body.decode().splitlines() if line.startswith("holdfast_event_")]
    return int(lines[0].rsplit(" ", 1)[1])


async def test_cut_at_drawn_bytes_the_run_is_whole() -> None:
    rng = random.Random(20_261_121)
    cuts = [rng.randrange(6000) for _ in range(60)]
    with trio.fail_after(SECONDS):
        async with served(count) as (runtime, port), trio.open_nursery() as nursery:
            source = source_of(port, "?cursor=1.0", cuts)
            nursery.start_soon(source.run)
            receipt = await runtime.thread("t").submit("800")
            ending = await source.until_type("turn.completed")
            assert await streams_of(port) == 1
            nursery.cancel_scope.cancel()
    assert len(source.asked) > 10
    assert source.offsets == list(range(1, source.offsets[-1] + 1))
    said = "".join(body["text"] for body in source.bodies if body["type"] == "turn.delta")
    assert said == "".join(f"{number} " for number in range(800))
    assert orjson.loads(ending.data)["turn"] == receipt.turn


async def test_a_reader_that_takes_nothing_is_cut_and_its_cursor_stays_good() -> None:
    with trio.fail_after(SECONDS):
        async with served(reply) as (runtime, port), connect(port) as peer:
            peer.stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await peer.send(request("/threads/t/events?cursor=1.0"))
            await peer.read_head()
            receipt = await runtime.thread("t").submit("4000")
            await runtime.thread("t").outcome(receipt.turn)  # nobody waits for it (I3)
            while await streams_of(port):  # noqa: ASYNC110 - it is asked over the network
                await trio.sleep(0.05)
            source = source_of(port, "?cursor=1.0")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(source.run)
                await source.until_type("turn.completed")
                nursery.cancel_scope.cancel()
            assert source.offsets == list(range(1, source.offsets[-1] + 1))


async def deaf(port: int) -> trio.SocketStream:
    """Connect as one that takes next to nothing, and then nothing."""
    peer = trio.socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the least that there may be
    await peer.connect(("127.0.0.1", port))
    return trio.SocketStream(peer)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux has such a bound")
async def test_a_reader_that_vanished_is_noticed_though_the_system_takes_what_is_sent() -> None:
    """All that is sent fits into the system's buffer: nobody who sends would ever wait."""
    limits = Limits(slow_seconds=1, heartbeat_seconds=0.5)
    with trio.fail_after(SECONDS):
        async with served(reply, limits) as (runtime, port), await deaf(port) as peer:
            await peer.send_all(request("/threads/t/events?cursor=1.0"))
            while not await streams_of(port):  # noqa: ASYNC110 - as below
                await trio.sleep(0.01)
            receipt = await runtime.thread("t").submit("1")
            await runtime.thread("t").outcome(receipt.turn)
            while await streams_of(port):  # noqa: ASYNC110 - it is asked over the network
                await trio.sleep(0.05)


STALLED = 40


def test_readers_that_take_nothing_cost_one_batch_each() -> None:
    """I3, I12."""
    limits = Limits(slow_seconds=1e6)

    async def stall(server: StreamServer) -> None:
        near, far = trio.testing.lockstep_stream_pair()
        server.nursery.start_soon(server.serve, near)
        await far.send_all(request("/threads/t/events?cursor=1.0"))
        while b"retry" not in await far.receive_some():
            pass
        server.kept.append(far)

    async def grown(readers: int) -> int:
        async with stream_server(reply, limits=limits) as server:
            for _ in range(readers):
                await stall(server)
            before, _ = tracemalloc.get_traced_memory()
            await server.said("1000")
            assert len(server.streams) == readers
            after, _ = tracemalloc.get_traced_memory()
            return after - before

    grew: list[int] = []

    async def measured(readers: int) -> None:
        grew.append(await grown(readers))

    tracemalloc.start()
    try:
        for readers in (1, STALLED):
            run(partial(measured, readers))
    finally:
        tracemalloc.stop()
    each = (grew[1] - grew[0]) / (STALLED - 1)
    assert each < 2.5 * limits.batch_bytes, grew


async def test_a_server_that_is_stopped_ends_its_streams_in_order(tmp_path: Path) -> None:
    async with running_server(tmp_path, HANDLER) as server:
        with trio.fail_after(SECONDS):
            source = source_of(server.port)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(source.run)
                await source.until_type("caught_up")
                body = orjson.dumps({"content": "say 60 0.01"})
                head = {
                    "Host": "127.0.0.1",
                    "Connection": "close",
                    "Content-Length": str(len(body)),
                }
                submit = request("/threads/t/turns", head, method="POST", body=body)
                assert (await ask(server.port, submit))[0] == 201
                await source.until_type("turn.delta")
                assert await server.stop() == 0
                await source.until_type("turn.completed")
                assert source.ended == 1
                assert 2.5 <= source.retry_seconds <= 5
                await server.start()
                await source.until(lambda _: source.types.count("caught_up") == 2)
                assert source.asked == [None, source.heard[-1].id]
                nursery.cancel_scope.cancel()
            assert source.offsets == list(range(1, source.offsets[-1] + 1))
            assert await server.stop() == 0

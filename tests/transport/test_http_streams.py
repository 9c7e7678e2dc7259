"""Answers that go on: how they end, and that whoever makes them is told."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
import trio
from raw_peer import ask, connect, parse, request
from shell_server import HASTY, shell_server

from transport.exchange import Request, Response

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

CLOSING = {"Host": "127.0.0.1", "Connection": "close"}


class Ticker:
    """A stream that goes on, and knows whether it was closed."""

    def __init__(self, ticks: int | None = None) -> None:
        self.ticks = ticks
        self.closed = trio.Event()

    async def handle(self, request: Request) -> Response:
        await trio.lowlevel.checkpoint()
        return Response(200, self.tick(), "text/event-stream")

    async def tick(self) -> AsyncGenerator[bytes, None]:
        number = 0
        try:
            while self.ticks is None or number < self.ticks:
                number += 1
                yield b"data: %d\n\n" % number
                await trio.sleep(0.001)
        finally:
            self.closed.set()


async def test_a_stream_ends_and_the_connection_goes_on() -> None:
    ticker = Ticker(3)
    async with shell_server(routes={("GET", "/ticks"): ticker.handle}) as server:
        async with connect(server.port) as peer:
            await peer.send(request("/ticks") + request("/ticks", CLOSING))
            answers = await peer.read_all()
        first, _, second = answers.partition(b"0\r\n\r\n")
        for answer in (first + b"0\r\n\r\n", second):
            status, headers, body = parse(answer)
            assert (status, body) == (200, b"data: 1\n\ndata: 2\n\ndata: 3\n\n")
            assert headers["content-type"] == "text/event-stream"


async def test_a_request_may_be_sent_during_a_stream() -> None:
    ticker = Ticker(30)
    async with (
        shell_server(routes={("GET", "/ticks"): ticker.handle}) as server,
        connect(server.port) as peer,
    ):
        await peer.send(request("/ticks"))
        await peer.read_head()
        await peer.send(request("/healthz", CLOSING))
        assert (await peer.read_all()).endswith(b"\r\n\r\nok\n")


async def test_a_stream_for_http_1_0_ends_with_the_connection() -> None:
    ticker = Ticker(2)
    async with shell_server(routes={("GET", "/ticks"): ticker.handle}) as server:
        status, _, body = await ask(server.port, b"GET /ticks HTTP/1.0\r\n\r\n")
    assert (status, body) == (200, b"data: 1\n\ndata: 2\n\n")


async def test_head_of_a_stream() -> None:
    ticker = Ticker()
    async with shell_server(routes={("GET", "/ticks"): ticker.handle}) as server:
        data = request("/ticks", CLOSING, method="HEAD")
        status, headers, body = await ask(server.port, data)
    assert (status, body) == (200, b"")
    assert headers["content-type"] == "text/event-stream"


@pytest.mark.parametrize("how", ["FIN", "RST"])
async def test_a_stream_is_closed_when_its_reader_leaves(how: str) -> None:
    silent = trio.Event()

    async def pieces() -> AsyncGenerator[bytes, None]:
        try:
            yield b"data: 1\n\n"
            await trio.sleep_forever()
        finally:
            silent.set()

    async def handle(request: Request) -> Response:
        await trio.lowlevel.checkpoint()
        return Response(200, pieces(), "text/event-stream")

    async with shell_server(routes={("GET", "/events"): handle}) as server:
        async with connect(server.port) as peer:
            await peer.send(request("/events"))
            await peer.read_head()
            await peer.leave(how)
        with trio.fail_after(2):
            await silent.wait()
        await server.wait_for_connections(0)


async def test_a_stream_is_closed_when_its_reader_takes_nothing() -> None:
    closed = trio.Event()

    async def pieces() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b"x" * 100_000
                await trio.lowlevel.checkpoint()
        finally:
            closed.set()

    async def handle(request: Request) -> Response:
        await trio.lowlevel.checkpoint()
        return Response(200, pieces())

    async with (
        shell_server(routes={("GET", "/events"): handle}, limits=HASTY) as server,
        connect(server.port) as peer,
    ):
        await peer.send(request("/events"))
        with trio.fail_after(HASTY.slow_seconds + 3):
            await closed.wait()
        await server.wait_for_connections(0)


async def test_a_stream_that_fails_is_seen_to_be_cut(caplog: pytest.LogCaptureFixture) -> None:
    async def pieces() -> AsyncGenerator[bytes, None]:
        yield b"half"
        await trio.lowlevel.checkpoint()
        raise ValueError("/secret/path")

    async def handle(request: Request) -> Response:
        await trio.lowlevel.checkpoint()
        return Response(200, pieces())

    async with (
        shell_server(routes={("GET", "/events"): handle}) as server,
        connect(server.port) as peer,
    ):
        await peer.send(request("/events", CLOSING))
        answer = await peer.read_all()
    assert b"secret" not in answer
    assert b"half" in answer
    assert not answer.endswith(b"0\r\n\r\n")
    assert [record.levelno for record in caplog.records] == [logging.ERROR]

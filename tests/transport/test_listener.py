"""The accept loop goes on, whatever one connection does."""

from __future__ import annotations

import errno
import logging
import resource
import socket
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from raw_peer import ask, connect, request, text
from shell_server import TEST_LIMITS, shell_server

from actors.limits import Limits
from transport.listener import serve_connections

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from transport.exchange import Request
    from transport.link import Link
    from transport.listener import Handle

CLOSING = {"Host": "127.0.0.1", "Connection": "close"}


async def greet(stream: trio.abc.Stream) -> None:
    await stream.send_all(b"hello")


async def hang(stream: trio.abc.Stream) -> None:
    await stream.send_all(b"hello")
    await trio.sleep_forever()


@asynccontextmanager
async def serving(handle: Handle, limits: Limits = TEST_LIMITS) -> AsyncGenerator[int, None]:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(serve_connections, [listener], handle, limits=limits))
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


def errors(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


FAILURES = [
    ValueError("a bug"),
    ExceptionGroup("g", [ValueError("a bug"), trio.BrokenResourceError()]),
    AssertionError("a bug"),
    RecursionError("a bug"),
    MemoryError(),
]
ROUTINE = [
    trio.BrokenResourceError(),
    trio.ClosedResourceError(),
    trio.TooSlowError(),
    ConnectionResetError(),
    ExceptionGroup("g", [ExceptionGroup("h", [trio.BrokenResourceError()])]),
]


@pytest.mark.parametrize("failure", FAILURES + ROUTINE, ids=repr)
async def test_an_exception_ends_its_own_connection_alone(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def handle(stream: trio.abc.Stream) -> None:
        if await stream.receive_some() == b"fail":
            raise failure
        await greet(stream)

    async with serving(handle) as port, connect(port) as bad, connect(port) as good:
        await bad.send(b"fail")
        assert await bad.read_all() == b""
        await good.send(b"go on")
        assert await good.read_all() == b"hello"
    assert len(errors(caplog)) == (failure in FAILURES)


async def test_ctrl_c_is_not_one_connections_matter() -> None:
    async def handle(stream: trio.abc.Stream) -> None:
        await stream.receive_some()
        raise KeyboardInterrupt

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with connect(listener.socket.getsockname()[1]) as peer:
        await peer.send(b"x")
        with pytest.RaisesGroup(KeyboardInterrupt):
            await serve_connections([listener], handle)


async def test_too_many_connections_are_told_so() -> None:
    limits = Limits(connections=3, refusals=2, close_seconds=0.3)
    async with (
        shell_server(limits=limits) as server,
        connect(server.port) as a,
        connect(server.port) as b,
        connect(server.port) as c,
    ):
        for peer in (a, b, c):
            await peer.upgrade()
        for data in (request("/healthz", CLOSING), request("/ws"), b""):
            status, headers, _ = await ask(server.port, data)
            assert status == 503
            assert headers["retry-after"] == "1"
        # Those inside do not notice, and one that leaves makes room.
        for peer in (a, b, c):
            await peer.send(text("still here"))
            assert await peer.read_frame() == (1, b"still here")
        await c.leave("RST")
        await server.wait_for_connections(2)
        assert (await ask(server.port, request("/healthz", CLOSING)))[0] == 200


async def test_refusals_are_bounded_too() -> None:
    limits = Limits(connections=1, refusals=2, close_seconds=60)
    refused = 0

    async def refuse(stream: trio.abc.Stream) -> None:
        nonlocal refused
        refused += 1
        await hang(stream)

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        serve = partial(serve_connections, [listener], hang, limits=limits, on_rejected=refuse)
        nursery.start_soon(serve)
        async with connect(port) as a, connect(port) as b, connect(port) as c:
            for peer in (a, b, c):
                assert await peer.read_exactly(5) == b"hello"
            async with connect(port) as peer:
                assert await peer.read_all() == b""
        assert refused == 2
        nursery.cancel_scope.cancel()


async def test_running_out_of_descriptors_passes(caplog: pytest.LogCaptureFixture) -> None:
    """Who came meanwhile is served afterwards."""
    limits = Limits(accept_pause_seconds=0.02)
    with socket.socket() as peer:
        async with serving(greet, limits) as port:
            with descriptors_up_to(peer.fileno()):
                peer.connect(("127.0.0.1", port))
                await trio.sleep(5 * limits.accept_pause_seconds)
            stream = trio.SocketStream(trio.socket.from_stdlib_socket(peer))
            with trio.fail_after(3):
                assert await stream.receive_some() == b"hello"
            await stream.aclose()
    assert 1 <= len(errors(caplog)) <= 6


@contextmanager
def descriptors_up_to(highest: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class FailingListener(trio.abc.Listener[trio.abc.Stream]):
    """Fails to accept with each of the errors in turn, and then gives what it was given."""

    def __init__(self, failures: list[int], streams: list[trio.abc.Stream]) -> None:
        self.failures = failures
        self.streams = streams

    async def accept(self) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        if self.failures:
            raise OSError(self.failures.pop(), "no")
        if self.streams:
            return self.streams.pop()
        raise trio.ClosedResourceError

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def test_each_failure_to_accept_costs_a_bounded_pause(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    kinds = [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EINVAL]
    listener = FailingListener(kinds, [theirs])
    await serve_connections([listener], greet, limits=Limits(accept_pause_seconds=0.1))
    assert trio.current_time() == pytest.approx(0.5)
    assert await ours.receive_some() == b"hello"


async def test_closing_the_listeners_drains() -> None:
    """Nobody new, and the call returns when those inside have left."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    entered, go = trio.Event(), trio.Event()

    async def handle(stream: trio.abc.Stream) -> None:
        entered.set()
        await stream.receive_some()
        await go.wait()
        await greet(stream)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_connections, listeners, handle)
        async with connect(port) as peer:
            await peer.send(b"x")
            await entered.wait()
            await listeners[0].aclose()
            with pytest.raises(OSError, match="connect"):
                await trio.open_tcp_stream("127.0.0.1", port)
            go.set()
            assert await peer.read_all() == b"hello"


async def test_cancellation_cuts_and_closes() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    async with connect(port) as peer:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_connections, [listener], hang)
            assert await peer.read_exactly(5) == b"hello"
            nursery.cancel_scope.cancel()
        assert await peer.read_all() == b""
    assert listener.socket.fileno() == -1


async def test_cancellation_reaches_a_session() -> None:
    """It is neither swallowed nor taken for a failure, and the socket is closed."""
    began, ended = trio.Event(), trio.Event()

    async def session(link: Link, request: Request) -> None:
        began.set()
        try:
            await link.receive()
        finally:
            ended.set()

    async with AsyncExitStack() as stack:
        async with shell_server(session) as server:
            peer = await stack.enter_async_context(connect(server.port))
            await peer.upgrade()
            await began.wait()
        assert ended.is_set()
        assert await peer.read_all() == b""

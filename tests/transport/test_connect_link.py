"""Our own side of a WebSocket: who answers, who does not, and through TLS."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
import trio
import trustme
from shell_server import HASTY, TEST_LIMITS, shell_server

from transport.link import ConnectFailed, Link, LinkClosed
from transport.websocket import connect_link

if TYPE_CHECKING:
    from transport.exchange import Request


async def test_a_refused_client_knows_the_status() -> None:
    async with shell_server() as server, trio.open_nursery() as nursery:
        with pytest.raises(ConnectFailed) as failure:
            await connect_link(nursery, server.url + "x", limits=TEST_LIMITS)
        assert failure.value.status == 404
        assert "HTTP 404" in str(failure.value)


async def test_a_client_without_a_server() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    async with trio.open_nursery() as nursery:
        with pytest.raises(ConnectFailed) as failure:
            await connect_link(nursery, f"ws://127.0.0.1:{port}/ws", limits=TEST_LIMITS)
        assert failure.value.status is None


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 101 Nonsense\r\n\r\n", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\n\r\nhi", None],
)
async def test_a_server_that_is_none(answer: bytes | None) -> None:
    """It hangs up, answers nonsense, or nothing at all: the client knows within its bound."""
    limits = HASTY if answer is None else TEST_LIMITS
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]

    async def serve() -> None:
        async with await listener.accept() as stream:
            await stream.receive_some()
            if answer is None:
                await trio.sleep_forever()
            await stream.send_all(answer)

    async with listener, trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        started = trio.current_time()
        with pytest.raises(ConnectFailed), trio.fail_after(3):
            await connect_link(nursery, f"ws://127.0.0.1:{port}/ws", limits=limits)
        if answer is not None:
            assert trio.current_time() - started < limits.handshake_seconds
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("url", ["http://localhost/ws", "ws:///ws", "localhost:8420", ""])
async def test_urls_that_are_none(url: str) -> None:
    async with trio.open_nursery() as nursery:
        with pytest.raises(ValueError, match="WebSocket URL"):
            await connect_link(nursery, url)


async def test_a_client_takes_large_messages() -> None:
    """More than a server takes, and without a limit that a snapshot could meet."""

    async def session(link: Link, request: Request) -> None:
        await link.send_text("é" * 2_000_000)
        await link.receive()

    async with shell_server(session) as server, trio.open_nursery() as nursery:
        link = await connect_link(nursery, server.url)
        assert await link.receive() == "é" * 2_000_000
        await link.aclose()


async def test_a_cancelled_nursery_cuts_the_client() -> None:
    async with shell_server() as server:
        async with trio.open_nursery() as nursery:
            link = await connect_link(nursery, server.url, limits=TEST_LIMITS)
            await server.wait_for_connections(1)
            nursery.cancel_scope.cancel()
        await server.wait_for_connections(0)
        with pytest.raises(LinkClosed):
            await link.receive()


async def test_tls() -> None:
    authority = trustme.CA()
    server_context, client_context = contexts(authority)
    async with shell_server(ssl_context=server_context) as server, trio.open_nursery() as nursery:
        url = f"wss://localhost:{server.port}/ws"
        link = await connect_link(nursery, url, limits=TEST_LIMITS, ssl_context=client_context)
        await link.send_text(b"through the tunnel")
        assert await link.receive() == "through the tunnel"
        await link.aclose(1000)
        await server.wait_for_connections(0)


async def test_a_certificate_that_is_not_trusted() -> None:
    server_context, _ = contexts(trustme.CA())
    async with shell_server(ssl_context=server_context) as server, trio.open_nursery() as nursery:
        with pytest.raises(ConnectFailed):
            await connect_link(nursery, f"wss://localhost:{server.port}/ws", limits=TEST_LIMITS)
        await server.wait_for_connections(0)


def contexts(authority: trustme.CA) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client

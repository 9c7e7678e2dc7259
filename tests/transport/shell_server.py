"""A server of the network shell alone: `/healthz`, and an echo on `/ws`."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import trio
from attrs import define, evolve, field

from actors.limits import Limits
from transport.access import AccessPolicy
from transport.exchange import Request, Response, Routes
from transport.http import Site, refuse_overload, serve_connection
from transport.listener import serve_connections

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator

    from transport.link import Link, ServeLink
    from transport.listener import Listener

# Small where a test has to fill something; patient where a busy machine must not matter.
TEST_LIMITS = Limits(
    close_seconds=0.3,
    frame_bytes=64 * 1024,
    message_fragments=100,
    control_frames_per_second=5000,
)
# For tests that wait for a bound to be reached.
HASTY = evolve(TEST_LIMITS, handshake_seconds=0.2, slow_seconds=0.2)


async def healthz(request: Request) -> Response:
    await trio.lowlevel.checkpoint()
    return Response(200, b"ok\n")


async def echo(link: Link, request: Request) -> None:
    while True:
        message = await link.receive()
        await link.send_text(message if isinstance(message, str) else b"binary")


@define
class Server:
    """Where it listens, and who is connected."""

    port: int
    connections: int = 0
    accepted: int = 0
    _changed: trio.Event = field(factory=trio.Event)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    async def wait_for_connections(self, count: int) -> None:
        """Wait until that many are connected: the others' tasks have ended, and not by a guess."""
        with trio.fail_after(3):
            while self.connections != count:
                await self._changed.wait()

    def count(self, change: int) -> None:
        self.connections += change
        self.accepted += change > 0
        self._changed.set()
        self._changed = trio.Event()


@asynccontextmanager
async def shell_server(
    serve_link: ServeLink = echo,
    *,
    routes: Routes | None = None,
    access: AccessPolicy | None = None,
    limits: Limits = TEST_LIMITS,
    ssl_context: ssl.SSLContext | None = None,
) -> AsyncGenerator[Server, None]:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    server = Server(listener.socket.getsockname()[1])
    listeners: list[Listener] = [listener]
    if ssl_context is not None:
        listeners = [trio.SSLListener(listener, ssl_context, https_compatible=True)]
    site = Site(
        routes={("GET", "/healthz"): healthz, **(routes or {})},
        serve_link=serve_link,
        access=access or AccessPolicy(),
        limits=limits,
    )

    async def handle(stream: trio.abc.Stream) -> None:
        server.count(+1)
        try:
            await serve_connection(stream, site)
        finally:
            server.count(-1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            partial(
                serve_connections,
                listeners,
                handle,
                limits=limits,
                on_rejected=partial(refuse_overload, limits=limits),
            )
        )
        yield server
        nursery.cancel_scope.cancel()

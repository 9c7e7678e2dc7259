"""A TCP proxy between page and server: a cable to be cut or held, at once or at a chosen moment."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio
from attrs import define, field

from tests.real_input.frames import Splitter

# What a page sends first to open a WebSocket; other connections are for its files.
_OPENING = b"GET /ws "
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, no seconds


@define(eq=False)
class _Connection:
    """One connection that passes through."""

    scope: trio.CancelScope = field(factory=trio.CancelScope)
    up: Splitter = field(factory=Splitter)
    down: Splitter = field(factory=Splitter)
    is_websocket: bool = False
    unheard: str | None = None  # the submit whose reply is not to arrive


class Cable:
    """The proxy as a test holds it, from another thread than it runs in. Made by `plugged`."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._connections: set[_Connection] = set()
        self._losing = False
        self._flowing = trio.Event()
        self._flowing.set()
        self._started = threading.Event()
        self._token: trio.lowlevel.TrioToken | None = None
        self._scope = trio.CancelScope()

    @property
    def url(self) -> str:
        """Where the page is, through the cable."""
        return f"http://127.0.0.1:{self.port}/"

    def cut(self) -> None:
        """Cut every connection, with a reset."""
        self._call(self._cut)

    def lose_reply(self) -> None:
        """Let the next submit through, and cut its connection once it is answered."""
        self._call(self._lose)

    def hold(self) -> None:
        """Keep back what the server says on WebSockets, until `release`; the page's go through."""
        self._call(self._hold)

    def release(self) -> None:
        """Let go on what was held."""
        self._call(self._flowing.set)

    # In the thread of the proxy.

    async def serve(self) -> None:
        """Forward until `unplug`."""
        self._token = trio.lowlevel.current_trio_token()
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        self._started.set()
        with self._scope:
            await trio.serve_listeners(self._forward, listeners)

    def wait_started(self) -> None:
        """Wait until it listens."""
        assert self._started.wait(10), "the proxy did not start"

    def unplug(self) -> None:
        """Stop it."""
        self._call(self._scope.cancel)

    def _call(self, function: Callable[[], None]) -> None:
        trio.from_thread.run_sync(function, trio_token=self._token)

    def _cut(self) -> None:
        for connection in self._connections:
            connection.scope.cancel()

    def _lose(self) -> None:
        self._losing = True

    def _hold(self) -> None:
        self._flowing = trio.Event()

    async def _forward(self, client: trio.SocketStream) -> None:
        connection = _Connection()
        self._connections.add(connection)
        try:
            with connection.scope:
                await self._join(client, connection)
        finally:
            self._connections.remove(connection)
            if connection.scope.cancel_called:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            await trio.aclose_forcefully(client)

    async def _join(self, client: trio.SocketStream, connection: _Connection) -> None:
        try:
            server = await trio.open_tcp_stream("127.0.0.1", self._target)
            async with server, trio.open_nursery() as nursery:
                nursery.start_soon(self._pump_up, client, server, connection)
                await self._pump_down(server, client, connection)
                nursery.cancel_scope.cancel()
        except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # a side went by itself, or was killed

    async def _pump_up(
        self, client: trio.SocketStream, server: trio.SocketStream, connection: _Connection
    ) -> None:
        async for data in client:
            connection.is_websocket |= data.startswith(_OPENING)
            if connection.is_websocket:
                self._note_submit(connection, bytes(data))
            await server.send_all(data)
        connection.scope.cancel()

    def _note_submit(self, connection: _Connection, data: bytes) -> None:
        for piece in connection.up.feed(data):
            match piece.message:
                case {"type": "submit", "id": str(label)} if self._losing:
                    connection.unheard = label
                    self._losing = False

    async def _pump_down(
        self, server: trio.SocketStream, client: trio.SocketStream, connection: _Connection
    ) -> None:
        async for data in server:
            if connection.is_websocket:
                pieces = connection.down.feed(bytes(data))
                labels = [piece.message.get("id") for piece in pieces if piece.message]
                if connection.unheard is not None and connection.unheard in labels:
                    return
                await self._flowing.wait()
            if connection.unheard is None:
                await client.send_all(data)


@contextmanager
def plugged(target: int) -> Iterator[Cable]:
    """Run a cable to the server on a port of loopback, in a worker thread.

    Yields:
        The cable, listening on a port of its own.
    """
    cable = Cable(target)
    worker = threading.Thread(target=trio.run, args=(cable.serve,), name="cable")
    worker.start()
    cable.wait_started()
    try:
        yield cable
    finally:
        cable.unplug()
        worker.join()

"""Scenes over real WebSockets, with the client under test as a process of its own."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import trio
from attrs import frozen
from trio_websocket import (
    CloseReason,
    ConnectionClosed,
    WebSocketConnection,
    wrap_server_stream,
)

from ....background import background_nursery
from ..channel import ChannelClosed
from .stage import Line, Stage

# Seconds to wait for a client's handshake, and for its close frame.
_SECONDS = 5.0
# Connections that wait to be looked at; a scene asks for one at a time.
_CONNECTIONS = 100


@frozen
class WebSocketLine:
    """The server's end of a WebSocket; see `stage.Line`."""

    connection: WebSocketConnection
    stream: trio.SocketStream

    async def send(self, text: str) -> None:
        """Send one text message; see `Line.send`."""
        try:
            await self.connection.send_message(text)
        except ConnectionClosed as exc:
            raise _closed(exc) from None

    async def receive(self) -> str | bytes:
        """Return the next message; see `Line.receive`."""
        try:
            message: str | bytes = await self.connection.get_message()
        except ConnectionClosed as exc:
            raise _closed(exc) from None
        return message

    async def close(self, code: int) -> None:
        """Close with a close code; see `Line.close`."""
        with trio.move_on_after(_SECONDS):
            await self.connection.aclose(code)

    def cut(self) -> None:
        """End the connection; see `Line.cut`."""
        self.stream.socket.close()


def _closed(exc: ConnectionClosed) -> ChannelClosed:
    reason = exc.reason
    return ChannelClosed(reason.code if isinstance(reason, CloseReason) else 1006)


@frozen
class ProcessTheatre:
    """Starts a command for every scene, with the server's address as its last argument."""

    command: Sequence[str]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Stage]:
        """Open a stage; see `Theatre.open`.

        Raises:
            OSError: the command cannot be started.
        """
        made, arrivals = trio.open_memory_channel[Line](_CONNECTIONS)
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        url = f"ws://127.0.0.1:{listener.socket.getsockname()[1]}/ws"
        async with background_nursery() as nursery:
            nursery.start_soon(_serve, listener, made, nursery)
            client = await trio.lowlevel.open_process(
                [*self.command, url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            try:
                yield Stage(arrivals, nursery)
            finally:
                with trio.CancelScope(shield=True):
                    client.kill()
                    await client.wait()


async def _serve(
    listener: trio.SocketListener, made: trio.MemorySendChannel[Line], nursery: trio.Nursery
) -> None:
    while True:
        stream = await listener.accept()
        nursery.start_soon(_shake_hands, stream, made, nursery)


async def _shake_hands(
    stream: trio.SocketStream, made: trio.MemorySendChannel[Line], nursery: trio.Nursery
) -> None:
    with trio.move_on_after(_SECONDS), suppress(ConnectionClosed, trio.BrokenResourceError):
        request = await wrap_server_stream(nursery, stream)
        offered = request.proposed_subprotocols
        connection = await request.accept(subprotocol=offered[0] if offered else None)
        await made.send(WebSocketLine(connection, stream))

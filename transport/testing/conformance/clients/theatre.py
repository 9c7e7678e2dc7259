"""Scenes over real WebSockets, with the client under test as a process of its own."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import trio
from attrs import frozen
from trio_websocket import ConnectionClosed, wrap_server_stream

from ....background import background_nursery
from ..websocket import WebSocketChannel
from .stage import Line, Stage

# Seconds to wait for a client's handshake.
_SECONDS = 5.0
# Connections that wait to be looked at; a scene asks for one at a time.
_CONNECTIONS = 100


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
        await made.send(WebSocketChannel(connection, stream))

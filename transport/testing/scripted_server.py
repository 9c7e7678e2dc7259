"""A server of which a test says every word, for clients that connect to it in memory.

server = ScriptedServer(limits)
async with connect(open_link=server.open_link) as client:
    peer = await server.accept()
    await peer.welcome()
    submit = await peer.expect(Submit)
    peer.cut()
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import trio

from actors.core.events import Entry, ThreadCreated
from actors.limits import DEFAULT_LIMITS, Limits

from ..link import ConnectFailed, Link, LinkClosed
from ..wire import server_messages as wire
from ..wire.client_messages import Attach, ClientMessage, Command
from ..wire.codec import decode_client, encode_server
from .memory import MemoryLink, memory_links

if TYPE_CHECKING:
    from ..wire.replies import ReplyBody

M = TypeVar("M", bound=ClientMessage)


class ScriptedConnection:
    """One connection as the server has it. Made by `ScriptedServer.accept`."""

    def __init__(self, link: MemoryLink, limits: Limits) -> None:
        self.link = link
        self._limits = limits
        self._said, self._heard = trio.open_memory_channel[ClientMessage](1000)

    async def receive(self) -> None:
        """Take what the client says until the link ends, answering pings as links do."""
        with self._said, suppress(LinkClosed):
            while True:
                message = await self.link.receive()
                assert isinstance(message, str), "a client without casts sent bytes"
                self._said.send_nowait(decode_client(message, self._limits))

    async def expect(self, *sorts: type[M]) -> M:
        """Return the client's next message, which has to be of one of these sorts.

        Raises:
            AssertionError: it is another, or the client left.
        """
        expected = " or ".join(sort.__name__ for sort in sorts)
        try:
            message = await self._heard.receive()
        except trio.EndOfChannel:
            raise AssertionError(f"expected {expected}, but the client left") from None
        assert isinstance(message, sorts), f"expected {expected}, got {message}"
        return message

    async def expect_nothing(self, seconds: float) -> None:
        """Wait so long, and see that the client says nothing meanwhile.

        Raises:
            AssertionError: it does.
        """
        with trio.move_on_after(seconds):
            message = await self._heard.receive()
            raise AssertionError(f"expected silence, got {message}")

    async def expect_end(self) -> None:
        """Wait until the client has left.

        Raises:
            AssertionError: it says something more.
        """
        with suppress(trio.EndOfChannel):
            message = await self._heard.receive()
            raise AssertionError(f"expected the end, got {message}")

    async def say(self, *messages: wire.ServerMessage) -> None:
        """Send messages."""
        for message in messages:
            await self.link.send_text(encode_server(message))

    async def say_text(self, text: str) -> None:
        """Send a text of any content."""
        await self.link.send_text(text)

    async def welcome(self) -> None:
        """Greet the client."""
        await self.say(wire.Welcome(wire.PROTOCOL, "scripted", {}, self._limits.heartbeat_seconds))

    async def reply(self, command: Command, body: ReplyBody) -> None:
        """Answer a command."""
        await self.say(wire.Reply(command.id, body))

    async def refuse(self, command: Command, code: str, *, retryable: bool = False) -> None:
        """Refuse a command."""
        await self.say(wire.ErrorMessage(code, "as the script says", retryable, command.id))

    async def resume(self, attach: Attach) -> None:
        """Answer an attach by going on at its cursor."""
        assert attach.cursor is not None
        await self.say(wire.Attached(attach.id, attach.thread, attach.cursor, "resume"))

    async def show(
        self, attach: Attach, cursor: str, mode: str = "snapshot", reason: str | None = None
    ) -> None:
        """Answer an attach by an empty snapshot."""
        await self.say(
            wire.Attached(attach.id, attach.thread, cursor, mode, reason),
            wire.Snapshot(attach.thread, cursor, (), None, None, (), {}),
        )

    def cut(self) -> None:
        """Cut the connection."""
        self.link.abort()

    async def close(self, code: int) -> None:
        """Close the connection with a code."""
        await self.link.aclose(code, "as the script says")


class ScriptedServer:
    """Takes connections one after the other.

    Args:
        limits: bounds of the links.

    Attributes:
        dialled: when the client dialled, in seconds of trio's clock.
        refusals: the next dials fail, each with one of these statuses; None for no answer.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.dialled: list[float] = []
        self.refusals: list[int | None] = []
        self._limits = limits
        self._made, self._arrivals = trio.open_memory_channel[ScriptedConnection](1)

    async def open_link(self, nursery: trio.Nursery) -> Link:
        """Connect a client; what it dials with.

        Raises:
            ConnectFailed: where the script says so.
        """
        self.dialled.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if self.refusals:
            raise ConnectFailed("refused by the script", self.refusals.pop(0))
        near, far = memory_links(self._limits)
        connection = ScriptedConnection(near, self._limits)
        nursery.start_soon(connection.receive)
        await self._made.send(connection)
        return far

    async def accept(self) -> ScriptedConnection:
        """Wait for the client to connect."""
        return await self._arrivals.receive()

    async def greet(self) -> ScriptedConnection:
        """Wait for the client to connect, and welcome it."""
        connection = await self.accept()
        await connection.welcome()
        return connection


def run_of(thread: str, offsets: Sequence[int], epoch: int = 1) -> wire.Events:
    """Return events at these offsets, as a server says them."""
    entries = tuple(Entry(offset, offset, 0.0, ThreadCreated()) for offset in offsets)
    return wire.Events(thread, entries, f"{epoch}.{offsets[-1]}")

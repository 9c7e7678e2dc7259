"""Two links connected in memory, for sessions and clients on a virtual clock.

They pass the same contract as WebSockets. What they copy beyond it: a peer that does not receive
stops answering pings, and after some messages stops the sender too.
"""

from __future__ import annotations

from typing import TypeAlias

import trio

from actors.limits import DEFAULT_LIMITS, Limits

from ..link import ABNORMAL, NORMAL, TOO_BIG, LinkClosed

# A message, or a ping that waits to be answered.
_Item: TypeAlias = str | bytes | trio.Event


class MemoryLink:
    """One end of a pair; see `Link`. Made by `memory_links`.

    Attributes:
        answers_pings: set it to False, and the other side's pings go unanswered.
    """

    def __init__(
        self,
        peer: str,
        inbox: trio.MemoryReceiveChannel[_Item],
        outbox: trio.MemorySendChannel[_Item],
        message_bytes: int,
        limits: Limits,
    ) -> None:
        self._peer = peer
        self._inbox = inbox
        self._outbox = outbox
        self._message_bytes = message_bytes
        self._limits = limits
        self._other: MemoryLink = self
        self._ending: tuple[int, str] | None = None
        self.answers_pings = True

    @property
    def peer(self) -> str:
        """The other side's name; see `Link.peer`."""
        return self._peer

    async def receive(self) -> str | bytes:
        """Return the next message; see `Link.receive`."""
        try:
            while isinstance(item := await self._inbox.receive(), trio.Event):
                if self.answers_pings:
                    item.set()
            return item
        except (trio.EndOfChannel, trio.ClosedResourceError):
            raise self._closed() from None

    async def send_text(self, text: bytes | str) -> None:
        """Send one text message; see `Link.send_text`."""
        await self._send(text if isinstance(text, str) else text.decode())

    async def send_binary(self, data: bytes) -> None:
        """Send one binary message; see `Link.send_binary`."""
        await self._send(data)

    async def _send(self, message: str | bytes) -> None:
        size = len(message if isinstance(message, bytes) else message.encode())
        if size > self._other._message_bytes:
            self._other._say(TOO_BIG, "message too big")
        try:
            with trio.move_on_after(self._limits.slow_seconds):
                return await self._outbox.send(message)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise self._closed() from None
        except BaseException:
            self.abort()
            raise
        self.abort()
        raise self._closed()

    async def ping(self) -> None:
        """Ask for a sign of life; see `Link.ping`."""
        answered = trio.Event()
        try:
            with trio.fail_after(self._limits.heartbeat_seconds):
                await self._outbox.send(answered)
                await answered.wait()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise self._closed() from None
        except trio.TooSlowError:
            if self._ending is not None:
                raise self._closed() from None
            raise

    async def aclose(self, code: int = NORMAL, reason: str = "") -> None:
        """Close with a code; see `Link.aclose`. It never has to wait for the other side."""
        self._say(code, reason)
        self._inbox.close()
        await trio.lowlevel.checkpoint()

    def abort(self) -> None:
        """Cut the connection; see `Link.abort`."""
        self._say(ABNORMAL, "")
        self._inbox.close()

    def _say(self, code: int, reason: str) -> None:
        """End both directions behind what is under way in them."""
        for link in (self, self._other):
            link._ending = link._ending or (code, reason)
            link._outbox.close()

    def _closed(self) -> LinkClosed:
        return LinkClosed(*(self._ending or (ABNORMAL, "")))


def memory_links(
    limits: Limits = DEFAULT_LIMITS, *, buffered: int = 8
) -> tuple[MemoryLink, MemoryLink]:
    """Return a connected pair: the server's link and the client's.

    Args:
        limits: bounds of both; the server takes messages of `frame_bytes`, the client of
            `client_frame_bytes`.
        buffered: messages that each direction holds before a sender has to wait.
    """
    to_server, from_client = trio.open_memory_channel[_Item](buffered)
    to_client, from_server = trio.open_memory_channel[_Item](buffered)
    server = MemoryLink("memory:client", from_client, to_client, limits.frame_bytes, limits)
    client = MemoryLink("memory:server", from_server, to_server, limits.client_frame_bytes, limits)
    server._other, client._other = client, server
    return server, client

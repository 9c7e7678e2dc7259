"""What the runner needs of a way to reach a server: connect, send, receive, cut.

`websocket` has the one there is. Another way of carrying the same messages joins by these two
Protocols, and every check that needs no socket runs over it. Server-Sent Events are read beside
them, where the carrier can also `dial`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from actors.errors import HoldfastError

if TYPE_CHECKING:
    import trio


class ChannelClosed(HoldfastError):
    """The connection is over.

    Args:
        code: the close code; 1005 where there was none in the close frame, 1006 where there was
            no close frame.
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class Unreachable(HoldfastError):
    """There is no server to be had there, or it refused the connection."""


class Channel(Protocol):
    """One connection to the server under test."""

    async def send(self, message: str | bytes) -> None:
        """Send one message: text, or bytes. Cancellation may leave it torn.

        Raises:
            ChannelClosed: the connection is over.
        """

    async def receive(self) -> str | bytes:
        """Return the next message. Cancellation loses nothing.

        Raises:
            ChannelClosed: no message follows.
        """
        ...

    def cut(self) -> None:
        """End the connection at once, without a word. Never waits, never fails."""


class Carrier(Protocol):
    """A way to reach the server under test."""

    async def connect(self, nursery: trio.Nursery) -> Channel:
        """Open a connection, whose tasks run in the nursery. Cancellation leaves none behind.

        Raises:
            Unreachable: there is none to be had.
        """
        ...


@runtime_checkable
class Socket(Channel, Protocol):
    """A channel that also takes bytes that no library would send."""

    async def shove(self, data: bytes) -> None:
        """Send bytes as they are, until the server hangs up."""


@runtime_checkable
class SocketCarrier(Carrier, Protocol):
    """A carrier over HTTP and WebSocket, of which the handshake can be tried as well."""

    @property
    def authority(self) -> str:
        """The server's host and port, as a `Host` header has them."""
        ...

    async def request(self, path: str, headers: Sequence[tuple[str, str]]) -> tuple[int, str]:
        """Send a GET with these headers, `Host` among them; return status and body."""
        ...


@runtime_checkable
class Dialler(Carrier, Protocol):
    """A carrier to a server that answers HTTP as well, on connections of their own."""

    @property
    def authority(self) -> str:
        """The server's host and port, as a `Host` header has them."""
        ...

    @property
    def base(self) -> str:
        """The path that the server's own begin with: nothing, or `/` and something."""
        ...

    async def dial(self) -> trio.abc.Stream:
        """Open a bare connection. Cancellation leaves none behind.

        Raises:
            Unreachable: there is none to be had.
        """
        ...

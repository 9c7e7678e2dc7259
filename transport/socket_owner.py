"""Who owns a WebSocket's socket, from the handshake to its end."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias, cast

import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection
from wsproto.utilities import LocalProtocolError

from .link import INVALID_TEXT, PROTOCOL_VIOLATION, ConnectFailed
from .streams import peer_name

if TYPE_CHECKING:
    from actors.limits import Limits

    from .frame_stream import FrameStream

log = logging.getLogger("holdfast.link")

# What the library raises where a connection is over.
GONE: Final = (
    ConnectionClosed,
    LocalProtocolError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
)

Opening: TypeAlias = Callable[[trio.Nursery], Awaitable[WebSocketConnection]]


class SocketOwner:
    """Owns one socket, from the handshake to its end, in the task of the library's reader.

    To the library it is the nursery that its reader is started in. So whatever that trips over
    ends this link and nothing else, and no second task waits for it.

    Args:
        nursery: where the reader runs; nothing is raised into it.
        raw: the socket.
        frames: what the library takes for it.
        limits: bounds of the link.
    """

    __slots__ = (
        "_connection",
        "_frames",
        "_limits",
        "_nursery",
        "_opening",
        "_raw",
        "_reads",
        "_status",
        "peer",
    )

    def __init__(
        self, nursery: trio.Nursery, raw: trio.abc.Stream, frames: FrameStream, limits: Limits
    ) -> None:
        self._nursery = nursery
        self._raw = raw
        self.peer = peer_name(raw)
        self._frames = frames
        self._limits = limits
        self._opening = trio.CancelScope()
        self._connection: WebSocketConnection | None = None
        self._status: int | None = None
        self._reads = False

    async def open(self, opening: Opening) -> WebSocketConnection:
        """Make the handshake; raise ConnectFailed where nothing came of it in time.

        Cancellation leaves nothing behind.
        """
        self._opening.deadline = trio.current_time() + self._limits.handshake_seconds
        try:
            with self._opening:
                # Annotated for nurseries, but all that is used of one is `start_soon`.
                self._connection = await opening(cast("trio.Nursery", self))
                self._frames.open()
                return self._connection
        except Exception as exc:
            self._note(exc)
        finally:
            if self._connection is None:
                await self._give_up()  # noqa: ASYNC102 - it shields itself
        how = "failed" if self._status is None else f"was answered with HTTP {self._status}"
        raise ConnectFailed(f"the WebSocket handshake {how}", self._status)

    def start_soon(self, read: Callable[[], Awaitable[None]]) -> None:
        """Start the library's reader."""
        self._reads = True
        self._nursery.start_soon(self._own, read)

    async def _give_up(self) -> None:
        self._frames.cut()
        if not self._reads:
            await trio.aclose_forcefully(self._raw)
            return
        with trio.CancelScope(shield=True):
            await self._frames.ended.wait()

    async def _own(self, read: Callable[[], Awaitable[None]]) -> None:
        try:
            with self._frames.life:
                try:
                    await read()
                    await self._frames.finish(self._violation())
                except Exception as exc:
                    self._note(exc)
                    # The reader may have tripped over a close that the library has begun and not
                    # sent: it takes a turn of the loop from one to the other.
                    await trio.lowlevel.checkpoint()
                    await trio.lowlevel.checkpoint()
        finally:
            self._frames.cut()
            self._frames.ended.set()
            self._opening.cancel()
            await trio.aclose_forcefully(self._raw)

    def _note(self, failure: Exception) -> None:
        """Whatever the library trips over, it is this peer's link that ends, no other."""
        if isinstance(failure, ConnectionRejected):
            self._status = int(failure.status_code)
        elif isinstance(failure, (*GONE, EOFError)):
            log.debug("%s: the link ended by %r", self.peer, failure)
        else:
            log.error("%s: reading from the link failed", self.peer, exc_info=failure)

    def _violation(self) -> int | None:
        """What the peer has to be told, where the library would only have hung up."""
        if self._frames.refusal is not None:
            return self._frames.refusal[0]
        said = self._connection.closed if self._connection is not None else None
        if said is not None and said.code in (PROTOCOL_VIOLATION, INVALID_TEXT):
            return int(said.code)
        return None

"""Links over trio-websocket: `serve_websocket` for an accepted one, `connect_link` for our own.

The library's reader runs in a task that also owns the socket, `_Owner`. So whatever the peer makes
the reader trip over (a ping that comes while closing is enough) ends this link and nothing else,
and the socket is closed in one place.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias, cast
from urllib.parse import SplitResult, urlsplit

import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    WebSocketConnection,
    wrap_client_stream,
    wrap_server_stream,
)
from wsproto.utilities import LocalProtocolError

from actors.limits import DEFAULT_LIMITS, Limits

from .frame_stream import FrameStream
from .frames import FrameMeter, SharedText, text_frame
from .link import (
    ABNORMAL,
    INVALID_TEXT,
    NORMAL,
    PROTOCOL_VIOLATION,
    ConnectFailed,
    LinkClosed,
    Session,
)
from .streams import peer_name
from .upgrade import SUBPROTOCOL, checked_handshake, chosen_subprotocol
from .wire.close_codes import CloseCode

if TYPE_CHECKING:
    import ssl

    from .exchange import Request

logger = logging.getLogger(__name__)

# Bytes read at a time: commands are small, what a server sends is not.
_SERVER_READ: Final = 4 * 1024
_CLIENT_READ: Final = 64 * 1024
_GONE: Final = (
    ConnectionClosed,
    LocalProtocolError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
)


class WebSocketLink:
    """A `Link` over one WebSocket, on either side of it. Made in this module, never by hand.

    Sending bytes from a server costs a header in front of them: the frame is written by us, whole,
    between those of the library. A client's frame has to be masked, so its bytes are decoded and go
    through the library.
    """

    __slots__ = (
        "_connection",
        "_frames",
        "_limits",
        "_own_ending",
        "_peer",
    )

    def __init__(
        self, connection: WebSocketConnection, frames: FrameStream, peer: str, limits: Limits
    ) -> None:
        self._connection = connection
        self._frames = frames
        self._peer = peer
        self._limits = limits
        self._own_ending: tuple[int, str] | None = None

    @property
    def peer(self) -> str:
        """The other side's address; see `Link.peer`."""
        return self._peer

    async def receive(self) -> str | bytes:
        """Return the next message; see `Link.receive`."""
        try:
            return await self._connection.get_message()
        except ConnectionClosed:
            raise self._closed() from None

    async def send_text(self, text: bytes | str) -> None:
        """Send one text message; see `Link.send_text`."""
        with self._sending():
            await self._send_text(text)

    def send_text_now(self, text: bytes) -> bool:
        """Send one text message without waiting, as a server; see `SendsNow`."""
        return self._frames.send_now(_server_frame(text))

    async def flush(self) -> None:
        """Send what `send_text_now` could not; see `SendsNow`."""
        with self._sending():
            await self._frames.flush()

    async def send_binary(self, data: bytes) -> None:
        """Send one binary message; see `Link.send_binary`."""
        with self._sending():
            await self._connection.send_message(data)

    @contextmanager
    def _sending(self) -> Iterator[None]:
        try:
            yield
        except _GONE:
            raise self._closed() from None
        except BaseException:
            self.abort()
            raise

    async def _send_text(self, text: bytes | str) -> None:
        if self._connection.is_client:
            message = text if isinstance(text, str) else text.decode()
            await self._connection.send_message(message)
        else:
            await self._frames.send_all(_server_frame(text))

    async def ping(self) -> None:
        """Ask for a sign of life; see `Link.ping`."""
        try:
            with trio.fail_after(self._limits.heartbeat_seconds):
                await self._connection.ping()
        except _GONE:
            raise self._closed() from None
        except trio.TooSlowError:
            # The library forgets who waits for a pong when the connection ends.
            if self._frames.ended.is_set():
                raise self._closed() from None
            raise

    async def aclose(self, code: int = NORMAL, reason: str = "") -> None:
        """Close with a close frame; see `Link.aclose`."""
        self._end(code, reason)
        try:
            with trio.move_on_after(self._limits.close_seconds):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._connection.aclose, code, reason)
                    # The library waits for the peer's answer even when its reader is gone.
                    await self._frames.ended.wait()
                    nursery.cancel_scope.cancel()
        finally:
            self._frames.cut()

    def abort(self) -> None:
        """Cut the connection; see `Link.abort`."""
        self._end(ABNORMAL, "")
        self._frames.cut()

    def _end(self, code: int, reason: str) -> None:
        if self._connection.closed is None and self._own_ending is None:
            self._own_ending = (code, reason)

    def _closed(self) -> LinkClosed:
        """How it ended: as this side did it, or for what it refused, or as the peer said."""
        said = self._connection.closed
        heard = (ABNORMAL, "") if said is None else (said.code, said.reason or "")
        return LinkClosed(*(self._own_ending or self._frames.refusal or heard))


def _server_frame(text: bytes | str) -> bytes:
    if isinstance(text, SharedText):
        return text.frame
    return text_frame(text if isinstance(text, bytes) else text.encode())


class _Owner:
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
        "_peer",
        "_raw",
        "_reads",
        "_status",
    )

    def __init__(
        self, nursery: trio.Nursery, raw: trio.abc.Stream, frames: FrameStream, limits: Limits
    ) -> None:
        self._nursery = nursery
        self._raw = raw
        self._peer = peer_name(raw)
        self._frames = frames
        self._limits = limits
        self._opening = trio.CancelScope()
        self._connection: WebSocketConnection | None = None
        self._status: int | None = None
        self._reads = False

    async def open(self, opening: _Opening) -> WebSocketLink:
        """Make the handshake; raise ConnectFailed where nothing came of it in time.

        Cancellation leaves nothing behind.
        """
        self._opening.deadline = trio.current_time() + self._limits.handshake_seconds
        try:
            with self._opening:
                # Annotated for nurseries, but all that is used of one is `start_soon`.
                self._connection = await opening(cast("trio.Nursery", self))
                self._frames.open()
                return WebSocketLink(self._connection, self._frames, self._peer, self._limits)
        except Exception as exc:
            self._note(exc)
        finally:
            if self._connection is None:
                await self._give_up()
        raise ConnectFailed("the WebSocket handshake failed", self._status)

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
                # The reader may have tripped over a close that the library has begun and not sent:
                # it takes a turn of the loop from one to the other.
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
        elif isinstance(failure, (*_GONE, EOFError)):
            logger.debug("%s: the link ended by %r", self._peer, failure)
        else:
            logger.error("%s: reading from the link failed", self._peer, exc_info=failure)

    def _violation(self) -> int | None:
        """What the peer has to be told, where the library would only have hung up."""
        if self._frames.refusal is not None:
            return self._frames.refusal[0]
        said = self._connection.closed if self._connection is not None else None
        if said is not None and said.code in (PROTOCOL_VIOLATION, INVALID_TEXT):
            return int(said.code)
        return None


_Opening: TypeAlias = Callable[[trio.Nursery], Awaitable[WebSocketConnection]]


async def serve_websocket(
    raw: trio.abc.Stream,
    request: Request,
    session: Session,
    *,
    trailing: bytes = b"",
    limits: Limits = DEFAULT_LIMITS,
) -> None:
    """Accept a handshake that was found in order, run the session on it, and close.

    The link is closed with 1000 where the session returns or lets `LinkClosed` out, and with 4005
    where it raises anything else, which is logged and goes no further. Cancellation cuts the link.

    Args:
        raw: the connection, closed on return.
        request: a handshake for which `refuse_upgrade` had no answer.
        session: what the link is for.
        trailing: what was read behind the request.
        limits: bounds of the link.
    """
    frames = FrameStream(
        raw,
        limits,
        replay=checked_handshake(request),
        trailing=trailing,
        meter=FrameMeter(limits.frame_bytes, limits.message_fragments),
    )
    async with trio.open_nursery() as nursery:
        owner = _Owner(nursery, raw, frames, limits)
        try:
            link = await owner.open(partial(_accept, frames, request, limits))
        except ConnectFailed:
            return  # the peer left, or did not take the answer
        await _attend(link, request, session)


async def _accept(
    frames: FrameStream, request: Request, limits: Limits, reader: trio.Nursery
) -> WebSocketConnection:
    proposal = await wrap_server_stream(
        reader, frames, max_message_size=limits.frame_bytes, receive_buffer_size=_SERVER_READ
    )
    return await proposal.accept(subprotocol=chosen_subprotocol(request))


async def _attend(link: WebSocketLink, request: Request, session: Session) -> None:
    code: int = NORMAL
    reason = ""
    try:
        await session(link, request)
    except* LinkClosed:
        pass
    except* Exception:
        # A session that fails is a bug, but of no other connection's concern.
        logger.exception("%s: the session failed", link.peer)
        code, reason = CloseCode.INTERNAL, CloseCode.INTERNAL.reason
    await link.aclose(code, reason)


async def connect_link(
    nursery: trio.Nursery,
    url: str,
    *,
    limits: Limits = DEFAULT_LIMITS,
    ssl_context: ssl.SSLContext | None = None,
) -> WebSocketLink:
    """Open a WebSocket to a server and return the link, within `Limits.handshake_seconds`.

    Cancellation leaves nothing behind.

    Args:
        nursery: where the reader runs until the link ends; it raises nothing into it. Cancelling
            it cuts the link.
        url: `ws://host[:port]/path` or `wss://…`; `holdfast.v1` is offered as the subprotocol.
        limits: bounds of the link; messages may have `Limits.client_frame_bytes`.
        ssl_context: for `wss`; by default the system's.

    Raises:
        ConnectFailed: refused (`status` says with what), unreachable, or too slow.
        ValueError: the URL is none of these.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ValueError("a WebSocket URL is ws://host[:port]/path or wss://host[:port]/path")
    with trio.move_on_after(limits.handshake_seconds):
        raw = await _dial(parts, ssl_context)
        frames = FrameStream(raw, limits)
        owner = _Owner(nursery, raw, frames, limits)
        return await owner.open(partial(_propose, frames, parts, limits))
    raise ConnectFailed("the server did not answer in time")


async def _dial(parts: SplitResult, ssl_context: ssl.SSLContext | None) -> trio.abc.Stream:
    assert parts.hostname is not None
    try:
        if parts.scheme == "ws":
            return await trio.open_tcp_stream(parts.hostname, parts.port or 80)
        return await trio.open_ssl_over_tcp_stream(
            parts.hostname, parts.port or 443, https_compatible=True, ssl_context=ssl_context
        )
    except OSError as error:
        raise ConnectFailed(f"cannot connect to {parts.netloc}: {error}") from error


async def _propose(
    frames: FrameStream, parts: SplitResult, limits: Limits, reader: trio.Nursery
) -> WebSocketConnection:
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return await wrap_client_stream(
        reader,
        # Annotated for sockets, but used as any stream.
        cast("trio.SocketStream", frames),
        parts.netloc.rpartition("@")[2],
        resource,
        subprotocols=[SUBPROTOCOL],
        max_message_size=limits.client_frame_bytes,
        receive_buffer_size=_CLIENT_READ,
    )

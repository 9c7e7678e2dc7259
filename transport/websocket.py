"""Links over trio-websocket: `serve_websocket` for an accepted one, `connect_link` for our own.

The library's reader runs in a task that also owns the socket, `SocketOwner`. So whatever the peer
makes the reader trip over (a ping that comes while closing is enough) ends this link and nothing
else, and the socket is closed in one place.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import SplitResult, urlsplit

import trio
from trio_websocket import (
    ConnectionClosed,
    WebSocketConnection,
    wrap_client_stream,
    wrap_server_stream,
)

from actors.limits import DEFAULT_LIMITS, Limits

from .frame_stream import FrameStream
from .frames import FrameMeter, SharedText, text_frame
from .link import (
    ABNORMAL,
    NORMAL,
    ConnectFailed,
    LinkClosed,
    ServeLink,
)
from .socket_owner import GONE, SocketOwner
from .upgrade import SUBPROTOCOL, checked_handshake, chosen_subprotocol
from .wire.close_codes import CloseCode

if TYPE_CHECKING:
    import ssl

    from .exchange import Request

log = logging.getLogger("holdfast.server")

# Bytes read at a time: commands are small, what a server sends is not.
_SERVER_READ: Final = 4 * 1024
_CLIENT_READ: Final = 64 * 1024


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
        "_listener",
        "_own_ending",
        "_peer",
        "_received",
        "_receiving",
    )

    def __init__(
        self, connection: WebSocketConnection, frames: FrameStream, peer: str, limits: Limits
    ) -> None:
        self._connection = connection
        self._frames = frames
        self._peer = peer
        self._limits = limits
        self._own_ending: tuple[int, str] | None = None
        self._receiving = False
        self._received = 0
        self._listener: Callable[[str], bool] | None = None

    @property
    def peer(self) -> str:
        """The other side's address; see `Link.peer`."""
        return self._peer

    async def receive(self) -> str | bytes:
        """Return the next message; see `Link.receive`."""
        self._receiving = True
        try:
            message = await self._connection.get_message()
        except ConnectionClosed:
            raise self._closed() from None
        finally:
            self._receiving = False
        self._received += 1
        return message

    def hear(self, listener: Callable[[str], bool]) -> None:
        """Show each message to `listener` first, as a server; see `HearsNow`."""
        self._listener = listener
        self._frames.hear(self._hear)

    def _hear(self, text: str) -> bool:
        """Show a message, where the receiver waits for none before it and the link is open."""
        over = self._connection.closed is not None or self._own_ending is not None
        waits = self._receiving and self._frames.passed_on == self._received
        return waits and not over and self._listener is not None and self._listener(text)

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
        except GONE:
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
        except GONE:
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


async def serve_websocket(
    raw: trio.abc.Stream,
    request: Request,
    serve_link: ServeLink,
    *,
    trailing: bytes = b"",
    limits: Limits = DEFAULT_LIMITS,
) -> None:
    """Accept a handshake that was found in order, serve the link, and close.

    The link is closed with 1000 where `serve_link` returns or lets `LinkClosed` out, and with 4005
    where it raises anything else, which is logged and goes no further. Cancellation cuts the link.

    Args:
        raw: the connection, closed on return.
        request: a handshake for which `refuse_upgrade` had no answer.
        serve_link: what the link is for.
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
        owner = SocketOwner(nursery, raw, frames, limits)
        # Otherwise the peer left, or did not take the answer.
        with suppress(ConnectFailed):
            connection = await owner.open(partial(_accept, frames, request, limits))
            await _serve_and_close(
                WebSocketLink(connection, frames, owner.peer, limits), request, serve_link
            )


async def _accept(
    frames: FrameStream, request: Request, limits: Limits, reader: trio.Nursery
) -> WebSocketConnection:
    proposal = await wrap_server_stream(
        reader, frames, max_message_size=limits.frame_bytes, receive_buffer_size=_SERVER_READ
    )
    return await proposal.accept(subprotocol=chosen_subprotocol(request))


async def _serve_and_close(link: WebSocketLink, request: Request, serve_link: ServeLink) -> None:
    code: int = NORMAL
    reason = ""
    try:
        await serve_link(link, request)
    except* LinkClosed:
        pass
    except* Exception:
        # What fails here is a bug, but of no other connection's concern.
        log.exception("%s: serving the link failed", link.peer)
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
        owner = SocketOwner(nursery, raw, frames, limits)
        connection = await owner.open(partial(_propose, frames, parts, limits))
        return WebSocketLink(connection, frames, owner.peer, limits)
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

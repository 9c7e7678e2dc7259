"""The runner's WebSocket. It shares no code with the runtime, so it cannot share its mistakes."""

from __future__ import annotations

import ssl
import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, TypeAlias
from urllib.parse import urlsplit

import trio
from attrs import define, field, frozen
from trio_websocket import (
    CloseReason,
    ConnectionClosed,
    ConnectionRejected,
    WebSocketConnection,
    wrap_client_stream,
)

from .channel import ChannelClosed, Unreachable

SUBPROTOCOL: Final = "holdfast.v1"
TEXT: Final = 1
BINARY: Final = 2
_ABNORMAL: Final = 1006
# Seconds for a connection, and for the answer to a plain request.
_SECONDS: Final = 15.0
# Seconds for the other end's close frame.
_CLOSE_SECONDS: Final = 5.0
# Bytes of a message that the runner takes: more than any server is to send.
_MOST_BYTES: Final = 64 << 20

_Stream: TypeAlias = "trio.SocketStream | trio.SSLStream[trio.SocketStream]"


@frozen
class WebSocketChannel:
    """One end of a connection: of a client, a `channel.Socket`; of a server, a `stage.Line`."""

    connection: WebSocketConnection
    stream: trio.SocketStream

    async def send(self, message: str | bytes) -> None:
        """Send one message; see `Channel.send`."""
        try:
            await self.connection.send_message(message)
        except ConnectionClosed as exc:
            raise _closed(exc) from None

    async def receive(self) -> str | bytes:
        """Return the next message; see `Channel.receive`."""
        try:
            message: str | bytes = await self.connection.get_message()
        except ConnectionClosed as exc:
            raise _closed(exc) from None
        return message

    async def shove(self, data: bytes) -> None:
        """Send bytes beside what the library sends; see `Socket.shove`."""
        rest = memoryview(data)
        with suppress(OSError), self.stream.socket.dup() as socket:
            while rest:
                rest = rest[await socket.send(rest) :]

    async def close(self, code: int) -> None:
        """Close with a close code; see `Line.close`."""
        with trio.move_on_after(_CLOSE_SECONDS):
            await self.connection.aclose(code)

    def cut(self) -> None:
        """End the connection; see `Channel.cut`."""
        self.stream.socket.close()


def _closed(exc: ConnectionClosed) -> ChannelClosed:
    reason = exc.reason
    return ChannelClosed(reason.code if isinstance(reason, CloseReason) else _ABNORMAL)


@define
class WebSocketCarrier:
    """Connects to one address; see `channel.SocketCarrier` and `channel.Dialler`.

    Args:
        url: of the WebSocket itself, as `ws://127.0.0.1:8420/ws`.
        ssl_context: for `wss`; the default one where there is none.
    """

    url: str
    ssl_context: ssl.SSLContext | None = None
    authority: str = field(init=False)
    base: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        parts = urlsplit(self.url)
        self.authority = parts.netloc.rpartition("@")[2]
        self.base = parts.path.rstrip("/").removesuffix("/ws").rstrip("/")

    async def connect(self, nursery: trio.Nursery) -> WebSocketChannel:
        """Open a connection; see `Carrier.connect`."""
        parts = urlsplit(self.url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        raw = await self._open()
        try:
            with trio.fail_after(_SECONDS):
                connection = await wrap_client_stream(
                    nursery,
                    self._secured(raw),
                    self.authority,
                    target,
                    subprotocols=[SUBPROTOCOL],
                    max_message_size=_MOST_BYTES,
                )
        except ConnectionRejected as exc:
            await trio.aclose_forcefully(raw)
            raise Unreachable(f"{self.url} refused the handshake: {exc.status_code}") from exc
        except BaseException:
            await trio.aclose_forcefully(raw)
            raise
        return WebSocketChannel(connection, raw)

    async def request(self, path: str, headers: Sequence[tuple[str, str]]) -> tuple[int, str]:
        """Send a GET; see `SocketCarrier.request`."""
        lines = [f"{name}: {value}" for name, value in headers]
        head = "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""])
        raw = await self._open()
        answer = b""
        try:
            with trio.move_on_after(_SECONDS), suppress(trio.BrokenResourceError):
                stream = self._secured(raw)
                await stream.send_all(head.encode())
                while b"\r\n\r\n" not in answer and (data := await stream.receive_some()):
                    answer += data
        finally:
            await trio.aclose_forcefully(raw)
        status = answer.split()[1:2]
        text = answer.decode(errors="replace").partition("\r\n\r\n")[2]
        return (int(status[0]) if status else 0), text

    async def dial(self) -> trio.abc.Stream:
        """Open a bare connection; see `Dialler.dial`."""
        return self._secured(await self._open())

    async def _open(self) -> trio.SocketStream:
        parts = urlsplit(self.url)
        port = parts.port or (443 if parts.scheme == "wss" else 80)
        try:
            return await trio.open_tcp_stream(parts.hostname or "", port)
        except OSError as exc:
            raise Unreachable(f"nothing answers at {self.authority}") from exc

    def _secured(
        self, raw: trio.SocketStream
    ) -> trio.SocketStream | trio.SSLStream[trio.SocketStream]:
        if urlsplit(self.url).scheme != "wss":
            return raw
        context = self.ssl_context or ssl.create_default_context()
        name = urlsplit(self.url).hostname
        return trio.SSLStream(raw, context, server_hostname=name, https_compatible=True)


def frame(opcode: int, payload: bytes, *, fin: bool = True, masked: bool = True) -> bytes:
    """Return a client's frame made by hand, with whatever is in it; the mask is nought."""
    size, bit = len(payload), 0x80 if masked else 0
    first = (0x80 if fin else 0) | opcode
    if size < 126:
        head = struct.pack("!BB", first, bit | size)
    else:
        head = struct.pack("!BBQ", first, bit | 127, size)
    return head + (bytes(4) if masked else b"") + payload

"""A peer that speaks HTTP and WebSocket byte by byte, right or wrong."""

from __future__ import annotations

import base64
import socket
import struct
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import h11
import trio
from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

KEY = base64.b64encode(bytes(16)).decode()
UPGRADE = {
    "Host": "127.0.0.1",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}


def request(
    target: str = "/healthz",
    headers: dict[str, str] | None = None,
    *,
    method: str = "GET",
    version: str = "1.1",
    body: bytes = b"",
) -> bytes:
    lines = [f"{method} {target} HTTP/{version}"]
    lines += [f"{k}: {v}" for k, v in (headers or {"Host": "127.0.0.1"}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def upgrade(**changes: str | None) -> bytes:
    """A handshake with some headers changed (`Sec_WebSocket_Key="x"`) or left out (None)."""
    headers = {**UPGRADE, **{k.replace("_", "-"): v for k, v in changes.items()}}
    return request("/ws", {k: v for k, v in headers.items() if v is not None})


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    masked: bool = True,
    rsv: int = 0,
    length: int | None = None,
) -> bytes:
    """A client's frame; `length` to announce another one than the payload has."""
    size = len(payload) if length is None else length
    first = (0x80 if fin else 0) | (rsv << 4) | opcode
    mask_bit = 0x80 if masked else 0
    if size < 126:
        head = struct.pack("!BB", first, mask_bit | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, mask_bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, mask_bit | 127, size)
    if not masked:
        return head + payload
    key = b"\x01\x02\x03\x04"
    return head + key + bytes(b ^ key[i % 4] for i, b in enumerate(payload))


def text(payload: str, **options: Any) -> bytes:
    return frame(1, payload.encode(), **options)


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(8, struct.pack("!H", code) + reason)


@define
class RawPeer:
    """One TCP connection."""

    stream: trio.SocketStream
    buffer: bytearray = field(factory=bytearray)

    async def send(self, data: bytes) -> None:
        """Send; a server that has hung up meanwhile is fine."""
        with suppress(trio.BrokenResourceError):
            await self.stream.send_all(data)

    async def read_all(self, seconds: float = 3) -> bytes:
        """Read until the server closes or resets."""
        with trio.fail_after(seconds), suppress(trio.BrokenResourceError):
            while data := await self.stream.receive_some():
                self.buffer += data
        return bytes(self.buffer)

    async def read_exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            data = await self.stream.receive_some()
            assert data, "the server closed"
            self.buffer += data
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken

    async def read_head(self) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await self.read_exactly(1)
        return head

    async def upgrade(self, **changes: str | None) -> bytes:
        """Shake hands, and return the head of the answer."""
        await self.send(upgrade(**changes))
        head = await self.read_head()
        assert head.startswith(b"HTTP/1.1 101 "), head
        return head

    async def read_frame(self) -> tuple[int, bytes]:
        first, second = await self.read_exactly(2)
        size = second & 0x7F
        assert not second & 0x80, "a server does not mask"
        if size == 126:
            (size,) = struct.unpack("!H", await self.read_exactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self.read_exactly(8))
        return first & 0x0F, await self.read_exactly(size)

    async def read_close(self, seconds: float = 3) -> int:
        """Skip to the server's close frame, and return its code."""
        with trio.fail_after(seconds):
            while True:
                opcode, payload = await self.read_frame()
                if opcode == 8:
                    return int.from_bytes(payload[:2], "big")

    async def leave(self, how: str) -> None:
        """Close by `FIN`, or by `RST`."""
        if how == "RST":
            linger = struct.pack("ii", 1, 0)
            self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        await self.stream.aclose()


@asynccontextmanager
async def connect(port: int) -> AsyncGenerator[RawPeer, None]:
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        yield RawPeer(stream)


def parse(data: bytes, *, head_only: bool = False) -> tuple[int, dict[str, str], bytes]:
    """Parse one HTTP response: status, headers, body."""
    client = h11.Connection(h11.CLIENT)
    method = "HEAD" if head_only else "GET"
    client.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    client.receive_data(b"")
    head = client.next_event()
    assert isinstance(head, h11.Response), head
    body = b""
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    return head.status_code, {k.decode(): v.decode() for k, v in head.headers}, body


async def ask(port: int, data: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send one request that ends its connection, and return the response."""
    async with connect(port) as peer:
        await peer.send(data)
        return parse(await peer.read_all(), head_only=data.startswith(b"HEAD "))

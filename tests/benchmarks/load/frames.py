"""The least of RFC 6455 that a client needs: frames out with a mask of nought, frames in unmasked.

It trusts the server: what is benchmarked is not what is checked for conformance.
"""

from __future__ import annotations

import base64
import os
import socket
import struct


def text(payload: bytes) -> bytes:
    """Return a client's text frame."""
    return _frame(0x81, payload)


def pong(payload: bytes) -> bytes:
    """Return a client's pong."""
    return _frame(0x8A, payload)


def _frame(first: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", first, 0x80 | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, size)
    return head + bytes(4) + payload


def split(data: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """Return the whole frames in `data`, as opcode and payload, and how many bytes they take."""
    frames: list[tuple[int, bytes]] = []
    at, end = 0, len(data)
    while at + 2 <= end:
        size, start = data[at + 1], at + 2
        if size == 126:
            size, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
        elif size == 127:
            size, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
        if start > end or start + size > end:
            break
        frames.append((data[at] & 0xF, data[start : start + size]))
        at = start + size
    return frames, at


def count(data: bytes) -> tuple[int, int]:
    """Return how many whole frames are in `data`, all of them small, and the bytes they take."""
    number = at = 0
    last = len(data) - 1
    while at < last:
        after = at + 2 + data[at + 1]
        if after > last + 1:
            break
        number += 1
        at = after
    return number, at


def connect(port: int, path: str, *, buffer: int | None = None) -> tuple[socket.socket, bytes]:
    """Open a WebSocket on loopback, and return it with what came behind the handshake.

    Args:
        port: where the server listens.
        path: what to ask for.
        buffer: bytes of the socket's receive buffer; the system's own by default.
    """
    sock = socket.socket()
    if buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    sock.settimeout(30)
    sock.connect(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(_handshake(port, path).encode())
    head = b""
    while b"\r\n\r\n" not in head:
        data = sock.recv(4096)
        if not data:
            raise ConnectionError(f"refused: {head!r}")
        head += data
    head, _, rest = head.partition(b"\r\n\r\n")
    if b" 101 " not in head.split(b"\r\n")[0] + b" ":
        raise ConnectionError(f"refused: {head!r}")
    return sock, rest


def _handshake(port: int, path: str) -> str:
    key = base64.b64encode(os.urandom(16)).decode()
    lines = (
        f"GET {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
    )
    return "\r\n".join((*lines, "", ""))

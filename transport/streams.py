"""Small things to do with a byte stream: bounded sending, a lingering close, the peer's name."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from typing import Final

import trio

# Bytes that a peer has to take within its time: small enough that any live connection can.
_SLICE: Final = 16 * 1024
_USER_TIMEOUT: Final[int | None] = getattr(socket, "TCP_USER_TIMEOUT", None)
_LONGEST: Final = 2**31 - 1
# Windows tells sockets from files, and may have a file of the same number.
_DESCRIPTORS_WRITE: Final = sys.platform != "win32"


def send_now(stream: trio.abc.SendStream, data: bytes) -> int:
    """Send what a socket takes at once, and return how many bytes that was. Never waits.

    A free socket is the rule, and this costs a tenth of trio's way there. Whatever is wrong with
    the connection comes out where the rest is sent.

    Args:
        stream: where to; of anything but a socket nothing is sent.
        data: what to send, to a stream that nobody else is sending to.
    """
    if not _DESCRIPTORS_WRITE or type(stream) is not trio.SocketStream:
        return 0
    try:
        return os.write(stream.socket.fileno(), data)
    except OSError:
        return 0


async def send_within(
    stream: trio.abc.SendStream, data: bytes | memoryview, seconds: float
) -> None:
    """Send all of it to a peer that keeps taking something.

    Cancellation may leave a part of the data sent.

    Args:
        stream: where to.
        data: any length.
        seconds: how long the peer may take for each 16 KiB.

    Raises:
        trio.BrokenResourceError: the peer is gone, or took nothing for that long.
        trio.ClosedResourceError: the stream was closed here.
    """
    with memoryview(data) as view:
        for start in range(0, len(view), _SLICE):
            with trio.move_on_after(seconds) as scope:
                await stream.send_all(view[start : start + _SLICE])
            if scope.cancelled_caught:
                raise trio.BrokenResourceError("the peer takes nothing")


async def linger(stream: trio.abc.Stream, seconds: float) -> None:
    """Say that nothing more comes, and discard what does until the peer has closed too.

    A socket that is closed over unread bytes sends a reset, and a reset can overtake the last
    thing that was said. Cancellation is harmless.

    Args:
        stream: left open; whoever calls this closes it next.
        seconds: how long at the most.
    """
    with trio.move_on_after(seconds):
        try:
            if isinstance(stream, trio.abc.HalfCloseableStream):
                await stream.send_eof()
            while await stream.receive_some():
                pass
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass


def expect_acknowledgement(stream: trio.abc.Stream, seconds: float) -> None:
    """Have the system break a connection whose peer acknowledges nothing, or takes nothing.

    A peer that vanished without a word takes what fits into the system's buffer, so nobody who
    sends would notice for a quarter of an hour. Where the platform has no such bound (only Linux
    does), and on streams that are no sockets, nothing changes.

    Args:
        stream: a connection.
        seconds: how long what was sent may go unacknowledged.
    """
    found = _socket_of(stream)
    if found is not None and _USER_TIMEOUT is not None:
        milliseconds = min(round(1000 * seconds), _LONGEST)
        with suppress(OSError):  # it is no TCP, or gone already
            found.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, milliseconds)


def _socket_of(stream: trio.abc.Stream) -> trio.socket.SocketType | None:
    if isinstance(stream, trio.SSLStream):
        stream = stream.transport_stream
    return stream.socket if isinstance(stream, trio.SocketStream) else None


def peer_name(stream: trio.abc.Stream) -> str:
    """Return the other side's address, or `unknown`; a peer that is gone already has none."""
    found = _socket_of(stream)
    if found is None:
        return "unknown"
    try:
        address = found.getpeername()
    except OSError:
        return "unknown"
    if not isinstance(address, tuple):
        return "unix"
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

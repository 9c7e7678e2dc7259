"""What trio-websocket leaves to do about WebSocket frames, without I/O.

`FrameMeter` follows the frames that arrive, since the library counts characters instead of bytes
and does not count fragments at all. The two builders make the frames that a server writes by
itself; no extension is ever negotiated, so a frame needs no state.
"""

from __future__ import annotations

import struct
from typing import Final

_FIN: Final = 0x80
_MASKED: Final = 0x80
_TEXT: Final = 0x1
_WHOLE_TEXT: Final = _FIN | _TEXT
_CLOSE: Final = 0x8
_CONTROL_BIT: Final = 0x8
# The length that says: two bytes of length follow.
_SHORT: Final = 126
# Of the shortest frame with a mask.
_MASK_END: Final = 6
# How many bytes of length follow the first two of a header.
_LENGTH_BYTES: Final = {126: 2, 127: 8}

CLOSE_FRAME: Final = _FIN | _CLOSE


class FrameMeter:
    """Counts what arrives on one connection, in any chunks.

    Args:
        message_bytes: payload that one message may have, over all its fragments.
        fragments: frames that one message may come in.
    """

    def __init__(self, message_bytes: int, fragments: int) -> None:
        self._message_bytes = message_bytes
        self._fragments = fragments
        self._rest = b""  # the beginning of a header
        self._skip = 0  # payload that is still to come
        self._size = 0  # of the current message
        self._frames = 0  # likewise
        self._finished = True  # whether that message has had its last frame
        self.controls = 0  # control frames, ever
        self.messages = 0  # whose last frame has begun, ever

    @property
    def between_messages(self) -> bool:
        """Whether what comes next is the first byte of a message, or of a control frame."""
        return self._finished and not (self._skip or self._rest)

    def feed(self, data: bytes) -> int:
        """Take the next bytes and return how many of them are within the bounds.

        Fewer than all means that a frame, which begins after them or before, breaks the bounds;
        nothing may be fed after that. Frames that WebSocket forbids for other reasons are not
        noticed here; their lengths are taken at their word.
        """
        if self._skip >= len(data):
            self._skip -= len(data)
            return len(data)
        buffer = self._rest + data
        at = self._skip
        while (end := self._frame_end(buffer, at)) is not None:
            if self._size > self._message_bytes or self._frames > self._fragments:
                return max(0, at - len(self._rest))
            at = end
        self._skip = max(0, at - len(buffer))
        self._rest = buffer[at:]
        return len(data)

    def _frame_end(self, buffer: bytes, at: int) -> int | None:
        """Count the frame whose header starts at `at`; None where the header is incomplete."""
        start = at + 2
        if len(buffer) < start:
            return None
        first, second = buffer[at], buffer[at + 1]
        size = second & 0x7F
        if more := _LENGTH_BYTES.get(size):
            if len(buffer) < start + more:
                return None
            size = int.from_bytes(buffer[start : start + more], "big")
            start += more
        self._count(first, size)
        return start + (4 if second & _MASKED else 0) + size

    def _count(self, first: int, size: int) -> None:
        if first & _CONTROL_BIT:
            self.controls += 1
            return
        if self._finished:
            self._size = self._frames = 0
        self._size += size
        self._frames += 1
        self._finished = bool(first & _FIN)
        self.messages += self._finished


def whole_text(data: bytes) -> str | None:
    """Return the message of a client's frame, where the bytes are that and nothing else.

    None for whatever is rarer than one short text message in one frame, or is no good: bytes that
    begin between two messages, and that this has no answer for, are for the library.
    """
    if len(data) < _MASK_END or data[0] != _WHOLE_TEXT or data[1] < _MASKED:
        return None
    size, start = data[1] - _MASKED, 2
    if size == _SHORT:
        size, start = int.from_bytes(data[2:4], "big"), 4
        if size < _SHORT:  # said in more bytes than it takes
            return None
    if len(data) != start + 4 + size:  # and where eight bytes of length follow
        return None
    mask = data[start : start + 4] * (size // 4 + 1)
    masked = int.from_bytes(data[start + 4 :], "big") ^ int.from_bytes(mask[:size], "big")
    try:
        return masked.to_bytes(size, "big").decode()
    except UnicodeDecodeError:
        return None


def text_frame(payload: bytes) -> bytes:
    """Return a server's frame for one text message.

    Args:
        payload: UTF-8.
    """
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", _FIN | _TEXT, size) + payload
    if size < 1 << 16:
        return struct.pack("!BBH", _FIN | _TEXT, 126, size) + payload
    return struct.pack("!BBQ", _FIN | _TEXT, 127, size) + payload


class SharedText(bytes):
    """A text message that goes out on many links, in UTF-8.

    A server's frames are not masked, so equal bytes serve all of its links: the frame is made once.
    """

    _frame: bytes | None = None

    @property
    def frame(self) -> bytes:
        """The server's frame for it."""
        if self._frame is None:
            self._frame = text_frame(self)
        return self._frame


def close_frame(code: int) -> bytes:
    """Return a server's close frame without a reason."""
    return struct.pack("!BBH", CLOSE_FRAME, 2, code)

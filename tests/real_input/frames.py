"""Just enough of RFC 6455 to know where a cut falls: frame boundaries and the JSON in them."""

from __future__ import annotations

import json
from typing import Any

from attrs import define


@define
class Piece:
    """A part of one direction's bytes: the handshake, or one whole frame.

    Args:
        raw: as they came.
        message: the JSON object of an unfragmented text frame; None for anything else.
    """

    raw: bytes
    message: dict[str, Any] | None


class Splitter:
    """Splits one direction of a WebSocket connection into its handshake and its frames."""

    def __init__(self) -> None:
        self._buffer = b""
        self._shaken = False

    def feed(self, data: bytes) -> list[Piece]:
        """Take bytes and return what is complete."""
        self._buffer += data
        found = []
        while (piece := self._next()) is not None:
            found.append(piece)
        return found

    def _next(self) -> Piece | None:
        if not self._shaken:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return None
            self._shaken = True
            return Piece(self._take(end + 4), None)
        size = self._frame_size()
        if size is None or len(self._buffer) < size[0] + size[1]:
            return None
        raw = self._take(size[0] + size[1])
        return Piece(raw, _message(raw, size[0]))

    def _frame_size(self) -> tuple[int, int] | None:
        """Return the bytes of the head and of the payload of the frame that comes next."""
        if len(self._buffer) < 2:
            return None
        masked, length = self._buffer[1] & 0x80, self._buffer[1] & 0x7F
        extra = {126: 2, 127: 8}.get(length, 0)
        if len(self._buffer) < 2 + extra:
            return None
        if extra:
            length = int.from_bytes(self._buffer[2 : 2 + extra])
        return 2 + extra + (4 if masked else 0), length

    def _take(self, size: int) -> bytes:
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken


def _message(raw: bytes, head: int) -> dict[str, Any] | None:
    if raw[0] != 0x81:  # final, text
        return None
    payload = raw[head:]
    if raw[1] & 0x80:
        mask = raw[head - 4 : head]
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    message = json.loads(payload)
    return message if isinstance(message, dict) else None

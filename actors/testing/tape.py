"""The tape: choices drawn beforehand, so that nothing has to be drawn while trio runs."""

from __future__ import annotations

from typing import Final

# Bytes of a tape: what the races that were tried needed, and short enough to shrink quickly.
TAPE_BYTES: Final = 256


class Tape:
    """Bytes that are read one by one; noughts once they are used up.

    Nought always stands for the plain choice, so that a tape which shrinks tends towards it.

    Args:
        data: the choices, in the order in which they are asked for.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._read = 0

    def next(self) -> int:
        """Return the next choice, 0 to 255."""
        if self._read >= len(self._data):
            return 0
        choice = self._data[self._read]
        self._read += 1
        return choice

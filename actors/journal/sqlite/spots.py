"""Keys of rows: a thread's number and an offset in one integer.

Rows of one thread lie together in offset order, without an index beside them: the key has the
thread's number in its upper bits and the offset in the lower ones.
"""

from __future__ import annotations

from typing import Final

from ...errors import InternalError

OFFSET_BITS: Final = 36


def spot(number: int, offset: int) -> int:
    """Return the key of an offset of the thread with that number.

    Raises:
        InternalError: past 2**36 events of a thread, or 2**27 threads.
    """
    if not 0 <= offset < 1 << OFFSET_BITS or not 0 < number < 1 << (63 - OFFSET_BITS):
        raise InternalError(f"thread number {number} cannot hold offset {offset}")
    return number << OFFSET_BITS | offset


def all_spots(number: int) -> tuple[int, int]:
    """Return the least and the greatest key of the thread with that number."""
    first = spot(number, 0)
    return first, first + (1 << OFFSET_BITS) - 1


def number_of(spot: int) -> int:
    """Return the thread's number in a key."""
    return spot >> OFFSET_BITS


def offset_of(spot: int) -> int:
    """Return the offset in a key."""
    return spot & ((1 << OFFSET_BITS) - 1)

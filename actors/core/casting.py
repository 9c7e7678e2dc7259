"""Casts that wait for a thread's service: bounded, in order, with a stated policy when full."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson
from attrs import frozen

from ..errors import Rejected
from .arguments import shown
from .json_values import taken_over
from .record_kinds import RecordKinds, checked_data

if TYPE_CHECKING:
    from ..limits import Limits

# Told, where a cast turned out to have nobody to take it. Must return at once and not raise.
Refuse: TypeAlias = Callable[[Rejected], None]


class Overflow(enum.StrEnum):
    """What becomes of a cast where the inbox is full."""

    DROP_OLDEST = "drop_oldest"
    DROP_NEWEST = "drop_newest"
    REFUSE = "refuse"


@frozen
class Cast:
    """Something ephemeral for a thread's service: a piece of audio, that somebody is typing.

    Args:
        kind: the application's own word.
        data: any JSON, or bytes.
        author: the principal who said it.
    """

    kind: str
    data: Any
    author: str


@frozen
class Waiting:
    """A cast in the inbox.

    Args:
        cast: the cast.
        size: its bytes; a JSON value counts as its JSON.
        refuse: told where nobody will take it.
    """

    cast: Cast
    size: int
    refuse: Refuse | None = None


def checked_cast(
    kind: Any,
    data: Any,
    author: str,
    limits: Limits,
    refuse: Refuse | None = None,
    kinds: RecordKinds | None = None,
) -> Waiting:
    """Make a cast of values from outside, which stay as they are whatever becomes of those.

    Args:
        kind, data, author: what came.
        limits: `command_bytes` bounds a JSON value with its kind; bytes are bounded by the inbox.
        refuse: told where nobody will take it.
        kinds: what the thread takes; None where any kind and any data will do.

    Raises:
        Rejected: `bad_request` where a value is of the wrong sort, `too_large` above the limit.
    """
    if not isinstance(kind, str) or not kind:
        raise Rejected("bad_request", f"a cast's kind is a word, not {shown(kind)}")
    data, size = _held(kind, data, limits)
    if kinds is not None:
        data, size = _held(kind, checked_data(kinds, "cast", kind, data), limits)
    return Waiting(Cast(kind, data, author), size, refuse)


def _held(kind: str, data: Any, limits: Limits) -> tuple[Any, int]:
    """Return the data as our own, and its bytes with the kind's."""
    if isinstance(data, bytes | bytearray | memoryview):
        held = bytes(data)
        return held, len(held) + len(kind)
    _, data = taken_over([kind, data], "the cast", limits.command_bytes, limits.json_depth)
    return data, len(orjson.dumps(data)) + len(kind)


class CastQueue:
    """The casts that wait, oldest first, and the count of those that were dropped.

    Args:
        count: how many may wait.
        size: how many bytes may wait.
        overflow: what becomes of a cast that does not fit.

    Attributes:
        dropped: casts that the overflow policy dropped, since the queue was made.
    """

    def __init__(self, count: int, size: int, overflow: Overflow) -> None:
        self.dropped = 0
        self._count = count
        self._room = self._size = size
        self._overflow = overflow
        self._waiting: deque[Waiting] = deque()

    def __len__(self) -> int:
        """How many casts wait."""
        return len(self._waiting)

    def put(self, waiting: Waiting) -> bool:
        """Add a cast behind the others; False where it was dropped.

        Raises:
            Rejected: `too_large` where it never fits; `overloaded` where it does not at present
                and the policy is to refuse.
        """
        if waiting.size > self._size:
            raise Rejected("too_large", f"casts of at most {self._size} bytes fit in the inbox")
        while not self._fits(waiting):
            if self._overflow is Overflow.REFUSE:
                raise Rejected("overloaded", "too many casts wait for this thread's service")
            self.dropped += 1
            if self._overflow is Overflow.DROP_NEWEST:
                return False
            self._take()
        self._waiting.append(waiting)
        self._room -= waiting.size
        return True

    def take(self) -> Cast | None:
        """Take the oldest cast, or None."""
        return self._take().cast if self._waiting else None

    def clear(self) -> tuple[Waiting, ...]:
        """Take every cast there is; they do not count as dropped."""
        waiting = tuple(self._waiting)
        self._waiting.clear()
        self._room = self._size
        return waiting

    def _fits(self, waiting: Waiting) -> bool:
        return len(self._waiting) < self._count and waiting.size <= self._room

    def _take(self) -> Waiting:
        waiting = self._waiting.popleft()
        self._room += waiting.size
        return waiting

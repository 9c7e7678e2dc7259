"""Facts of what handlers are told: what of theirs is durable."""

from __future__ import annotations

from typing import TypeAlias

from attrs import frozen


@frozen
class Flushes:
    """A handler waits until all that it said is durable."""

    thread: str
    turn: str
    attempt: int


@frozen
class Flushed:
    """A handler was told that all it said is durable."""

    thread: str
    turn: str
    attempt: int


@frozen
class Kept:
    """A handler was told that an item of its own, or a record, is durable."""

    thread: str
    turn: str
    attempt: int
    item: str


TurnFact: TypeAlias = Flushes | Flushed | Kept

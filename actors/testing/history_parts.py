"""What a history consists of: calls, rows on disk, runs of handlers and services, lives, faults."""

from __future__ import annotations

import math
from typing import Any

from attrs import define, field, frozen

from ..core.event_codec import Row
from ..core.position import Position
from ..handles import LOCAL
from ..limits import DEFAULT_LIMITS, Limits
from .facts import Answer, Fault, Refused
from .operations import Operation
from .watched_service import STOPPED

# Refusals of commands that were taken before the runtime gave up: they may have taken effect.
_UNCERTAIN = frozenset({"draining", "internal", "journal_unavailable"})
# What the copy of a fork is called among the source's events.
FORKED = "forked"
# What ends a turn, as the wire names it.
ENDINGS = frozenset(
    f"turn.{state}"
    for state in ("completed", "cancelled", "failed", "interrupted", "superseded", "timed_out")
)


@define(eq=False)
class Call:
    """A call and what came of it. `called` and `over` are places in the records.

    `principal` is whose it is: the one of its connection, or of the process where it has none.
    """

    number: int
    life: int
    client: int
    thread: str
    operation: Operation
    argument: str | None
    called: int
    over: int | None = None
    answer: Answer | None = None
    principal: str = LOCAL

    @property
    def may_have_happened(self) -> bool:
        """Whether nobody knows what came of it: the process went, or its patience ran out."""
        return self.answer is None or (
            isinstance(self.answer, Refused) and self.answer.code in _UNCERTAIN
        )


@frozen(eq=False)
class Logged:
    """An event on disk: where it stands there, and since which record.

    `behind` is the one before it of the same append, if any.
    """

    index: int
    life: int
    thread: str
    generation: int
    epoch: int
    row: Row
    raw: dict[str, Any]
    behind: Logged | None = None

    @property
    def type(self) -> str:
        """The event's type as the wire names it."""
        name: str = self.raw["type"]
        return name

    @property
    def copied(self) -> bool:
        """Whether it is another thread's history, told anew by a fork."""
        return self.generation == 0

    @property
    def position(self) -> Position:
        """The position after the event."""
        return Position(self.epoch, self.row.to)

    @property
    def ends(self) -> bool:
        """Whether it is a turn's terminal event."""
        return self.type in ENDINGS


@define(eq=False)
class HandlerRun:
    """One run of a handler; places in the records."""

    thread: str
    turn: str
    attempt: int
    life: int
    entered: int
    exited: int | None = None
    error: str | None = None
    words: str | None = None
    said: list[tuple[int, str]] = field(factory=list)
    channels: list[str | None] = field(factory=list)  # of what it said, one by one
    flushes: list[int] = field(factory=list)
    flushed: list[int] = field(factory=list)
    acted: list[tuple[int, str]] = field(factory=list)


@define(eq=False)
class ServiceRun:
    """One run of a service; places in the records."""

    thread: str
    run: int
    life: int
    entered: int
    exited: int | None = None
    error: str | None = None

    @property
    def ended_itself(self) -> bool:
        """Whether it came to its end without having been stopped."""
        return self.exited is not None and self.error not in STOPPED


@define(eq=False)
class TurnHistory:
    """All that is known of a turn."""

    turn: str
    events: list[Logged] = field(factory=list)
    runs: list[HandlerRun] = field(factory=list)

    @property
    def endings(self) -> list[Logged]:
        """Its terminal events; there ought to be one."""
        return [event for event in self.events if event.ends]

    def of(self, type: str) -> list[Logged]:
        """Return its events of a type."""
        return [event for event in self.events if event.type == type]


@define(eq=False)
class Life:
    """One life of the process; places in the records."""

    number: int
    opening: int
    opened: int | None = None
    closing: int | None = None
    drained: int | None = None
    killed: int | None = None
    limits: Limits = DEFAULT_LIMITS
    slowest: float = math.inf


@frozen
class Blow:
    """A fault that struck, or was put right; `thread` is None where it was everybody's."""

    index: int
    life: int
    at: float
    fault: Fault
    thread: str | None

"""Effects: what the shell has to do once a decision's events are durable, in their order."""

from __future__ import annotations

import enum
from typing import TypeAlias

from attrs import frozen

from .commands import Ending
from .position import Position


class CancelOutcome(enum.StrEnum):
    """What became of a cancel, once it is settled (I6)."""

    CANCELLED = "cancelled"
    ALREADY_ENDED = "already_ended"
    NOTHING_RUNNING = "nothing_running"
    ABANDONED = "abandoned"


@frozen
class Submitted:
    """The receipt of a submit: the same every time it is given (rule 15), but for `duplicate`.

    Args:
        turn: the id of the turn that answers it.
        position: where the submit stands in the thread's stream.
        duplicate: whether its key was used before.
    """

    turn: str
    position: Position
    duplicate: bool = False


@frozen
class RecordReceipt:
    """The receipt of a record: the same every time it is given (rule 15), but for `duplicate`.

    Args:
        position: where the record stands in the thread's stream.
        duplicate: whether its key was used before.
    """

    position: Position
    duplicate: bool = False


@frozen
class ForkReceipt:
    """The receipt of a fork: the same every time it is given (rule 15), but for `duplicate`.

    Args:
        position: the head of the new thread, in its own stream.
        duplicate: whether its key was used before.
    """

    position: Position
    duplicate: bool = False


@frozen
class Cancelled:
    """The settled answer to a cancel (I6).

    Args:
        turn: the turn that it met; None where none was running.
        outcome: what became of it.
        position: where the turn's terminal event stands, or the stream where there is none to tell.
    """

    turn: str | None
    outcome: CancelOutcome
    position: Position


@frozen
class Truncated:
    """A truncation is durable.

    Args:
        position: where it stands in the thread's stream.
    """

    position: Position


@frozen
class Opened:
    """The answer to `open`: whether the thread was there before."""

    existed: bool


@frozen
class Closed:
    """The answer to `end` and `delete`: whether there was anything to end."""

    existed: bool


Result: TypeAlias = (
    Submitted | RecordReceipt | ForkReceipt | Cancelled | Truncated | Opened | Closed
)


@frozen
class AnswerNow:
    """Answer the command that was decided."""

    result: Result


@frozen
class AnswerWhenEnded:
    """Answer the command, a cancel, once the terminal event of `turn` is durable."""

    turn: str


@frozen
class StartTurn:
    """Run the handler of the live turn."""

    turn: str


@frozen
class StopTurn:
    """Cancel the live turn's scope; `ending` counts unless another was decided first."""

    turn: str
    ending: Ending


@frozen
class DecideAgain:
    """Decide the same command once more after `turn` has ended; commands behind it wait."""

    turn: str


@frozen
class CloseThread:
    """The activation is over: subscribers are detached with `reason`, `ended` or `deleted`."""

    reason: str


Effect: TypeAlias = AnswerNow | AnswerWhenEnded | StartTurn | StopTurn | DecideAgain | CloseThread

"""How far a thread is on its way to being finalised."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from .commands import FINALISING
from .head import Life
from .turn_lifecycle import TurnState

if TYPE_CHECKING:
    from .head import Head, Settled


class Progress(enum.StrEnum):
    """What became of a thread: it follows from the turn that finalises it, and is not stored."""

    ABSENT = "absent"
    IN_PROGRESS = "in_progress"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


def progress_of(head: Head, finalised: Settled | None) -> Progress:
    """Say how far a thread is.

    Args:
        head: where it stands.
        finalised: what the finalising turn left; None where it has not ended.
    """
    if head.life is Life.ABSENT:
        return Progress.ABSENT
    if finalised is not None:
        done = finalised.state is TurnState.COMPLETED
        return Progress.COMPLETED if done else Progress.FAILED
    return Progress.PROCESSING if FINALISING in head.unsettled else Progress.IN_PROGRESS

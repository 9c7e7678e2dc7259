"""The life of a turn as a table: the one place that says which state may follow which.

`cancelling` is not a state: whether a turn is on its way out is known to the task that runs it, and
to nobody's disk. The diagram in the docs is generated from `TRANSITIONS`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

from ..errors import InternalError


class TurnState(enum.StrEnum):
    """Where a turn stands. All but `QUEUED` and `RUNNING` are endings."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    SUPERSEDED = "superseded"
    TIMED_OUT = "timed_out"


ENDINGS: Final = frozenset(TurnState) - {TurnState.QUEUED, TurnState.RUNNING}

TRANSITIONS: Final[Mapping[TurnState, frozenset[TurnState]]] = {
    # A queued turn has no handler yet, so it can neither complete nor run out of time.
    TurnState.QUEUED: frozenset(
        {
            TurnState.RUNNING,
            TurnState.CANCELLED,
            TurnState.SUPERSEDED,
            TurnState.FAILED,
            TurnState.INTERRUPTED,
        }
    ),
    # Running again is a retry after a crash: the next attempt of the same turn.
    TurnState.RUNNING: ENDINGS | {TurnState.RUNNING},
    **{ending: frozenset() for ending in ENDINGS},
}


def step(old: TurnState, new: TurnState) -> TurnState:
    """Return `new` where the table allows it to follow `old`.

    Raises:
        InternalError: where it does not; a turn has one terminal event (I2).
    """
    if new not in TRANSITIONS[old]:
        raise InternalError(f"a turn cannot go from {old} to {new}")
    return new

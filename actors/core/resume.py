"""Where an attachment begins: at the client's own cursor, or at a snapshot (I3, rule 3)."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from attrs import frozen

from ..errors import PositionUnrecoverable
from .position import Position, parse_cursor

if TYPE_CHECKING:
    from .head import Head


class Mode(enum.StrEnum):
    """How an attachment begins."""

    RESUME = "resume"
    SNAPSHOT = "snapshot"
    RESET = "reset"


# A cursor that was good and is only too old gets a snapshot; one that was never good, or is of
# another life, gets a reset.
_SNAPSHOT_REASONS = frozenset({"compacted", "truncated"})


@frozen
class AttachPlan:
    """How to begin: `position` is the client's own on `resume`, otherwise None."""

    mode: Mode
    reason: str | None = None
    position: Position | None = None


def plan_attach(cursor: str | None, head: Head, first_epoch: int) -> AttachPlan:
    """Decide how an attachment begins, as far as the head alone can tell.

    Whether the cursor lies inside a merged range shows only when the journal is read; that read
    raises `PositionUnrecoverable`, and `plan_after` says what then.
    """
    if cursor is None:
        return AttachPlan(Mode.SNAPSHOT)
    try:
        position = parse_cursor(cursor)
        check_position(position, head, first_epoch)
    except PositionUnrecoverable as exc:
        return plan_after(exc)
    return AttachPlan(Mode.RESUME, None, position)


def plan_after(failure: PositionUnrecoverable) -> AttachPlan:
    """Return the plan that follows from a position that cannot be resumed from."""
    mode = Mode.SNAPSHOT if failure.reason in _SNAPSHOT_REASONS else Mode.RESET
    return AttachPlan(mode, failure.reason)


def check_position(position: Position, head: Head, first_epoch: int) -> None:
    """Check a position against the head of its thread.

    Raises:
        PositionUnrecoverable: `deleted` (an earlier life of this id), `epoch` (no life of it),
            `ahead` (of the head), `truncated` (below the floor).
    """
    if position.epoch != head.epoch:
        earlier = first_epoch <= position.epoch < head.epoch
        raise PositionUnrecoverable("deleted" if earlier else "epoch")
    if position.offset > head.offset:
        raise PositionUnrecoverable("ahead")
    if position.offset < head.floor:
        raise PositionUnrecoverable("truncated")

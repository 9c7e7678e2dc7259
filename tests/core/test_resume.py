"""I3: where an attachment begins, as a table."""

from __future__ import annotations

import pytest

from actors.core.head import Head, Life
from actors.core.position import Position
from actors.core.resume import AttachPlan, Mode, plan_after, plan_attach
from actors.errors import PositionUnrecoverable

FIRST_EPOCH = 5
HEAD = Head(epoch=7, offset=20, floor=10, life=Life.OPEN)

PLANS = {
    "no cursor": (None, Mode.SNAPSHOT, None),
    "at the head": ("7.20", Mode.RESUME, None),
    "in the middle": ("7.15", Mode.RESUME, None),
    "at the floor": ("7.10", Mode.RESUME, None),
    "below the floor": ("7.9", Mode.SNAPSHOT, "truncated"),
    "before the first event, truncated since": ("7.0", Mode.SNAPSHOT, "truncated"),
    "ahead of the head": ("7.21", Mode.RESET, "ahead"),
    "the life before": ("6.3", Mode.RESET, "deleted"),
    "the first life": ("5.0", Mode.RESET, "deleted"),
    "a life that never was": ("4.3", Mode.RESET, "epoch"),
    "a life to come": ("8.0", Mode.RESET, "epoch"),
    "no cursor at all": ("soup", Mode.RESET, "unreadable"),
    "the empty text": ("", Mode.RESET, "unreadable"),
    "a number that no file could hold": ("7.9999999999999999999", Mode.RESET, "ahead"),
}


@pytest.mark.parametrize("name", PLANS)
def test_plan_attach(name: str) -> None:
    cursor, mode, reason = PLANS[name]
    plan = plan_attach(cursor, HEAD, FIRST_EPOCH)
    assert (plan.mode, plan.reason) == (mode, reason)
    if mode is Mode.RESUME:
        assert plan.position is not None
        assert plan.position.cursor() == cursor
    else:
        assert plan.position is None


def test_a_thread_that_never_was_resumes_from_its_beginning() -> None:
    head = Head(epoch=FIRST_EPOCH)
    assert plan_attach("5.0", head, FIRST_EPOCH).position == Position(5, 0)


@pytest.mark.parametrize(
    ("reason", "mode"),
    [
        ("compacted", Mode.SNAPSHOT),
        ("truncated", Mode.SNAPSHOT),
        ("ahead", Mode.RESET),
        ("epoch", Mode.RESET),
        ("deleted", Mode.RESET),
        ("unreadable", Mode.RESET),
    ],
)
def test_plan_after(reason: str, mode: Mode) -> None:
    assert plan_after(PositionUnrecoverable(reason)) == AttachPlan(mode, reason)

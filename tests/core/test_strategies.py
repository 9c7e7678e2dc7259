"""What the kit's strategies draw is what the core takes for such a thing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.core.apply import restore
from actors.core.commands import checked_submit
from actors.core.event_codec import decode
from actors.core.head import Head
from actors.core.position import Position
from actors.core.resume import Mode, plan_attach
from actors.core.thread_id import is_thread_id
from actors.testing.strategies import (
    Cursors,
    ThreadHistory,
    contents,
    histories,
    records,
    thread_ids,
    unreadable_cursors,
)

if TYPE_CHECKING:
    from actors.core.items import Content

# A thread in its third life, cut once.
HEAD = Head(epoch=3, offset=40, floor=7)
CURSORS = Cursors(Position(3, 40), floor=7)


@given(histories())
def test_a_history_is_one_that_a_restart_reads_back(history: ThreadHistory) -> None:
    head = history.state.head
    since = [decode(row) for row in history.rows if row.offset >= (head.open_from or 1 << 60)]
    assert restore(head, since).head == head
    assert [row.offset for row in history.rows] == list(range(1, head.offset + 1))


@given(thread_ids())
def test_a_thread_id_is_one(thread: str) -> None:
    assert is_thread_id(thread)


@given(contents(), records())
def test_content_can_be_said(content: Content, record: tuple[str, object]) -> None:
    said = checked_submit(
        turn="t", principal="p", content=content, metadata={"fact": record}, limit_bytes=1 << 20
    )
    assert said.content == content


@pytest.mark.parametrize(
    ("cursors", "mode", "reasons"),
    [
        (CURSORS.good(), Mode.RESUME, {None}),
        (CURSORS.stale(), Mode.SNAPSHOT, {"truncated"}),
        (CURSORS.ahead(), Mode.RESET, {"ahead"}),
        (CURSORS.foreign(), Mode.RESET, {"epoch", "deleted"}),
        (unreadable_cursors(), Mode.RESET, {"unreadable"}),
    ],
)
def test_a_cursor_leads_to_what_its_name_says(
    cursors: st.SearchStrategy[str], mode: Mode, reasons: set[str | None]
) -> None:
    @given(cursors)
    def attach(cursor: str) -> None:
        plan = plan_attach(cursor, HEAD, 1)
        assert plan.mode is mode
        assert plan.reason in reasons

    attach()

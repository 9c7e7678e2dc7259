"""Idea 5: neighbours merge into ranges; text and offsets stay, nothing is split."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.core.events import Entry, Event, TurnDelta, TurnItem
from actors.core.merge import can_merge, merge_entries

EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        TurnDelta,
        turn=st.sampled_from(["a", "b"]),
        item=st.sampled_from(["a.1", "a.2"]),
        text=st.text("xyé🙂", min_size=1, max_size=4),
        channel=st.sampled_from([None, "reasoning"]),
    ),
    st.just(TurnItem("a", "a.9", "note", 1)),
)


@st.composite
def logs(draw: st.DrawFn) -> list[Entry]:
    """Contiguous entries, some of them ranges already."""
    entries: list[Entry] = []
    offset = draw(st.integers(1, 5))
    for event in draw(st.lists(EVENTS, max_size=20)):
        width = draw(st.integers(1, 3)) if isinstance(event, TurnDelta) else 1
        entries.append(Entry(offset, offset + width - 1, float(offset), event))
        offset += width
    return entries


def said(entries: tuple[Entry, ...] | list[Entry]) -> list[tuple[str, str, str | None, str]]:
    """Each character with whose it is."""
    deltas = [entry.event for entry in entries if isinstance(entry.event, TurnDelta)]
    return [(d.turn, d.item, d.channel, char) for d in deltas for char in d.text]


@given(logs(), st.integers(1, 30))
def test_merging_keeps_offsets_and_text_and_splits_nothing(
    entries: list[Entry], limit: int
) -> None:
    merged = merge_entries(entries, limit)
    assert said(merged) == said(entries)
    starts, ends = {e.offset for e in entries}, {e.to for e in entries}
    assert all(e.offset in starts and e.to in ends for e in merged)
    assert [o for e in merged for o in range(e.offset, e.to + 1)] == [
        o for e in entries for o in range(e.offset, e.to + 1)
    ]
    assert {e.offset: e.at for e in merged}.items() <= {e.offset: e.at for e in entries}.items()
    untouched = {(e.offset, e.to) for e in entries}
    for entry in merged:
        if (entry.offset, entry.to) not in untouched:
            assert isinstance(entry.event, TurnDelta)
            assert len(entry.event.text.encode()) <= limit


@given(logs())
def test_with_room_enough_no_two_neighbours_are_left_that_could_merge(
    entries: list[Entry],
) -> None:
    merged = merge_entries(entries, 1 << 20)
    assert not any(can_merge(left, right) for left, right in pairwise(merged))
    assert merge_entries(merged, 1 << 20) == merged


ONE = TurnDelta("a", "a.1", "x")


@pytest.mark.parametrize(
    ("right", "mergeable"),
    [
        (Entry(3, 3, 0.0, ONE), True),
        (Entry(4, 4, 0.0, ONE), False),  # a gap
        (Entry(3, 3, 0.0, TurnDelta("b", "a.1", "x")), False),
        (Entry(3, 3, 0.0, TurnDelta("a", "a.2", "x")), False),
        (Entry(3, 3, 0.0, TurnDelta("a", "a.1", "x", "reasoning")), False),
        (Entry(3, 3, 0.0, TurnItem("a", "a.1", "note", 1)), False),
    ],
)
def test_only_neighbours_of_one_text_merge(right: Entry, mergeable: bool) -> None:
    assert can_merge(Entry(1, 2, 0.0, ONE), right) is mergeable

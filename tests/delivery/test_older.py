"""The older part of a tail: text is merged, and begins wherever a piece ended (I3, idea 5)."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from written_thread import Written, drain, text_of

from actors.core.event_codec import Row, decode, encode
from actors.core.events import Entry, Event, TurnDelta, TurnItem
from actors.core.position import Position
from actors.delivery.batches import Detached, Events
from actors.delivery.older import Older
from actors.errors import PositionUnrecoverable
from actors.limits import Limits

PLENTY = 100_000


def at(offset: int) -> Position:
    return Position(3, offset)


def _events(kind: int, text: str) -> Event:
    if kind == 0:
        return TurnItem("a", "a.9", "tool_call", {"text": text})
    return TurnDelta("a", f"a.{kind}", text, "reasoning" if kind == 2 else None)


# What is said, of which kind, and how many offsets it takes.
SAID = st.lists(
    st.tuples(st.text("aé🙂\n", max_size=8), st.integers(0, 2), st.integers(1, 3)),
    min_size=1,
    max_size=30,
)


def _placed(said: list[tuple[str, int, int]]) -> list[Entry]:
    entries, offset = [], 0
    for number, (text, kind, offsets) in enumerate(said):
        event = _events(kind, text)
        to = offset + (offsets if isinstance(event, TurnDelta) else 1)
        entries.append(Entry(offset + 1, to, float(number), event))
        offset = to
    return entries


def _filled(entries: list[Entry], limit: int = PLENTY, merged: int = PLENTY) -> Older:
    older = Older(limit, merged)
    for entry in entries:
        older.add(encode(entry))
    return older


def _read(older: Older, offset: int, batch_bytes: int) -> list[Entry]:
    read: list[Entry] = []
    while older.reaches(offset):
        rows = older.after(offset, batch_bytes)
        assert all(row.offset == left.to + 1 for left, row in itertools.pairwise(rows))
        assert len(rows) == 1 or sum(len(row.body) for row in rows) <= batch_bytes
        read += map(decode, rows)
        offset = read[-1].to
    return read


def _told(entries: list[Entry]) -> list[tuple[str, str]]:
    """Return what was said with its place: text by its item, joined, and the rest as it is."""
    told: list[tuple[str, str]] = []
    for entry in entries:
        event = entry.event
        if not isinstance(event, TurnDelta):
            told.append((f"at {entry.offset}", repr(event)))
        elif told and told[-1][0] == f"{event.item} {event.channel}":
            told[-1] = (told[-1][0], told[-1][1] + event.text)
        else:
            told.append((f"{event.item} {event.channel}", event.text))
    return told


@given(SAID, st.integers(1, 400), st.sampled_from([1, 10, PLENTY]))
def test_every_place_where_an_event_ended_is_gone_on_from(
    said: list[tuple[str, int, int]], batch_bytes: int, merged: int
) -> None:
    entries = _placed(said)
    older = _filled(entries, merged=merged)
    places = [0, *(entry.to for entry in entries)]
    for n, place in enumerate(places[:-1]):
        read = _read(older, place, batch_bytes)
        assert read[0].offset == place + 1
        assert read[0].at == entries[n].at
        assert read[-1].to == places[-1]
        assert _told(read) == _told(entries[n:])
    for inside in set(range(places[-1])) - set(places):
        with pytest.raises(PositionUnrecoverable, match="compacted"):
            older.after(inside, batch_bytes)
    assert not older.reaches(places[-1])


@given(SAID, st.integers(1, 300), st.integers(1, 60))
def test_it_is_bounded_and_what_is_left_is_its_newest(
    said: list[tuple[str, int, int]], limit: int, merged: int
) -> None:
    """I12."""
    entries = _placed(said)
    older = _filled(entries, limit, merged)
    assert 0 <= older.size <= limit
    left = [entry for entry in entries if older.reaches(entry.offset - 1)]
    assert left == entries[len(entries) - len(left) :]


def test_a_long_answer_is_a_few_events_and_little_memory() -> None:
    deltas = [Entry(n, n, 1.0, TurnDelta("a", "a.1", "tokens! ")) for n in range(1, 5001)]
    older = _filled(deltas, Limits().tail_merged_bytes, Limits().merged_text_bytes)
    rows = older.after(0, Limits().batch_bytes)
    assert len(rows) == 1
    assert len(_read(older, 0, Limits().batch_bytes)) == 2
    assert older.size <= 33 * 5000


async def test_a_reader_is_let_go_at_an_end_that_lies_inside_of_merged_text() -> None:
    """Rule 11: what was said behind the end is for those who come later."""
    thread = await Written.begin(Limits(tail_bytes=200))
    await thread.submit()
    subscription = await thread.attached(at(0).cursor())
    for n in range(10):
        await thread.say(f"{n} ")
    end = thread.state.position
    subscription.detach_at(end, "failed")
    for n in range(10, 40):
        await thread.say(f"{n} ")
    batches = await drain(subscription)
    assert batches[-1] == Detached("t", end, "failed")
    assert text_of(batches) == "".join(f"{n} " for n in range(10))


async def test_whoever_comes_back_to_a_long_turn_reads_no_disk() -> None:
    thread = await Written.begin()
    await thread.submit()
    for n in range(3000):
        await thread.say(f"{n:07d} ")
    seen: list[Row] = []
    place = at(3)
    while place != thread.state.position:
        events = thread.tail.after(place)
        assert isinstance(events, Events)
        seen += events.rows
        place = events.position
    assert len(seen) < 1500
    texts = (entry.event.text for entry in map(decode, seen) if isinstance(entry.event, TurnDelta))
    assert "".join(texts) == "".join(f"{n:07d} " for n in range(3000))

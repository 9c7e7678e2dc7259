"""Idea 5: adjacent pieces of one text are one event that covers a range of offsets.

Batching a turn's writes, compacting a journal and catching up all merge by this one rule.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from .events import Entry, TurnDelta


def can_merge(left: Entry, right: Entry) -> bool:
    """Say whether two entries are adjacent pieces of one turn, item and channel."""
    a, b = left.event, right.event
    return (
        isinstance(a, TurnDelta)
        and isinstance(b, TurnDelta)
        and left.to + 1 == right.offset
        and (a.turn, a.item, a.channel) == (b.turn, b.item, b.channel)
    )


def merge_entries(entries: Iterable[Entry], limit_bytes: int) -> tuple[Entry, ...]:
    """Merge whole neighbouring entries wherever `can_merge` allows it (rule 4 of the protocol).

    Args:
        entries: in order of offsets.
        limit_bytes: of UTF-8 text in one merged entry; one that was larger before stays alone.

    Returns:
        The same offsets and the same text in as few entries.
    """
    merged: list[Entry] = []
    run: list[Entry] = []
    size = 0
    for entry in entries:
        length = len(entry.event.text.encode()) if isinstance(entry.event, TurnDelta) else 0
        if run and can_merge(run[-1], entry) and size + length <= limit_bytes:
            run.append(entry)
            size += length
        else:
            _close(merged, run)
            run, size = [entry], length
    _close(merged, run)
    return tuple(merged)


def _close(merged: list[Entry], run: list[Entry]) -> None:
    if len(run) < 2:
        merged.extend(run)
        return
    text = "".join(entry.event.text for entry in run if isinstance(entry.event, TurnDelta))
    event = run[0].event
    assert isinstance(event, TurnDelta)  # only deltas make a run of two
    merged.append(Entry(run[0].offset, run[-1].to, run[0].at, evolve(event, text=text)))

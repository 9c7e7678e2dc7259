"""What of a thread a reader may be shown: its events as they were written, or merged ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    from ...core.event_codec import Row
    from ..history import History, Logged

# What pieces of text have in common where they are merged.
_SAME: Final = ("turn", "item", "channel")


def is_on_disk(history: History, thread: str, epoch: int, row: Row) -> bool:
    """Say whether a row is an event that was written, or some pieces of one text, merged."""
    parts: list[Logged] = []
    offset = row.offset
    while offset <= row.to:
        part = history.at.get((thread, epoch, offset))
        if part is None:
            return False
        parts.append(part)
        offset = part.row.to + 1
    return parts[0].row == row or _merged(parts) == _merged_fields(row)


def _merged(parts: list[Logged]) -> tuple[object, ...]:
    first = parts[0].raw
    text = "".join(part.raw.get("text", "\0") for part in parts)
    same = {tuple(part.raw.get(field) for field in _SAME) for part in parts}
    return (len(same), *(first.get(field) for field in _SAME), text)


def _merged_fields(row: Row) -> tuple[object, ...]:
    raw = orjson.loads(row.body)
    return (1, *(raw.get(field) for field in _SAME), raw.get("text"))

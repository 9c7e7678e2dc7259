"""I5: who came, and went or was lost, leaves no trace: at rest a roll names those who are there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...delivery.batches import Presence
from ..facts import AtRest, Attached
from ..schedule import TICK
from .broken import Broken

if TYPE_CHECKING:
    from ..history import Call, History


def rolls_are_true(history: History) -> Iterator[Broken]:
    """Find those who were told last that others are there than are, or never told at all."""
    for rest, record in history.of(AtRest):
        for thread, kind in history.kinds.items():
            if kind.presence and not _has_just_left(history, thread, record.life, rest):
                there = [*_attached(history, thread, record.life, rest)]
                wanted = Counter(call.principal for call in there)
                for call in there:
                    yield from _told(history, call, rest, wanted)


def _has_just_left(history: History, thread: str, life: int, rest: int) -> bool:
    """Say whether somebody is still counted who may be back: their credentials ran out, say."""
    limits = history.lives[life].limits
    held_back = limits.presence_seconds + limits.presence_window_seconds
    since = history.records[rest].at - held_back - TICK
    return any(
        history.calls[number].thread == thread and history.records[index].at >= since
        for number, index in history.left.items()
        if index < rest and number in history.calls
    )


def _attached(history: History, thread: str, life: int, rest: int) -> Iterator[Call]:
    """Yield the attachments that there are to a thread, as it was before a record."""
    for call in history.calls.values():
        here = (call.thread, call.life) == (thread, life) and isinstance(call.answer, Attached)
        if here and (call.over or 0) < rest <= history.left.get(call.number, rest):
            yield call


def _told(history: History, call: Call, rest: int, wanted: Counter[str]) -> Iterator[Broken]:
    seen = (saw.batch for index, saw in history.seen[call.number] if index < rest)
    rolls = [batch.roll for batch in seen if isinstance(batch, Presence)]
    told = Counter({each.principal: each.count for each in rolls[-1].attendees} if rolls else {})
    if told != wanted or rolls[-1].total != len(wanted):
        message = f"subscriber {call.number} was told that {dict(told)} are there, not {wanted}"
        yield Broken("I5", message.replace("Counter", ""), rest)

"""I18: one connection's commands to a thread are decided in the order in which they were sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from ...core.effects import RecordReceipt, Submitted, Truncated
from ..wire_facts import Sent
from .broken import Broken

if TYPE_CHECKING:
    from ...core.position import Position
    from ..history import Call, History


def decided_in_order(history: History) -> Iterator[Broken]:
    """Find commands that stand in the log before one that was sent before them."""
    lines: defaultdict[tuple[int, str], list[tuple[Call, Position]]] = defaultdict(list)
    for _, record in history.of(Sent):
        if isinstance(record.fact, Sent):
            call = history.calls[record.fact.call]
            decided = _decided_at(call)
            if decided is not None:
                lines[record.fact.connection, call.thread].append((call, decided))
    for line in lines.values():
        for (first, at), (second, before) in pairwise(line):
            if before < at:
                message = (
                    f"call {second.number} stands at {before.cursor()}, and call {first.number},"
                    f" sent before it on one connection, at {at.cursor()}"
                )
                yield Broken("I18", message, max(first.over or 0, second.over or 0))


def _decided_at(call: Call) -> Position | None:
    """Return where a command stands in the log; a cancel's answer says where it was settled."""
    match call.answer:
        case Submitted(duplicate=False) | RecordReceipt(duplicate=False) | Truncated() as answer:
            return answer.position
        case _:
            return None

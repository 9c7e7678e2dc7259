"""History told anew: the events that its items are the outcome of, as far as items tell them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from attrs import frozen

from ..limits import DEFAULT_LIMITS, Limits
from .events import (
    Entry,
    Event,
    Recorded,
    TurnDelta,
    TurnEnded,
    TurnItem,
    TurnStarted,
    TurnSubmitted,
)
from .items import Item
from .turn_lifecycle import TurnState

# An event and when it was, before it has a place.
Told: TypeAlias = tuple[Event, float]


@frozen
class Part:
    """A settled turn, or a record, as its items tell it.

    Args:
        items: its message first; of a record that alone.
        state: how it ended; None where only its marker, or that there is none, says so.
        ended_at: Unix seconds; None where nothing but its last item says so.
        ran: whether it was ever started; None where only its items say so.
    """

    items: tuple[Item, ...]
    state: TurnState | None = None
    ended_at: float | None = None
    ran: bool | None = None

    def told(self, limits: Limits = DEFAULT_LIMITS) -> Iterator[Told]:
        """Return its events, as far as its items tell them.

        Args:
            limits: a text above `piece_bytes` becomes several events.
        """
        first, last = self.items[0], self.items[-1]
        if first.turn is None:
            yield Recorded(first.item, first.body["record"], first.body["data"]), first.at
            return
        ended = _ending(first.turn, self.state, last)
        yield from tell_turn(self.items, limits, started=self._ran(ended))
        yield ended, last.at if self.ended_at is None else self.ended_at

    def _ran(self, ended: TurnEnded) -> bool:
        if self.ran is not None:
            return self.ran
        said_something = any(item.kind not in ("message", "marker") for item in self.items)
        return said_something or ended.state in (TurnState.COMPLETED, TurnState.TIMED_OUT)


def place_events(told: Iterable[Told], offset: int) -> Iterator[Entry]:
    """Give events one offset each, from `offset` on."""
    return (Entry(n, n, at, event) for n, (event, at) in enumerate(told, offset))


def tell_turn(
    items: Iterable[Item], limits: Limits = DEFAULT_LIMITS, *, started: bool
) -> Iterator[Told]:
    """Return the events of a turn, up to its ending, as far as its items tell them.

    Args:
        items: of one turn, its message first; a marker is passed over.
        limits: a text above `piece_bytes` becomes several events.
        started: whether it ever ran.
    """
    for item in items:
        turn, body = item.turn or "", item.body
        match item.kind:
            case "message":
                told = body["content"], body["author"]
                attached = body.get("attachments")
                yield TurnSubmitted(turn, item.item, *told, attachments=attached), item.at
                if started:
                    yield TurnStarted(turn, attempt=1), item.at
            case "answer" | "reasoning":
                channel = "reasoning" if item.kind == "reasoning" else None
                for text in _pieces(body["text"], limits.piece_bytes):
                    yield TurnDelta(turn, item.item, text, channel), item.at
            case "marker":
                pass
            case "tool_call" | "tool_result":
                yield TurnItem(turn, item.item, item.kind, dict(body)), item.at
            case _:
                yield TurnItem(turn, item.item, item.kind, body["data"]), item.at


def _ending(turn: str, state: TurnState | None, last: Item) -> TurnEnded:
    if last.kind != "marker":
        return TurnEnded(turn, state or TurnState.COMPLETED)
    shown = state or TurnState(last.body["reason"])
    return TurnEnded(turn, shown, last.item, message=last.body.get("message"))


def _pieces(text: str, size: int) -> Iterator[str]:
    """Cut a text into pieces of `size` bytes or a character more, so that none is cut in two."""
    encoded = text.encode()
    start = 0
    while start < len(encoded):
        end = start + size
        while end < len(encoded) and encoded[end] & 0xC0 == 0x80:
            end += 1
        yield encoded[start:end].decode()
        start = end

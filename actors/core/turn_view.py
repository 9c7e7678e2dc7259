"""A turn's items as its events build them up: one fold for the live turn and for settled ones."""

from __future__ import annotations

from typing import TypeAlias

from attrs import evolve

from .events import Entry, TurnDelta, TurnEnded, TurnItem, TurnStarted, TurnSubmitted
from .items import Item, item_owner
from .turn_lifecycle import TurnState
from .value import value

# Text that grew piece by piece: (all before, the last piece). Appending costs the same however long
# the text is, and a state that holds an earlier version keeps it.
Pieces: TypeAlias = "tuple[Pieces, str] | None"


def join_pieces(pieces: Pieces) -> str:
    """Return the text that the pieces make."""
    backwards: list[str] = []
    while pieces is not None:
        pieces, last = pieces
        backwards.append(last)
    return "".join(reversed(backwards))


@value
class GrowingText:
    """An answer or a piece of reasoning that deltas are still adding to."""

    item: str
    kind: str
    at: float
    pieces: Pieces


@value
class TurnView:
    """What a turn has said so far.

    Args:
        message: the user's message as an item.
        said: the items of this attempt, in the order in which they began.
        numbered: the number that the turn's next item gets.
    """

    message: Item
    said: tuple[Item | GrowingText, ...] = ()
    numbered: int = 1

    def items(self) -> tuple[Item, ...]:
        """Return all its items, the message first."""
        return (self.message, *(_finished(self.message.turn, item) for item in self.said))


def _finished(turn: str | None, item: Item | GrowingText) -> Item:
    if isinstance(item, Item):
        return item
    return Item(item.item, item.kind, item.at, turn, {"text": join_pieces(item.pieces)})


def view_of_submitted(event: TurnSubmitted, at: float) -> TurnView:
    """Begin the view of a turn with its message."""
    body = {"content": event.content, "author": event.author}
    if event.attachments is not None:
        body["attachments"] = event.attachments
    return TurnView(Item(event.item, "message", at, event.turn, body))


def see(view: TurnView, entry: Entry) -> TurnView:
    """Return the view after one more event of its turn."""
    match entry.event:
        case TurnDelta():
            return _see_delta(view, entry.event, entry.at)
        case TurnItem(turn=turn, item=item, kind=kind, data=data):
            body = data if kind in ("tool_call", "tool_result") else {"data": data}
            return _add(view, Item(item, kind, entry.at, turn, body))
        case TurnEnded():
            return _see_ending(view, entry.event, entry.at)
        case TurnStarted():
            # Another attempt voids what the one before it said; ids are never used again.
            return evolve(view, said=())
        case _:
            return view


def _see_delta(view: TurnView, event: TurnDelta, at: float) -> TurnView:
    last = view.said[-1] if view.said else None
    if isinstance(last, GrowingText) and last.item == event.item:
        grown = GrowingText(last.item, last.kind, last.at, (last.pieces, event.text))
        return TurnView(view.message, (*view.said[:-1], grown), view.numbered)
    kind = "reasoning" if event.channel == "reasoning" else "answer"
    return _add(view, GrowingText(event.item, kind, at, (None, event.text)))


def _add(view: TurnView, item: Item | GrowingText) -> TurnView:
    _, number = item_owner(item.item)
    return TurnView(view.message, (*view.said, item), max(view.numbered, number + 1))


def _see_ending(view: TurnView, event: TurnEnded, at: float) -> TurnView:
    if event.item is None:
        return view
    body = {"reason": str(event.state)}
    if event.state is TurnState.FAILED and event.message is not None:
        body["message"] = event.message
    return _add(view, Item(event.item, "marker", at, event.turn, body))

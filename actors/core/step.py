"""A decision worked out: rows at their places, the state after them, what the journal gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .apply import apply
from .effects import Effect
from .event_codec import Row, encode
from .events import Entry, Recorded, ThreadDeleted, TurnDelta, TurnEnded
from .head import Cut, Receipt, Settled
from .items import item_owner
from .position import Position
from .projections import record_item
from .thread_state import ThreadState
from .turn_view import TurnView, see
from .value import value

if TYPE_CHECKING:
    from .decide import Decision


@value
class Step:
    """One decision, applied.

    Args:
        state: the thread after it.
        rows: what is appended; empty where the decision only answers.
        effects: what to do once that is durable.
        settled, receipts, cut, deletes: as in `Append`.
        ended: the terminal events among the rows, with the offset of each.
    """

    state: ThreadState
    rows: tuple[Row, ...] = ()
    effects: tuple[Effect, ...] = ()
    settled: tuple[Settled, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    cut: Cut | None = None
    deletes: bool = False
    ended: tuple[tuple[TurnEnded, int], ...] = ()

    @property
    def changes_history(self) -> bool:
        """Whether what is settled is another after it."""
        return bool(self.settled) or self.cut is not None or self.deletes

    @property
    def last(self) -> Position:
        """The position of the step's last event, in the life that it belongs to."""
        epoch = self.state.epoch - 1 if self.deletes else self.state.epoch
        return Position(epoch, self.rows[-1].to if self.rows else self.state.offset)


def take_step(state: ThreadState, decision: Decision, now: float) -> Step:
    """Give each event its offset, and work out what it does to the state and to history.

    Args:
        state: the thread before.
        decision: what `decide` made of a command in that state.
        now: Unix seconds, the `at` of every event.
    """
    rows: list[Row] = []
    settled: list[Settled] = []
    ended: list[tuple[TurnEnded, int]] = []
    deletes = False
    for event, width in decision.events:
        entry = Entry(state.offset + 1, state.offset + width, now, event)
        if not isinstance(event, TurnDelta):  # the rule while a turn runs
            part = _settles(state, entry)
            if part is not None:
                settled.append(part)
            if isinstance(event, TurnEnded):
                ended.append((event, entry.offset))
            deletes = deletes or isinstance(event, ThreadDeleted)
        rows.append(encode(entry))
        state = apply(state, entry)
    return Step(
        state,
        tuple(rows),
        decision.effects,
        tuple(settled),
        decision.receipts,
        decision.cut,
        deletes,
        tuple(ended),
    )


def _settles(state: ThreadState, entry: Entry) -> Settled | None:
    """Return the part of history that an entry settles in the state before it."""
    event = entry.event
    if isinstance(event, Recorded):
        item = record_item(event, entry.at)
        place = entry.offset
        owner, _ = item_owner(event.item)
        return Settled(place, owner, place, place, entry.at, None, (item,))
    if not isinstance(event, TurnEnded):
        return None
    if state.live is not None and state.live.turn == event.turn:
        return _settled_turn(event, entry, state.live.place, state.live.first, state.live.view)
    queued = state.queued(event.turn)
    if queued is None:
        return None  # `apply` refuses such an event
    return _settled_turn(event, entry, entry.offset, queued.first, queued.view)


def _settled_turn(
    event: TurnEnded, entry: Entry, place: int, first: int, view: TurnView
) -> Settled:
    items = () if event.rolled_back else see(view, entry).items()
    return Settled(place, event.turn, first, entry.offset, entry.at, event.state, items)

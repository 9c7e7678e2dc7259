"""Taking a snapshot: settled history from the journal, live turns from the published state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.apply import restore
from ..core.event_codec import decode
from ..core.folds import attributes
from .batches import Snapshot, TurnItems
from .folding import read_folded

if TYPE_CHECKING:
    from ..core.folds import Folded
    from ..core.thread_state import ThreadState
    from ..journal.contract import HistoryPage, Journal
    from ..limits import Limits
    from .tail import Tail


async def shown_state(tail: Tail, journal: Journal) -> ThreadState:
    """Return the durable state of a thread, reading it where no activation has published it.

    Activates nothing and changes nothing (I5), cancelled or not. Raises as `Journal.load`.
    """
    while tail.state is None:
        forgotten = tail.forgotten
        loaded = await journal.load(tail.thread)
        # An activation may have published meanwhile; what it says is newer. And where one failed,
        # it may have written what this does not have, and would never tell.
        if tail.state is None and tail.forgotten == forgotten:
            tail.state = restore(loaded.head, (decode(row) for row in loaded.rows))
    return tail.state


async def _state_and_fold(
    tail: Tail, journal: Journal, limits: Limits
) -> tuple[ThreadState, Folded]:
    """Return the durable state of a thread, and what its projections come to there.

    Activates nothing and changes nothing (I5), cancelled or not. Raises as `Journal.load`, and
    `Rejected`, `internal`, where the thread's kind cannot be told.
    """
    while True:
        state = await shown_state(tail, journal)
        if tail.folded is not None:
            return state, tail.folded
        projections = tail.projections()
        kept = (await journal.load(tail.thread)).kept if projections else None
        folded, _ = await read_folded(tail.thread, projections, kept, journal, limits)
        # Nobody has published meanwhile, so there is nothing behind that state to be folded in.
        if tail.state is state and tail.folded is None:
            tail.folded = folded


async def take_snapshot(tail: Tail, journal: Journal, window: int, limits: Limits) -> Snapshot:
    """Show a thread at one position; the cost goes by the window and the live turn alone.

    Args:
        tail: the thread's tail.
        journal: where its history is.
        window: how many settled items, at most `limits.window_items_max`; 0 shows none.
        limits: `page_bytes` bounds the items as well.

    Raises:
        JournalCorrupt, JournalUnavailable: as the journal does.

    Cancellation changes nothing.
    """
    while True:
        state, folded = await _state_and_fold(tail, journal, limits)
        # Bounded by place, so that what settles during the read is not there already.
        page = await journal.history(tail.thread, state.settled, max(window, 1), limits.page_bytes)
        if _agree(page, state):
            break
        if tail.state is state:  # what makes the difference is durable and yet to be published
            await tail.moved()
    return Snapshot(
        thread=tail.thread,
        position=state.position,
        items=page.items if window else (),
        before=page.before if window else None,
        turn=_live(state),
        queue=tuple(TurnItems(queued.turn, 0, queued.view.items()) for queued in state.queue),
        attributes=attributes(tail.projections(), folded, limits.attribute_bytes),
    )


def _agree(page: HistoryPage, state: ThreadState) -> bool:
    """Say whether nothing between a state and a page would be missing of the two, or in both."""
    live = state.live
    # Others settle behind the bound; only a live turn may have begun before what settled last.
    overtaken = live is not None and live.place <= state.settled and page.head.live != live.turn
    return (page.head.epoch, page.head.floor) == (state.epoch, state.floor) and not overtaken


def _live(state: ThreadState) -> TurnItems | None:
    if state.live is None:
        return None
    return TurnItems(state.live.turn, state.live.attempt, state.live.view.items())

"""How a turn ends, for whoever waits for that and does not watch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .actor.reply import thread_failed
from .core.arguments import is_text
from .core.events import TurnEnded
from .core.refusals import no_such_turn
from .delivery.batches import Batch, Detached, Events, Snapshot

if TYPE_CHECKING:
    from .actor.registry import Registry
    from .core.head import Settled


async def wait_outcome(registry: Registry, thread: str, turn: str) -> Settled:
    """Wait until a turn has ended; see `Thread.outcome`, which raises and is cancelled alike."""
    if not is_text(turn):  # no journal is to look for it
        raise no_such_turn()
    subscription = registry.subscribe(thread, None)  # who waits is not there to watch
    try:
        await subscription.attach(None, 0)
        async for batch in subscription:
            # Of a thread that was set aside nothing more is to be expected.
            if _has_ended(batch, turn) or registry.is_failed(thread):
                break
    finally:
        subscription.close()
    found = await registry.journal.settled(thread, turn)
    if found is None and registry.is_failed(thread):
        raise thread_failed()
    if found is None:
        raise no_such_turn()
    return found


def _has_ended(batch: Batch, turn: str) -> bool:
    """Say whether a batch shows that a turn is not, or no longer, live or queued."""
    if isinstance(batch, Snapshot):
        live = (batch.turn,) if batch.turn is not None else ()
        return turn not in {open_turn.turn for open_turn in (*live, *batch.queue)}
    if isinstance(batch, Events):
        events = (entry.event for entry in batch.entries)
        return any(isinstance(event, TurnEnded) and event.turn == turn for event in events)
    return isinstance(batch, Detached)

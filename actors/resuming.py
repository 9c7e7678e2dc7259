"""Going on with a thread, or with a new one when it has been quiet for too long.

A thread of the owner's, under the owner's own id, says which one is current: each change is a
record in it. The change is made under a key that names the record before it, so of two callers one
wins and the other goes on with the winner's (I8); and what became of the old thread follows from
that thread itself, so a crash between two steps leaves nothing half done.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from attrs import frozen

from .core.arguments import shown
from .core.commands import FINALISING
from .core.head import Life
from .errors import Rejected
from .handles import Thread

if TYPE_CHECKING:
    from .core.head import Head
    from .core.items import Item
    from .runtime import Runtime

# The kind of the records that say which thread is current.
CURRENT: Final = "current"
# Whoever asks, the index is one: a key belongs to a principal as well.
_INDEXER: Final = "holdfast"


@frozen
class Resumption:
    """What to go on with.

    Args:
        thread: the current one; one that nobody wrote to yet is not there.
        resumed: whether it was current before.
        replaced: the one that was current and is no longer; None on resuming and the first time.
    """

    thread: Thread
    resumed: bool
    replaced: str | None = None


async def resume_or_new(
    runtime: Runtime, owner: str, *, window: float = 120.0, principal: str | None = None
) -> Resumption:
    """Return the owner's current thread, or a new one where that was quiet for `window` or longer.

    A thread that a new one replaces is finalised, see `Thread.finalise`; one without content is
    removed. A thread in which a turn runs or waits is not quiet, and one that was finalised is
    never resumed.

    Args:
        runtime: an open one.
        owner: the id of the thread that says which one is current, at most 100 characters; new
            threads have ids that begin with it and a dot.
        window: seconds since the last activity; 0 never resumes, infinity always does.
        principal: who speaks through the handle that is returned, and asks for finalising; by
            default the owner.

    Raises:
        ValueError: for an owner that is no thread id, a principal that is no text, or a window
            below 0.
        Rejected: what every command may raise. To call again is safe.
        JournalCorrupt, JournalUnavailable: as the journal does.

    A cancelled call may have done some of it; to call again is safe.
    """
    who = owner if principal is None else principal
    runtime.thread(owner, who)  # checks both
    if len(owner) > 100:
        raise ValueError(f"an owner has at most 100 characters, not {len(owner)}")
    if not isinstance(window, int | float) or not 0.0 <= window <= math.inf:
        raise ValueError(f"the window of an owner is 0 seconds or more, not {shown(window)}")
    while True:
        current = await _current(runtime, owner)
        if current is not None and await _is_recent(runtime, current, window):
            return Resumption(runtime.thread(current.body["data"]["thread"], who), resumed=True)
        old = current.body["data"]["thread"] if current is not None else None
        if old is not None:
            await _retire(runtime.thread(old, who))
        new = f"{owner}.{runtime.ids.fresh('c')}"
        if await _make_current(runtime, owner, new, current):
            return Resumption(runtime.thread(new, who), resumed=False, replaced=old)


async def _current(runtime: Runtime, owner: str) -> Item | None:
    """Return the newest record that names a current thread."""
    before = None
    while True:
        page = await runtime.thread(owner).history(before)
        if page.head.life is Life.ABSENT:
            return None
        for item in reversed(page.items):
            if item.kind == "record" and item.body["record"] == CURRENT:
                return item
        if page.before is None:
            return None
        before = page.before


async def _is_recent(runtime: Runtime, current: Item, window: float) -> bool:
    thread = current.body["data"]["thread"]
    head = await _head(runtime.thread(thread))
    if await runtime.registry.journal.settled(thread, FINALISING) or FINALISING in head.unsettled:
        return False
    # Nothing may have been written to it since it became current.
    last = max(head.active_at, current.at)
    return bool(head.unsettled) or runtime.registry.around.clock.now() - last < window


async def _retire(thread: Thread) -> None:
    if not await thread.delete(unless_used=True) and (await _head(thread)).life is not Life.ABSENT:
        await thread.finalise()


async def _head(thread: Thread) -> Head:
    return (await thread.history(limit=1)).head


async def _make_current(runtime: Runtime, owner: str, new: str, current: Item | None) -> bool:
    """Record the new thread as current; False where somebody else was faster."""
    index = runtime.thread(owner, _INDEXER)
    after = current.item if current is not None else "nothing"
    try:
        await index.record(CURRENT, {"thread": new}, key=f"{CURRENT} after {after}")
    except Rejected as refusal:
        if refusal.code != "idempotency_conflict":
            raise
        return False
    return True

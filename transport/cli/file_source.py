"""Threads read from a journal's file."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager

from attrs import frozen

from actors import Head, Item, Journal, Life, Rejected, Summary, TurnItems
from actors.core.apply import restore
from actors.core.event_codec import decode
from actors.limits import DEFAULT_LIMITS
from actors.transfer import export_thread

from .sources import Exported, Listed, View


@frozen
class FileSource:
    """A `Source` that reads a journal which nobody else writes to."""

    journal: Journal

    async def threads(self) -> AsyncGenerator[Listed, None]:
        """Yield every thread; see `Source.threads`."""
        after: str | None = None
        while True:
            page = await self.journal.summaries(after, DEFAULT_LIMITS.page_items_max)
            for summary in page.summaries:
                head = summary.head
                yield Listed(summary.thread, head.activity, head.active_at, head.items)
            after = page.after
            if after is None:
                return

    async def view(self, thread: str, last: int | None) -> View:
        """Return a thread; see `Source.view`."""
        loaded = await self.journal.load(thread)
        _check_there(thread, loaded.head)
        state = restore(loaded.head, map(decode, loaded.rows))
        live = state.live
        turn = TurnItems(live.turn, live.attempt, live.view.items()) if live is not None else None
        queue = tuple(TurnItems(queued.turn, 0, queued.view.items()) for queued in state.queue)
        items = await self._items(thread, last)
        return View(thread, loaded.head.position.cursor(), items, turn, queue)

    async def _items(self, thread: str, last: int | None) -> tuple[Item, ...]:
        pages: list[tuple[Item, ...]] = []
        before, left = None, last
        while left is None or left > 0:
            most = DEFAULT_LIMITS.page_items_max
            want = most if left is None else min(left, most)
            page = await self.journal.history(thread, before, want, DEFAULT_LIMITS.page_bytes)
            pages.append(page.items)
            left = None if left is None else left - len(page.items)
            before = page.before
            if before is None:
                break
        return tuple(item for items in reversed(pages) for item in items)

    @asynccontextmanager
    async def export(self, thread: str) -> AsyncGenerator[Exported, None]:
        """Yield a thread's events; see `Source.export`."""
        head = (await self.journal.load(thread)).head
        _check_there(thread, head)
        async with aclosing(export_thread(self.journal, Summary(thread, head))) as rows:
            yield Exported(head.offset, rows)


def _check_there(thread: str, head: Head) -> None:
    if head.life is Life.ABSENT:
        raise Rejected("thread_not_found", f"there is no thread {thread}")

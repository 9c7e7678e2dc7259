"""Threads read from a running server, over the protocol that every client speaks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from itertools import groupby
from typing import Final

import trio
from attrs import frozen

from actors import Events, Position, PositionUnrecoverable, Rejected, Row, Snapshot
from actors.core.event_codec import encode
from actors.core.events import ThreadCreated
from actors.core.telling import Part, Told, place_events, tell_turn
from actors.limits import DEFAULT_LIMITS

from ..client import Client
from ..connecting import connect
from ..connector import ConnectionState, ConnectionStatus
from .failures import CommandFailed
from .sources import Exported, Listed, View

# Seconds for a server to be reached, and then for each of its answers.
ANSWER_SECONDS: Final = 30.0


@asynccontextmanager
async def connect_source(url: str) -> AsyncGenerator[ServerSource, None]:
    """Connect to a server.

    Raises:
        CommandFailed: the URL is none, or nothing answers there.
    """
    try:
        async with connect(url) as client:
            await reach(client, url)
            yield ServerSource(client)
    except trio.TooSlowError as exc:
        raise CommandFailed(f"the server at {url} does not answer any more") from exc


async def reach(client: Client, url: str) -> None:
    """Wait until a client is connected, and give up where the first attempt fails.

    Raises:
        CommandFailed: nothing answers there.
        ClientClosed: the server does not want this client.
    """
    with trio.move_on_after(ANSWER_SECONDS) as scope:

        def changed(status: ConnectionStatus) -> None:
            if status.state is ConnectionState.RECONNECTING:
                scope.cancel()

        client.on_connection(changed)
        await client.opened()
        return
    reason = client.connection.reason or "no answer"
    raise CommandFailed(f"cannot reach a server at {url}: {reason}. Is `holdfast serve` running?")


@frozen
class ServerSource:
    """A `Source` that asks a server."""

    client: Client

    async def threads(self) -> AsyncGenerator[Listed, None]:
        """Yield every thread; see `Source.threads`."""
        after: str | None = None
        while True:
            with trio.fail_after(ANSWER_SECONDS):
                page = await self.client.threads(after, DEFAULT_LIMITS.page_items_max)
            for summary in page.threads:
                yield Listed(summary.thread, summary.state, summary.active_at, summary.items)
            after = page.after
            if after is None:
                return

    async def view(self, thread: str, last: int | None) -> View:
        """Return a thread; see `Source.view`."""
        most = DEFAULT_LIMITS.window_items_max
        snapshot = await self._snapshot(thread, most if last is None else min(last, most))
        return await self._view_from(snapshot, last)

    async def _snapshot(self, thread: str, window: int) -> Snapshot:
        async with self.client.attach(thread, window=window) as stream:
            snapshot = await _next(stream)
        if not isinstance(snapshot, Snapshot) or snapshot.position.offset == 0:
            raise Rejected("thread_not_found", f"there is no thread {thread}")
        return snapshot

    async def _view_from(self, snapshot: Snapshot, last: int | None) -> View:
        pages = [snapshot.items]
        count, before = len(snapshot.items), snapshot.before
        most = DEFAULT_LIMITS.page_items_max
        while before is not None and (last is None or count < last):
            limit = most if last is None else min(last - count, most)
            with trio.fail_after(ANSWER_SECONDS):
                page = await self.client.history(snapshot.thread, before, limit)
            pages.append(tuple(page.items))
            count, before = count + len(page.items), page.before
        items = tuple(item for items in reversed(pages) for item in items)
        return View(snapshot.thread, snapshot.cursor, items, snapshot.turn, snapshot.queue)

    @asynccontextmanager
    async def export(self, thread: str) -> AsyncGenerator[Exported, None]:
        """Yield a thread's events; see `Source.export`.

        Where its first events are gone, by a truncation, its items are told as events instead.
        """
        head = (await self._snapshot(thread, 1)).position
        beginning = Position(head.epoch, 0).cursor()
        async with self.client.attach(thread, beginning) as stream:
            first = await _next(stream)
            if isinstance(first, Snapshot):
                told = list(_told(await self._view_from(first, None)))
                async with aclosing(_each(told)) as rows:
                    yield Exported(len(told), rows)
            else:
                async with aclosing(rows_until_head(first, stream, head)) as rows:
                    yield Exported(head.offset, rows)


async def _next(stream: AsyncIterator[object]) -> object:
    with trio.fail_after(ANSWER_SECONDS):
        return await anext(stream)


async def rows_until_head(
    first: object, rest: AsyncIterator[object], head: Position
) -> AsyncGenerator[Row, None]:
    """Yield the rows of a stream up to a head, and none behind it.

    Args:
        first: the batch that came first.
        rest: those that follow.
        head: where to end.

    Raises:
        PositionUnrecoverable: the thread was truncated, compacted at its head, or deleted.
        trio.TooSlowError: nothing came for `ANSWER_SECONDS` seconds.
    """
    offset, batch = 0, first
    while True:
        if not isinstance(batch, Events):
            raise PositionUnrecoverable("truncated")
        for row in batch.rows:
            if row.offset <= head.offset:
                offset = row.to
                yield row
        if offset >= head.offset:
            return
        batch = await _next(rest)


def _told(view: View) -> Iterator[Row]:
    """Return the events that a thread's items tell, from offset 1 on."""
    return (encode(entry) for entry in place_events(_events(view), 1))


def _events(view: View) -> Iterator[Told]:
    live = view.turn.items if view.turn is not None else ()
    first = next(iter((*view.items, *live)), None)
    yield ThreadCreated(), first.at if first is not None else 0.0
    for _, items in groupby(view.items, key=lambda item: item.turn or item.item):
        yield from Part(tuple(items)).told()
    if view.turn is not None:
        yield from tell_turn(view.turn.items, started=True)
    for queued in view.queue:
        yield from tell_turn(queued.items, started=False)


async def _each(rows: list[Row]) -> AsyncGenerator[Row, None]:
    for row in rows:
        yield row

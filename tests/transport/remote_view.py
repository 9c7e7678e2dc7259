"""What a client's reader was given of a thread, and what there was to give."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from attrs import define, field

from actors import Batch, Entry, Events, Position, Runtime, Snapshot, TurnDelta, TurnEnded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transport import Client

BEGINNING = Position(1, 0).cursor()


@define
class View:
    """What a reader was given of a thread.

    Attributes:
        base: the offset of the snapshot that it began with; everything is retained here, so there
            is no other.
        at: the offset up to which it was given everything.
    """

    base: int | None = None
    at: int = 0
    entries: list[Entry] = field(factory=list)
    news: trio.Event = field(factory=trio.Event)

    async def watch(self, client: Client, thread: str, cursor: str | None) -> None:
        self.base = 0 if cursor else None
        async with client.attach(thread, cursor) as subscription:
            async for batch in subscription:
                self.take(batch)
                assert subscription.cursor == batch.cursor
                self.news.set()
                self.news = trio.Event()

    def take(self, batch: Batch) -> None:
        if isinstance(batch, Snapshot):
            assert self.base is None, "a second snapshot"
            self.base = self.at = batch.position.offset
            return
        assert self.base is not None
        for entry in batch.entries if isinstance(batch, Events) else ():
            assert entry.offset == self.at + 1, "a gap or a repeat"
            self.entries.append(entry)
            self.at = entry.to
        assert batch.position == Position(1, self.at)

    async def until(self, offset: int) -> None:
        while self.at != offset:
            await self.news.wait()

    async def until_said(self, text: str) -> None:
        while not any(text in said for said in told(self.entries)[1].values()):
            await self.news.wait()

    async def until_ended(self, turns: Iterable[str]) -> None:
        while not set(turns) <= {
            e.event.turn for e in self.entries if isinstance(e.event, TurnEnded)
        }:
            await self.news.wait()


def told(entries: Iterable[Entry]) -> tuple[list[Entry], dict[str, str]]:
    """Return the events that are no deltas, and the text of every item."""
    texts: dict[str, str] = {}
    others: list[Entry] = []
    for entry in entries:
        if isinstance(entry.event, TurnDelta):
            texts[entry.event.item] = texts.get(entry.event.item, "") + entry.event.text
        else:
            others.append(entry)
    return others, texts


async def everything(runtime: Runtime, thread: str) -> list[Entry]:
    """Return the thread's events as the runtime itself has them."""
    entries: list[Entry] = []
    async with runtime.thread(thread).attach(BEGINNING) as subscription:
        while (batch := await subscription.pull()) is not None:
            if isinstance(batch, Events):
                entries += batch.entries
    return entries

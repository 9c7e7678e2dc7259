"""Commits of all threads: one task takes what is decided to the journal, many threads at a time.

The rule of its batches: a commit begins as soon as somebody has something to commit and no other
is under way, so nothing waits when idle. What is decided meanwhile, in whatever thread, goes into
the next one. Where a commit carried many appends, the next one waits for as long as that one took,
and never for longer than `limits.commit_rest_seconds`: under load commits become fewer and larger,
and leave the loop and the disk half of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import trio

from ..sleeper import Sleeper

if TYPE_CHECKING:
    from ..journal.contract import Append, Journal
    from ..limits import Limits


class Author(Protocol):
    """Somebody who has something to commit. Both calls return at once and never raise."""

    def begin(self) -> Append | None:
        """Return what has come together, or None where that needs no commit."""
        ...

    def settle(self, wrong: Exception | None) -> None:
        """It is durable, or `wrong` says why not."""
        ...


class Commits:
    """The way of all threads to one journal.

    Its task is there from the first commit on, until `retire` is called. An author is asked for its
    append when the commit begins, not when it reports, so that what it says meanwhile goes along.

    Args:
        nursery: where the task runs.
        journal: where it all goes.
        limits: `commit_appends` go into one commit; `commit_load_appends` and `commit_rest_seconds`
            say when the next one waits; `commit_burst_threads` are served between two turns of the
            loop.
    """

    def __init__(self, nursery: trio.Nursery, journal: Journal, limits: Limits) -> None:
        self._nursery = nursery
        self._journal = journal
        self._limits = limits
        self._waiting: dict[Author, None] = {}
        self._running = False
        self._retired = False
        self._news = Sleeper()

    def add(self, author: Author) -> None:
        """Have an author's append go into the next commit, behind those that came earlier."""
        is_first = not self._waiting
        self._waiting[author] = None
        if not self._running:
            self._running = True
            self._nursery.start_soon(self._run)
        elif is_first:  # the task does not sleep while somebody waits
            self._news.wake()

    def retire(self) -> None:
        """Commit what waits and no more: another has the way to the journal from now on."""
        self._retired = True
        self._news.wake()

    @trio.lowlevel.enable_ki_protection
    async def _run(self) -> None:
        try:
            await self._commit_all()
            while not self._retired:
                await self._news.sleep()
                await self._commit_all()
        finally:
            self._running = False

    async def _commit_all(self) -> None:
        while self._waiting:
            authors, appends = self._gather()
            if appends:
                began = trio.current_time()
                await self._commit(authors, appends)
                if len(appends) >= self._limits.commit_load_appends:
                    await self._rest(trio.current_time() - began)

    def _gather(self) -> tuple[list[Author], list[Append]]:
        authors: list[Author] = []
        appends: list[Append] = []
        for author in list(self._waiting)[: self._limits.commit_appends]:
            del self._waiting[author]
            append = author.begin()
            if append is not None:
                authors.append(author)
                appends.append(append)
        return authors, appends

    async def _commit(self, authors: Sequence[Author], appends: Sequence[Append]) -> None:
        wrongs: Sequence[Exception | None]
        try:
            wrongs = await self._journal.append_many(appends)
        except Exception as exc:  # each of them is told, and fails alone
            wrongs = [exc] * len(appends)
        for number, (author, wrong) in enumerate(zip(authors, wrongs, strict=True), 1):
            author.settle(wrong)
            if number % self._limits.commit_burst_threads == 0:
                await trio.lowlevel.checkpoint()

    async def _rest(self, taken: float) -> None:
        await trio.sleep(min(taken, self._limits.commit_rest_seconds))

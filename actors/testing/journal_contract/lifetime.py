"""A journal is opened and closed, a thread appears and is deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from ...core.events import (
    ThreadDeleted,
)
from ...core.head import Head, Life
from ...errors import (
    JournalUnavailable,
)
from ..scripted_thread import ScriptedThread
from .kit import (
    LATER,
    PAGE,
    Check,
    Opener,
    item_ids,
    opened,
    raised,
)

if TYPE_CHECKING:
    from ...journal.contract import Journal


async def absent_thread(open_journal: Opener) -> None:
    """What was never there is absent, in the first epoch, and asking changes nothing (I5)."""
    async with opened(open_journal) as journal:
        nowhere = Head(epoch=journal.first_epoch)
        assert (await journal.load("t")).head == nowhere
        assert await journal.read("t", nowhere.position, PAGE) == ()
        page = await journal.history("t", None, 10, PAGE)
        assert (page.head, page.items, page.before) == (nowhere, (), None)
        assert await journal.settled("t", "a") is None
        assert await journal.receipt("t", "p", "k") is None
        assert (await journal.claim("t")).loaded.head == nowhere
        assert (await journal.summaries(None, 10)).summaries == ()
        assert await journal.unsettled() == ()
        assert journal.statistics().rows == 0


async def first_epoch_stays(open_journal: Opener) -> None:
    """The first epoch is the journal's, however often it is opened (I13)."""
    async with opened(open_journal) as journal:
        first = journal.first_epoch
        assert first >= 1
    async with opened(open_journal) as journal:
        assert journal.first_epoch == first


async def closed_journal(open_journal: Opener) -> None:
    """A journal that was closed, or failed, says so to every call."""
    journal = await open_journal()
    thread = await ScriptedThread.claim(journal, "t")
    await thread.submit("a")
    await journal.aclose()
    await journal.aclose()
    for call in (
        thread.start("a"),
        journal.claim("t"),
        journal.load("t"),
        journal.read("t", thread.state.position, PAGE),
        journal.history("t", None, 1, PAGE),
        journal.settled("t", "a"),
        journal.locate("t", None),
        journal.receipt("t", "p", "k"),
        journal.summaries(None, 1),
        journal.unsettled(),
        journal.compact(0.0, 0.0, 1),
    ):
        await raised(call, JournalUnavailable)
    journal.release("t", thread.generation)


async def closing_finishes(open_journal: Opener) -> None:
    """What is being appended when the journal is closed is there afterwards, or was refused."""
    journal = await open_journal()
    threads = [await ScriptedThread.claim(journal, f"t{n}") for n in range(20)]
    refused: set[str] = set()

    async def write(thread: ScriptedThread) -> None:
        try:
            await thread.submit("a")
        except JournalUnavailable:
            refused.add(thread.thread)

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for thread in threads:
                nursery.start_soon(write, thread)
            nursery.start_soon(journal.aclose)
    async with opened(open_journal) as journal:
        for thread in threads:
            there = (await journal.load(thread.thread)).head.offset == 2
            assert there or thread.thread in refused
            assert not there or thread.thread not in refused


async def deletion(open_journal: Opener) -> None:
    """What was deleted stays deleted; the id begins again, empty, in the next epoch (I13)."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        epoch = thread.state.epoch
        await thread.submit("a", key="k")
        await thread.start("a")
        await thread.end("a")
        await thread.record("r")
        await thread.write(ThreadDeleted())
        await _check_deleted(journal, epoch)
    async with opened(open_journal) as journal:
        await journal.compact(LATER, LATER, 10)
        await _check_deleted(journal, epoch)
        thread = await ScriptedThread.claim(journal, "t")
        await thread.turn("a", "again")
        assert await item_ids(journal, "t") == ["a.0", "a.1"]
        assert (await journal.load("t")).head.offset == 5
        await thread.write(ThreadDeleted())
        assert (await journal.load("t")).head == Head(epoch=epoch + 2)


async def _check_deleted(journal: Journal, epoch: int) -> None:
    loaded = await journal.load("t")
    assert loaded.head == Head(epoch=epoch + 1)
    assert loaded.head.life is Life.ABSENT
    assert (loaded.rows, loaded.receipts) == ((), ())
    assert await item_ids(journal, "t") == []
    assert await journal.settled("t", "a") is None
    assert await journal.receipt("t", "somebody", "k") is None
    assert (await journal.summaries(None, 10)).summaries == ()
    assert await journal.unsettled() == ()


async def deletion_beside_others(open_journal: Opener) -> None:
    """A deletion, and the next life's first events, touch no other thread."""
    async with opened(open_journal) as journal:
        threads = [await ScriptedThread.claim(journal, f"t{n}") for n in range(9)]
        for thread in threads:
            await thread.turn("a", "x")

        async def write(number: int, thread: ScriptedThread) -> None:
            if number % 3 == 0:
                await thread.write(ThreadDeleted())
            if number % 3 < 2:
                await thread.turn("b", "y")

        async with trio.open_nursery() as nursery:
            for number, thread in enumerate(threads):
                nursery.start_soon(write, number, thread)
        for number, thread in enumerate(threads):
            ids = await item_ids(journal, thread.thread)
            expected = (["b.0", "b.1"], ["a.0", "a.1", "b.0", "b.1"], ["a.0", "a.1"])
            assert ids == expected[number % 3]


CHECKS: Final[tuple[Check, ...]] = (
    absent_thread,
    first_epoch_stays,
    closed_journal,
    closing_finishes,
    deletion,
    deletion_beside_others,
)

"""Rows, receipts and listings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...core.events import (
    ThreadDeleted,
)
from ...core.position import Position
from ...core.turn_lifecycle import TurnState
from ...errors import (
    Rejected,
)
from ...limits import DEFAULT_LIMITS
from ..scripted_thread import ScriptedThread
from .kit import (
    Check,
    Opener,
    all_rows,
    opened,
    raised,
    refusal,
)

if TYPE_CHECKING:
    from ...core.head import Head, Receipt
    from ...journal.contract import Journal


async def pages_of_rows(open_journal: Opener) -> None:
    """A page is contiguous and no larger than asked, but that one row always fits (I3, I12)."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        await thread.turn("a", *("w" * (n * 37 % 200) for n in range(60)))
        start = Position(thread.state.epoch, 0)
        everything = await all_rows(journal, "t", start)
        assert [row.offset for row in everything] == list(range(1, thread.state.offset + 1))
        for limit in (1, 300, 1000, 5000):
            assert await all_rows(journal, "t", start, limit) == everything
            page = await journal.read("t", start, limit)
            assert len(page) == 1 or sum(len(row.body) for row in page) <= limit
        for after in (0, 17, thread.state.offset):
            rows = await all_rows(journal, "t", Position(start.epoch, after))
            assert rows == everything[after:]


async def positions_refused(open_journal: Opener) -> None:
    """A position that cannot be resumed from is refused in a word (I3)."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        await thread.turn("a", *"abcdef")
        await thread.turn("b", *"abcdef")
        epoch, offset = thread.state.epoch, thread.state.offset
        assert await refusal(journal, Position(epoch, offset + 1)) == "ahead"
        assert await refusal(journal, Position(epoch + 1, 0)) == "epoch"
        assert await refusal(journal, Position(max(epoch - 1, 0), 0)) == "epoch"
        await thread.truncate("a.1")
        assert await refusal(journal, Position(epoch, offset)) == "truncated"
        assert await refusal(journal, Position(epoch, offset + 1)) is None
        await thread.write(ThreadDeleted())
        assert await refusal(journal, Position(epoch, 3)) == "deleted"
        assert await refusal(journal, Position(epoch + 1, 0)) is None
        assert await refusal(journal, Position(epoch + 1, 1)) == "ahead"
        assert await refusal(journal, Position(epoch + 2, 0)) == "epoch"


async def load_gives_what_is_open(open_journal: Opener) -> None:
    """A load has the rows of unsettled turns, from the first of them on (I9)."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        await thread.turn("a", "x")
        assert (await journal.load("t")).rows == ()
        await thread.submit("b")
        await thread.start("b")
        await thread.submit("c")
        await thread.say("b", "y", "z")
        loaded = await journal.load("t")
        assert [row.offset for row in loaded.rows] == list(range(6, 11))
        assert (loaded.head.live, loaded.head.queued) == ("b", ("c",))
        await thread.end("b")
        assert [row.offset for row in (await journal.load("t")).rows] == [8, 9, 10, 11]
        again = await ScriptedThread.claim(journal, "t")
        assert again.state == thread.state


async def receipts(open_journal: Opener) -> None:
    """A receipt is found by thread, principal and key, and loads have the newest (I8)."""
    most = DEFAULT_LIMITS.receipts_in_memory
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        given: list[Receipt] = []
        for number in range(most):
            given += (await thread.submit(f"a{number}", key=f"k{number}")).receipts
        loaded = await journal.load("t")
        assert (loaded.receipts, loaded.more_receipts) == (tuple(given), False)
        given += (await thread.submit("last", key="last")).receipts
        loaded = await journal.load("t")
        assert (loaded.receipts, loaded.more_receipts) == (tuple(given[1:]), True)
        assert await journal.receipt("t", "somebody", "k0") == given[0]
        assert await journal.receipt("t", "somebody else", "k0") is None
        assert await journal.receipt("t", "somebody", "k") is None
        assert await journal.receipt("other", "somebody", "k0") is None
    async with opened(open_journal) as journal:
        assert await journal.receipt("t", "somebody", "last") == given[-1]


async def listing(open_journal: Opener) -> None:
    """Threads are listed by their last activity, those that are there, page by page."""
    async with opened(open_journal) as journal:
        threads = [await ScriptedThread.claim(journal, f"t{n:02}", 1000.0) for n in range(12)]
        for number, thread in enumerate(threads):
            thread.at = 1000.0 + 100 * (number % 5)
            await thread.submit("a")
        await threads[3].write(ThreadDeleted())
        threads[7].at = 5000.0
        await threads[7].start("a")
        await threads[7].end("a")
        order = sorted(
            (t for n, t in enumerate(threads) if n != 3),
            key=lambda t: (-t.state.active_at, t.thread),
        )
        for limit in (1, 3, 11, 100):
            found = await _listed(journal, limit)
            assert found == [(t.thread, t.state.head) for t in order]
        for token in ("", "x", "1/2/3", "nan/t", "t00"):
            call = journal.summaries(token, 1)
            assert (await raised(call, Rejected)).code == "bad_request", token


async def _listed(journal: Journal, limit: int) -> list[tuple[str, Head]]:
    found: list[tuple[str, Head]] = []
    after: str | None = None
    while True:
        page = await journal.summaries(after, limit)
        assert len(page.summaries) <= limit
        found += [(summary.thread, summary.head) for summary in page.summaries]
        after = page.after
        if after is None:
            return found


async def unsettled_threads(open_journal: Opener) -> None:
    """The threads with a live or a queued turn are found without the others (I9)."""
    async with opened(open_journal) as journal:
        idle, queued, live = [await ScriptedThread.claim(journal, t) for t in "abc"]
        await idle.turn("a", "x")
        await queued.submit("a")
        await live.submit("a")
        await live.start("a")
        assert sorted(await journal.unsettled()) == ["b", "c"]
    async with opened(open_journal) as journal:
        assert sorted(await journal.unsettled()) == ["b", "c"]
        live = await ScriptedThread.claim(journal, "c")
        await live.end("a", TurnState.INTERRUPTED)
        assert await journal.unsettled() == ("b",)


CHECKS: Final[tuple[Check, ...]] = (
    pages_of_rows,
    positions_refused,
    load_gives_what_is_open,
    receipts,
    listing,
    unsettled_threads,
)

"""What compaction changes, and what it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import trio

from ...core.event_codec import decode
from ...core.events import (
    TurnDelta,
    turn_of,
)
from ...core.position import Position
from ...core.projections import fold_turn
from ...core.turn_lifecycle import TurnState
from ...limits import DEFAULT_LIMITS
from ..scripted_thread import ScriptedThread
from .kit import (
    LATER,
    PAGE,
    Check,
    Opener,
    all_rows,
    item_ids,
    opened,
    refusal,
    settled_part,
)

if TYPE_CHECKING:
    from ...journal.contract import Journal


async def compaction(open_journal: Opener) -> None:
    """Compaction changes neither history nor texts; only cursors inside a range are lost (I3)."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        await thread.turn("a", *"abcdef")
        await thread.submit("b")
        await thread.submit("c")
        await thread.start("b")
        await thread.say("b", *"ghi")
        await thread.say("b", *"jkl", item=2)
        await thread.end("b", TurnState.CANCELLED)
        before = await _everything(journal)
        assert await journal.compact(LATER, 0.0, 10) == 2
        assert await journal.compact(LATER, 0.0, 10) == 0
        assert journal.statistics().compacted == 2
        await _check_compacted(journal, thread, before)
    async with opened(open_journal) as journal:
        await _check_compacted(journal, thread, before)
        thread = await ScriptedThread.claim(journal, "t", thread.at)
        await thread.start("c")
        await thread.end("c")


async def nothing_cut_away(open_journal: Opener) -> None:
    """A truncation behind the last item of a compacted turn leaves nothing to compact."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        await thread.turn("a", "hello")
        assert await journal.compact(LATER, 0.0, 10) == 1
        await thread.truncate("a.1")
        assert await journal.compact(LATER, 0.0, 10) == 0


async def _everything(journal: Journal) -> Any:
    return (
        (await journal.history("t", None, 100, PAGE)).items,
        [await journal.settled("t", turn) for turn in "abc"],
        await journal.load("t"),
    )


async def _check_compacted(journal: Journal, thread: ScriptedThread, before: Any) -> None:
    items, settled, loaded = await _everything(journal)
    assert (items, settled) == (before[0], before[1])
    assert loaded.head == thread.state.head
    epoch = thread.state.epoch
    rows = await all_rows(journal, "t", Position(epoch, 0))
    assert [(row.offset, row.to) for row in rows] == [
        *((n, n) for n in (1, 2, 3)),
        (4, 9),
        *((n, n) for n in range(10, 14)),
        (14, 16),
        (17, 19),
        (20, 20),
    ]
    assert loaded.rows == tuple(row for row in rows if row.offset >= 12)
    entries = [decode(row) for row in rows]
    folded = fold_turn(entry for entry in entries if turn_of(entry.event) == "a")
    assert folded == settled[0].items
    reasons = {n: await refusal(journal, Position(epoch, n)) for n in range(21)}
    lost = {4, 5, 6, 7, 8, 14, 15, 17, 18}
    assert reasons == {n: "compacted" if n in lost else None for n in range(21)}


async def compaction_waits(open_journal: Opener) -> None:
    """Turns are left alone for their time, and compacted no more at once than asked."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        for number in range(5):
            await thread.turn(f"a{number}", "x", "y")
        ended_at = (await settled_part(journal, "a2")).ended_at
        assert await journal.compact(ended_at, 0.0, 10) == 2
        assert await journal.compact(LATER, 0.0, 2) == 2
        assert await journal.compact(LATER, 0.0, 2) == 1
        assert len(await item_ids(journal, "t")) == 10


async def truncated_first(open_journal: Opener) -> None:
    """What a truncation took goes before anything is merged; then the oldest is merged."""
    async with opened(open_journal) as journal:
        older = await ScriptedThread.claim(journal, "t")
        for turn in "ab":
            await older.turn(turn, "x", "y")
        cut = await ScriptedThread.claim(journal, "cut", older.at)
        await cut.turn("a", "gone")
        await cut.truncate(None)
        start = Position(older.state.epoch, 0)
        assert await journal.compact(LATER, 0.0, 1) == 1
        assert all(row.offset == row.to for row in await all_rows(journal, "t", start))
        assert await journal.compact(LATER, 0.0, 1) == 1
        wide = [row for row in await all_rows(journal, "t", start) if row.offset < row.to]
        assert [row.offset for row in wide] == [4]


async def large_turn(open_journal: Opener) -> None:
    """Merged texts stay within their bound, whatever the turn's length."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        await thread.submit("a")
        await thread.start("a")
        for number in range(6):
            await thread.say("a", *(f"{number}{n} " * 20 for n in range(500)))
        await thread.end("a")
        before = (await settled_part(journal, "a")).items
        assert await journal.compact(LATER, 0.0, 10) == 1
        assert (await settled_part(journal, "a")).items == before
        rows = await all_rows(journal, "t", Position(thread.state.epoch, 0))
        assert len(rows) < 20
        for row in rows:
            event = decode(row).event
            if isinstance(event, TurnDelta):
                assert len(event.text.encode()) <= DEFAULT_LIMITS.merged_text_bytes


async def compacting_while_writing(open_journal: Opener) -> None:
    """Compaction and appends go on at the same time, and neither sees half of the other."""
    async with opened(open_journal) as journal:
        threads = [await ScriptedThread.claim(journal, f"t{n}") for n in range(5)]

        async def write(thread: ScriptedThread) -> None:
            for number in range(8):
                await thread.turn(f"a{number}", *"xyz")
                if number == 5:
                    await thread.truncate("a4.0")

        async def compact() -> None:
            for _ in range(20):
                await journal.compact(LATER, 0.0, 3)
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(compact)
            for thread in threads:
                nursery.start_soon(write, thread)
        while await journal.compact(LATER, 0.0, 100) == 100:
            pass
        kept = [f"a{n}.{i}" for n in (0, 1, 2, 3, 4, 6, 7) for i in (0, 1)]
        kept.remove("a4.1")
        for thread in threads:
            assert await item_ids(journal, thread.thread) == kept
            assert (await journal.load(thread.thread)).head == thread.state.head


async def keys_are_forgotten(open_journal: Opener) -> None:
    """Keys are kept for their time, and at least as long as their turn; a cut leaves them."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        for turn in ("a", "b"):
            await thread.submit(turn, key=turn)
            await thread.start(turn)
            await thread.end(turn)
        await thread.truncate("a.0")
        middle = thread.at
        for turn in ("c", "d"):
            await thread.submit(turn, key=turn)
        await thread.start("c")
        await thread.end("c")
        await journal.compact(0.0, middle, 10)
        assert await _keys(journal) == {"c", "d"}
        await journal.compact(0.0, LATER, 10)
        assert await _keys(journal) == {"d"}
        await thread.start("d")
        assert await _keys(journal) == {"d"}
        await thread.end("d")
        await journal.compact(0.0, LATER, 10)
        assert await _keys(journal) == set()


async def _keys(journal: Journal) -> set[str]:
    found = {key: await journal.receipt("t", "somebody", key) for key in "abcd"}
    return {key for key, receipt in found.items() if receipt is not None}


CHECKS: Final[tuple[Check, ...]] = (
    compaction,
    nothing_cut_away,
    compaction_waits,
    truncated_first,
    large_turn,
    compacting_while_writing,
    keys_are_forgotten,
)

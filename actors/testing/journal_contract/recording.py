"""Records: read by themselves and in order; and the fold that is kept of them."""

from __future__ import annotations

from typing import Final

from attrs import evolve

from ...core.event_codec import decode
from ...core.events import Recorded, ThreadDeleted
from ...journal.contract import Journal, Kept
from ..scripted_thread import ScriptedThread
from .kit import LATER, PAGE, Check, Opener, opened


async def _records(journal: Journal, after: int = 0, limit_bytes: int = PAGE) -> list[object]:
    entries = [decode(row) for row in await journal.records("t", after, limit_bytes)]
    return [entry.event.data for entry in entries if isinstance(entry.event, Recorded)]


async def records_alone(open_journal: Opener) -> None:
    """They come without the turns between them, oldest first, from any offset on."""
    async with opened(open_journal) as journal:
        assert await journal.records("t", 0, PAGE) == ()
        thread = await ScriptedThread.claim(journal, "t")
        offsets = []
        for number in range(5):
            append = await thread.record(f"r{number}", number)
            offsets.append(append.rows[-1].offset)
            await thread.turn(f"t{number}", "x", "y")
        other = await ScriptedThread.claim(journal, "u")
        await other.record("r0", "another thread's")
        assert await _records(journal) == [0, 1, 2, 3, 4]
        assert await _records(journal, offsets[1]) == [2, 3, 4]
        assert await _records(journal, offsets[1] - 1) == [1, 2, 3, 4]
        assert await _records(journal, offsets[4]) == []
        rows = await journal.records("t", 0, PAGE)
        assert [row.offset for row in rows] == offsets
    async with opened(open_journal) as journal:
        assert await journal.records("t", 0, PAGE) == rows


async def records_in_pages(open_journal: Opener) -> None:
    """A page has at least one, and is no larger than asked for."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        for number in range(7):
            await thread.record(f"r{number}", f"{number}" * 100)
        assert len(await _records(journal, 0, 1)) == 1
        seen: list[object] = []
        after = 0
        while rows := await journal.records("t", after, 500):
            assert sum(len(row.body) for row in rows) <= 500
            seen += await _records(journal, after, 500)
            after = rows[-1].to
        assert [str(data)[0] for data in seen] == list("0123456")


async def records_stay(open_journal: Opener) -> None:
    """No truncation and no compaction takes one (I13); a deletion takes all."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        await thread.turn("a", "x", "y")
        await thread.record("r1", 1)
        await thread.submit("b")
        await thread.start("b")
        await thread.record("r2", 2)  # in the middle of a turn
        await thread.say("b", "x")
        await thread.end("b")
        await thread.truncate(None)
        assert await _records(journal) == [1, 2]
        while await journal.compact(LATER, LATER, 10):
            pass
        assert await _records(journal) == [1, 2]
        await thread.write(ThreadDeleted())
        assert await _records(journal) == []


async def fold_is_kept(open_journal: Opener) -> None:
    """The newest counts, with the rows that it came with or not at all, until a deletion."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        await thread.record("r1")
        assert (await journal.load("t")).kept is None
        for kept in (Kept(2, b"\x00 any bytes"), Kept(3, b"newer")):
            step = thread.step(Recorded(f"k{kept.offset}.0", "note", None))
            await journal.append(evolve(thread.append_of(step), kept=kept))
            thread.state = step.state
            assert (await journal.load("t")).kept == kept
        await thread.record("r2")
        assert (await journal.load("t")).kept == kept
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        assert (await journal.load("t")).kept == kept
        await thread.write(ThreadDeleted())
        assert (await journal.load("t")).kept is None


CHECKS: Final[tuple[Check, ...]] = (
    records_alone,
    records_in_pages,
    records_stay,
    fold_is_kept,
)

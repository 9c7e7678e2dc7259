"""Forks in a file: refused half-way nothing is left, and what is made passes every check."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import trio

from actors.core.event_codec import decode
from actors.errors import Rejected
from actors.journal.contract import Copy, Journal
from actors.journal.memory import MemoryJournal
from actors.journal.sqlite import open_sqlite_journal, verify
from actors.limits import Limits
from actors.ports import Inline
from actors.testing.journal_contract.kit import LATER, item_ids
from actors.testing.scripted_thread import ScriptedThread
from actors.transfer import Restoration, export_thread, import_thread

if TYPE_CHECKING:
    from pathlib import Path

# So that much is written before the whole is.
LIMITS = Limits(fork_items=50, fork_portion_events=8)


async def written(journal: Journal, turns: int) -> ScriptedThread:
    thread = await ScriptedThread.claim(journal, "t")
    for number in range(turns):
        await thread.turn(f"t{number}", "x" * 100)
    return thread


def copy_of(thread: ScriptedThread, after: str, to: str = "u") -> Copy:
    return Copy(thread="t", generation=thread.generation, to=to, after=after, at=1.0)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_a_fork_above_the_limit_leaves_nothing(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    sqlite = kind == "sqlite"
    journal: Journal = MemoryJournal(limits=LIMITS)
    if sqlite:
        journal = await open_sqlite_journal(path, limits=LIMITS)
    thread = await written(journal, 26)
    with pytest.raises(Rejected) as caught:
        await journal.fork(copy_of(thread, "t25.1"))
    assert caught.value.code == "too_large"
    assert await item_ids(journal, "u") == []
    await thread.turn("more", "x")
    await journal.fork(copy_of(thread, "t24.1"))
    assert len(await item_ids(journal, "u")) == 50
    await journal.aclose()
    if sqlite:
        assert list(verify(path)) == []


async def test_what_a_fork_makes_passes_every_check(tmp_path: Path) -> None:
    """As it is, with what it is forked from compacted, and compacted itself."""
    path = tmp_path / "journal.db"
    async with await open_sqlite_journal(path) as journal:
        thread = await written(journal, 20)
        await thread.record("r", 1)
        await journal.fork(copy_of(thread, "t5.0"))
        while await journal.compact(LATER, LATER, 100):
            pass
        await journal.fork(copy_of(thread, "r.0", "v"))
        fork_of_fork = await ScriptedThread.claim(journal, "v")
        copy = Copy(thread="v", generation=fork_of_fork.generation, to="w", after="t7.1", at=2.0)
        await journal.fork(copy)
        await (await ScriptedThread.claim(journal, "w")).turn("more", "x")
        assert len(await item_ids(journal, "w")) == 18
    assert list(verify(path)) == []


async def test_a_fork_is_exported_and_imported_like_any_thread(tmp_path: Path) -> None:
    """Records and all, under its own offsets; what goes on after it as well."""
    async with await open_sqlite_journal(tmp_path / "one.db") as one:
        thread = await written(one, 3)
        await thread.record("r", {"n": 1})
        await one.fork(copy_of(thread, "r.0"))
        await (await ScriptedThread.claim(one, "u")).turn("more", "x")
        (summary,) = [s for s in (await one.summaries(None, 9)).summaries if s.thread == "u"]
        restoration = Restoration()
        async for row in export_thread(one, summary):
            restoration.add(decode(row))
        items = (await one.history("u", None, 99, 1 << 20)).items
    path = tmp_path / "two.db"
    async with await open_sqlite_journal(path) as two:
        await import_thread(two, "u", restoration, now=9.0)
        assert (await two.history("u", None, 99, 1 << 20)).items == items
        assert len(await two.records("u", 0, 1 << 20)) == 1
    assert list(verify(path)) == []


def staged(path: Path) -> int:
    """Count the rows of all tables that lie under the number of an unfinished fork."""
    tables = ("event", "part", "items", "dropped", "receipt", "fold")
    with closing(sqlite3.connect(path)) as db:
        numbers = [n for (n,) in db.execute("SELECT number FROM thread WHERE id LIKE '/%'")]
        counts = [
            db.execute(f"SELECT count(*) FROM {table} WHERE spot >> 36 = ?", (number,)).fetchone()
            for number in numbers
            for table in tables
        ]
    return len(numbers) + sum(count for (count,) in counts)


async def test_a_kill_in_mid_copy_leaves_nothing_that_anybody_meets(tmp_path: Path) -> None:
    """And the next compaction takes it off the disk; the fork can be made again at once."""
    path, limits = tmp_path / "journal.db", Limits(fork_portion_events=8)
    async with await open_sqlite_journal(path, limits=limits, executor=Inline()) as journal:
        thread = await written(journal, 12)
        source = await item_ids(journal, "t")
        copies = 0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(journal.fork, copy_of(thread, "t11.1"))
            while await item_ids(journal, "u") == []:
                for ending in ("", "-wal"):
                    shutil.copy(f"{path}{ending}", tmp_path / f"{copies}.db{ending}")
                copies += 1
    left = [staged(tmp_path / f"{number}.db") for number in range(copies)]
    assert len([count for count in left if count > 8]) > 3
    for number in range(copies):
        await look_at_what_is_left(tmp_path / f"{number}.db", source)


async def look_at_what_is_left(path: Path, source: list[str]) -> None:
    assert list(verify(path)) == []
    async with await open_sqlite_journal(path) as journal:
        assert [each.thread for each in (await journal.summaries(None, 9)).summaries] == ["t"]
        assert await journal.records("u", 0, 1 << 20) == ()
        thread = await ScriptedThread.claim(journal, "t")
        await journal.fork(copy_of(thread, "t11.1"))
        assert await item_ids(journal, "u") == source
        await (await ScriptedThread.claim(journal, "new")).turn("x", "a number of its own")
        await journal.compact(LATER, LATER, 100)
    assert staged(path) == 0
    assert list(verify(path)) == []

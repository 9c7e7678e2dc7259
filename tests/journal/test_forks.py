"""Forks in a file: refused half-way nothing is left, and what is made passes every check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.core.event_codec import decode
from actors.errors import Rejected
from actors.journal.contract import Copy, Journal
from actors.journal.memory import MemoryJournal
from actors.journal.sqlite import fork, open_sqlite_journal, verify
from actors.limits import Limits
from actors.testing.journal_contract.kit import LATER, item_ids
from actors.testing.scripted_thread import ScriptedThread
from actors.transfer import Restoration, export_thread, import_thread

if TYPE_CHECKING:
    from pathlib import Path

LIMITS = Limits(fork_items=50)


async def written(journal: Journal, turns: int) -> ScriptedThread:
    thread = await ScriptedThread.claim(journal, "t")
    for number in range(turns):
        await thread.turn(f"t{number}", "x" * 100)
    return thread


def copy_of(thread: ScriptedThread, after: str, to: str = "u") -> Copy:
    return Copy(thread="t", generation=thread.generation, to=to, after=after, at=1.0)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_a_fork_above_the_limit_leaves_nothing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fork, "_WRITTEN_AT_ONCE", 500)  # so that much is written before
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

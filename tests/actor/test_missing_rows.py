"""I16: rows that are missing are damage; a reader that meets the gap sets its thread aside."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from actors import (
    CaughtUp,
    Events,
    JournalCorrupt,
    Position,
    Row,
    Runtime,
    Snapshot,
    Turn,
    open_runtime,
)
from actors.journal.memory import MemoryJournal
from actors.journal.reporting import ReportingJournal
from actors.journal.sqlite import open_sqlite_journal
from actors.testing.scripted_thread import ScriptedThread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from actors.journal.contract import Loaded

LATER = 1e9
BEGINNING = Position(1, 0).cursor()


async def reply(turn: Turn) -> None:
    await turn.write("yes")


async def write(path: Path, *, compacted: bool) -> None:
    """Write turns and records, one turn of many rows; and a thread beside it."""
    journal = await open_sqlite_journal(path, durability="relaxed", first_epoch=1)
    async with journal:
        thread = await ScriptedThread.claim(journal, "t")
        for number in range(3):
            await thread.turn(f"t{number}", "a", "b")
            await thread.record(f"r{number}", number)
        await thread.submit("long")
        await thread.start("long")
        for number in range(2):
            await thread.say("long", "words ")
            await thread.record(f"between{number}", number)
        await thread.end("long")
        if compacted:
            await journal.compact(LATER, LATER, 100)
        await (await ScriptedThread.claim(journal, "u")).turn("u0", "a")


def rows_of(path: Path) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(path)) as db:
        [(number,)] = db.execute("SELECT number FROM thread WHERE id = 't'")
        return [
            (table, spot)
            for table in ("event", "part", "items")
            for (spot,) in db.execute(f"SELECT spot FROM {table} WHERE spot >> 36 = ?", (number,))
        ]


async def resumed(runtime: Runtime) -> list[Row]:
    rows: list[Row] = []
    async with runtime.thread("t").attach(BEGINNING) as subscription:
        async for batch in subscription:
            if isinstance(batch, CaughtUp):
                break
            assert isinstance(batch, Events)
            rows += batch.rows
    return rows


async def shown(runtime: Runtime) -> tuple[Any, ...]:
    async with runtime.thread("t").attach() as subscription:
        snapshot = await anext(subscription)
    assert isinstance(snapshot, Snapshot)
    return snapshot.items


async def paged(runtime: Runtime) -> tuple[Any, ...]:
    return (await runtime.thread("t").history()).items


WAYS: tuple[Callable[[Runtime], Awaitable[Any]], ...] = (resumed, shown, paged)


@pytest.mark.parametrize("compacted", [False, True])
async def test_a_reader_is_shown_all_or_the_thread_is_set_aside(
    tmp_path: Path, compacted: bool
) -> None:
    await write(tmp_path / "whole.db", compacted=compacted)
    async with open_runtime(tmp_path / "whole.db", on_turn=reply) as runtime:
        whole = [await way(runtime) for way in WAYS]
    rows = rows_of(tmp_path / "whole.db")
    assert len(rows) > 20
    met: set[str] = set()
    for table, spot in rows:
        path = tmp_path / f"{table}{spot}.db"
        shutil.copy(tmp_path / "whole.db", path)
        with closing(sqlite3.connect(path)) as db:
            db.execute(f"DELETE FROM {table} WHERE spot = ?", (spot,))
            db.commit()
        async with open_runtime(path, on_turn=reply, durability="relaxed") as runtime:
            damaged = False
            for way, expected in zip(WAYS, whole, strict=True):
                try:
                    assert await way(runtime) == expected
                except JournalCorrupt:
                    damaged = True
            assert bool(runtime.statistics().quarantined) == damaged
            # The folded items are told by the events as well.
            assert damaged == (table != "items"), (table, spot)
            met |= {table} if damaged else set()
            outcome = await runtime.thread("u").submit("and you?")
            state = (await runtime.thread("u").outcome(outcome.turn)).state
            assert state is not None
            assert state.value == "completed"
    assert met == {"event", "part"}


async def test_unsettled_turns_that_cannot_be_restored_are_reported_by_a_load() -> None:
    class Forgetful(MemoryJournal):
        async def load(self, thread: str) -> Loaded:
            loaded = await super().load(thread)
            return evolve(loaded, rows=loaded.rows[:1])

    told: list[str] = []
    disk = Forgetful()
    journal = ReportingJournal(disk, lambda _: None, lambda thread, _: told.append(thread))
    thread = await ScriptedThread.claim(disk, "t")
    await thread.submit("open")
    await thread.submit("queued")
    with pytest.raises(JournalCorrupt):
        await journal.load("t")
    assert told == ["t"]

"""Processes that are killed, disks that are full, and I/O errors: what was acknowledged stays."""

from __future__ import annotations

import logging
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from actors.core.event_codec import decode
from actors.core.position import Position
from actors.errors import JournalCorrupt, JournalUnavailable
from actors.journal.sqlite import open_sqlite_journal, verify
from actors.journal.sqlite.spots import spot
from actors.ports import Inline
from actors.testing.scripted_thread import ScriptedThread

REPOSITORY = Path(__file__).parents[2]


@contextmanager
def process(*args: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.journal.journal_process", *map(str, args)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as child:
        try:
            yield child
        finally:
            child.kill()


def next_line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline()


async def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with process("hold", path) as child:
        assert next_line(child) == "open\n"
        with pytest.raises(JournalUnavailable) as refused:
            await open_sqlite_journal(path)
        assert str(path) in str(refused.value)
        assert f"another process ({child.pid})" in str(refused.value)
        with pytest.raises(JournalUnavailable, match="in use"):
            list(verify(path))
        child.send_signal(signal.SIGKILL)
        child.wait()
        async with await open_sqlite_journal(path) as journal:
            await journal.load("t")


async def test_a_second_opening_in_one_process_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    alias = tmp_path / "alias.db"
    async with await open_sqlite_journal(path) as journal:
        alias.symlink_to(path)
        for name in (path, alias):
            with pytest.raises(JournalUnavailable, match="already open in this process"):
                await open_sqlite_journal(name)
        await (await ScriptedThread.claim(journal, "t")).submit("a")
    async with await open_sqlite_journal(alias) as journal:
        assert (await journal.load("t")).head.offset == 2


def note(acknowledged: dict[str, int], line: str) -> None:
    """Note an acknowledgement; the last line may be torn, and is of no use then."""
    if line.endswith("\n"):
        thread, offset = line.split()
        acknowledged[thread] = int(offset)


async def test_kill_9_keeps_every_acknowledged_append(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    acknowledged: dict[str, int] = {}
    for round_ in range(3):
        with process("append", path) as child:
            for _ in range(100 + 77 * round_):
                note(acknowledged, next_line(child))
            child.send_signal(signal.SIGKILL)
            output, _ = child.communicate()
            for line in output.splitlines(keepends=True):
                note(acknowledged, line)
        async with await open_sqlite_journal(path) as journal:
            for thread, offset in acknowledged.items():
                head = (await journal.load(thread)).head
                assert offset <= head.offset <= offset + 1
                rows = await journal.read(thread, Position(head.epoch, 0), 1 << 24)
                assert [decode(row).offset for row in rows] == list(range(1, head.offset + 1))
        assert list(verify(path)) == []


def test_a_full_disk_stops_everything_until_the_journal_is_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with process("fill", path, 300_000) as child:
        output, _ = child.communicate(timeout=60)
    failed, *rest = output.splitlines()
    written = int(failed.removeprefix("failed at "))
    assert written > 3
    assert rest == ["unavailable"] * 3

    async def go_on() -> None:
        async with await open_sqlite_journal(path) as journal:
            thread = await ScriptedThread.claim(journal, "t")
            # The append that failed may have been written: nobody was told that it was.
            assert written <= thread.state.offset <= written + 1
            await thread.record("again")
            await (await ScriptedThread.claim(journal, "bystander")).start("a")

    trio.run(go_on)
    assert list(verify(path)) == []


async def test_a_file_that_may_not_grow_fails_every_waiting_append(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "journal.db"
    journal = await open_sqlite_journal(path, executor=Inline())
    threads = [await ScriptedThread.claim(journal, f"t{n}") for n in range(20)]
    await threads[0].submit("a")
    database(journal).execute("PRAGMA max_page_count=1").fetchall()
    refused: list[str] = []

    async def write(thread: ScriptedThread) -> None:
        try:
            while True:
                await thread.record(f"r{thread.state.offset}", "x" * 10_000)
        except JournalUnavailable as exc:
            refused.append(str(exc))

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for thread in threads:
                nursery.start_soon(write, thread)
    assert refused == ["the journal failed"] * 20
    with pytest.raises(JournalUnavailable):
        await journal.load("t0")
    await journal.aclose()
    heads = {thread.thread: thread.state.head for thread in threads}
    with caplog.at_level(logging.WARNING):
        journal = await open_sqlite_journal(path)
    async with journal:
        assert "met an I/O error when it was last open; 0 damaged threads" in caplog.text
        for name, head in heads.items():
            assert (await journal.load(name)).head == head
        await (await ScriptedThread.claim(journal, "t3")).submit("b")
    caplog.clear()
    async with await open_sqlite_journal(path):
        assert "I/O error" not in caplog.text


def database(journal: Any) -> sqlite3.Connection:
    """Return the connection behind a journal, to break it."""
    db = journal._opened.db
    assert isinstance(db, sqlite3.Connection)
    return db


async def test_closing_lets_go_of_the_file_whatever_happens(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "journal.db"
    journal = await open_sqlite_journal(path, executor=Inline())
    await (await ScriptedThread.claim(journal, "t")).submit("a")
    database(journal).close()
    await journal.aclose()
    assert "could not be closed in good order" in caplog.text
    async with await open_sqlite_journal(path) as journal:
        assert (await journal.load("t")).head.offset == 2


async def test_what_the_executor_raises_is_a_failure(tmp_path: Path) -> None:
    """Nobody knows what became of the transaction then."""

    class Broken(Inline):
        broken = False

        async def run(self, call: Any) -> Any:
            result = await super().run(call)
            if self.broken:
                raise OSError("broken")
            return result

    executor = Broken()
    journal = await open_sqlite_journal(tmp_path / "journal.db", executor=executor)
    thread = await ScriptedThread.claim(journal, "t")
    executor.broken = True
    with pytest.raises(JournalUnavailable):
        await thread.submit("a")
    executor.broken = False
    with pytest.raises(JournalUnavailable):
        await journal.load("t")
    await journal.aclose()


async def test_a_damaged_thread_is_set_aside_alone(tmp_path: Path) -> None:
    """W9: neither a damaged head nor a damaged event is anything to the other threads (I16)."""
    path = tmp_path / "journal.db"
    async with await open_sqlite_journal(path) as journal:
        for name in ("bad head", "bad event", "good"):
            thread = await ScriptedThread.claim(journal, name)
            await thread.turn("a", "x")
            await thread.submit("b")
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE thread SET body = replace(body, 'open', 'gone') WHERE number = 1")
        db.execute("UPDATE event SET body = '{}' WHERE spot = ?", (spot(2, 6),))
        db.commit()
    async with await open_sqlite_journal(path) as journal:
        for name in ("bad head", "bad event"):
            for call in (journal.load(name), journal.claim(name)):
                with pytest.raises(JournalCorrupt):
                    await call
        # Readable where its rows are sound.
        page = await journal.history("bad event", None, 10, 1 << 20)
        assert [item.item for item in page.items] == ["a.0", "a.1"]
        assert len(await journal.read("bad event", page.head.position, 1 << 20)) == 0
        with pytest.raises(JournalCorrupt):
            await journal.read("bad event", Position(page.head.epoch, 0), 1 << 20)
        listed = {summary.thread for summary in (await journal.summaries(None, 10)).summaries}
        assert listed == {"bad event", "good"}
        assert set(await journal.unsettled()) == {"bad head", "bad event", "good"}
        assert await journal.compact(1e9, 0.0, 10) == 3
        good = await ScriptedThread.claim(journal, "good")
        await good.start("b")

"""While a turn is open its pieces are written without the head: the events tell where it stands."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve, fields

from actors.core.event_codec import decode
from actors.core.head import Head, Life
from actors.core.position import Position
from actors.errors import JournalCorrupt
from actors.journal.sqlite import open_sqlite_journal, sealing, verify
from actors.ports import Inline
from actors.testing.scripted_thread import ScriptedThread

if TYPE_CHECKING:
    from pathlib import Path

    from actors.journal.sqlite import SqliteJournal

PAGE = 1 << 20


async def opened(path: Path) -> SqliteJournal:
    return await open_sqlite_journal(path, executor=Inline(), first_epoch=7)


def killed(path: Path, to: Path) -> Path:
    """Return a copy of a journal as a process leaves it that is killed at this moment."""
    to.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", to)
    return to / path.name


async def running(journal: SqliteJournal, thread: str = "t") -> ScriptedThread:
    """Return a thread in which a turn runs, after another one, and has said something."""
    it = await ScriptedThread.claim(journal, thread)
    await it.turn("a", "x", message="first")
    await it.submit("b", "second", key="k")
    await it.start("b")
    for piece in ("one ", "two ", "three "):
        await it.say("b", piece)
    return it


def stored_head(journal: SqliteJournal, thread: str = "t") -> tuple[Any, ...]:
    row = journal._opened.db.execute("SELECT * FROM thread WHERE id = ?", (thread,)).fetchone()
    assert isinstance(row, tuple)
    return row


async def heads_of(journal: SqliteJournal, thread: str = "t") -> list[Head]:
    """Return the head of a thread as every read has it that returns one."""
    listed = (await journal.summaries(None, 10)).summaries
    return [
        (await journal.load(thread)).head,
        (await journal.history(thread, None, 10, PAGE)).head,
        *[summary.head for summary in listed if summary.thread == thread],
    ]


async def test_a_piece_leaves_the_head_as_it_is_stored(tmp_path: Path) -> None:
    async with await opened(tmp_path / "journal.db") as journal:
        thread = await running(journal)
        before = stored_head(journal)
        await thread.say("b", "four ", "five")
        assert stored_head(journal) == before
        assert await heads_of(journal) == [thread.state.head] * 3
        await thread.end("b")
        assert stored_head(journal) != before
        assert await heads_of(journal) == [thread.state.head] * 3
        await thread.record("r")  # no turn is open, so there would be nobody to read the events
        assert str(thread.state.offset).encode() in stored_head(journal)[-1]


def test_only_the_offset_of_an_open_thread_is_left_to_its_events() -> None:
    """A head that is not stored must differ in nothing that the events are not asked for."""
    before = Head(epoch=7, offset=4, life=Life.OPEN, live="b", open_from=3)
    assert sealing.moves_only(before, evolve(before, offset=9))
    changed = Head(8, 5, 1, Life.ENDED, 1.0, 1.0, 1, 1, "c", ("d",), 2)
    for name in (field.name for field in fields(Head) if field.name != "offset"):
        after = evolve(before, offset=9, **{name: getattr(changed, name)})
        assert not sealing.moves_only(before, after), name
    closed = evolve(before, live=None, open_from=None)
    assert not sealing.moves_only(closed, evolve(closed, offset=9))


async def test_whoever_comes_after_a_kill_goes_on_behind_the_last_piece(tmp_path: Path) -> None:
    """I4: for one thread and the other, since the events of both lie side by side."""
    path = tmp_path / "journal.db"
    async with await opened(path) as journal:
        written = [await running(journal, name) for name in ("t", "u")]
        left = killed(path, tmp_path / "left")
        expected = [await journal.load(thread.thread) for thread in written]
    assert list(verify(left)) == []
    async with await opened(left) as journal:
        assert [await journal.load(thread.thread) for thread in written] == expected
        for name in ("t", "u"):
            again = await ScriptedThread.claim(journal, name)
            await again.say("b", "four")
            await again.end("b")
            rows = await journal.read(name, Position(7, 0), PAGE)
            assert [decode(row).offset for row in rows] == list(range(1, again.state.offset + 1))
    assert list(verify(left)) == []


# What is done to the events of the turn that runs, of which the last three lie behind the stored
# head of thread `t`, whose number is 1.
LAST_BUT_ONE = "spot = (SELECT max(spot) - 1 FROM event WHERE spot >> 36 = 1)"
LAST = "spot = (SELECT max(spot) FROM event WHERE spot >> 36 = 1)"
DAMAGES = {
    "a gap": f"DELETE FROM event WHERE {LAST_BUT_ONE}",
    "rewritten": f"UPDATE event SET body = replace(body, 'two', 'ten') WHERE {LAST_BUT_ONE}",
    "last one rewritten": f"UPDATE event SET body = replace(body, 'three', 'eight') WHERE {LAST}",
    "last one emptied": f"UPDATE event SET body = x'' WHERE {LAST}",
    "last one stretched": f"UPDATE event SET last = last + 1 WHERE {LAST}",
    "last one shrunk": f"UPDATE event SET last = last - 1 WHERE {LAST}",
    "last one no number": f"UPDATE event SET last = 'x' WHERE {LAST}",
    "last one moved": f"UPDATE event SET spot = spot + 7 WHERE {LAST}",
    "checksum changed": f"UPDATE event SET crc = crc + 1 WHERE {LAST}",
}


@pytest.mark.parametrize("what", DAMAGES)
async def test_a_damaged_piece_behind_the_stored_head_is_found(tmp_path: Path, what: str) -> None:
    """I16: the thread is set aside, and the other one is not."""
    path = tmp_path / "journal.db"
    async with await opened(path) as journal:
        await running(journal)
        other = await running(journal, "u")
    with closing(sqlite3.connect(path)) as db, db:
        assert db.execute(DAMAGES[what]).rowcount == 1
    assert {damage.thread for damage in verify(path)} == {"t"}
    async with await opened(path) as journal:
        for call in (journal.load("t"), journal.claim("t")):
            with pytest.raises(JournalCorrupt):
                await call
        assert (await journal.load("u")).head == other.state.head
        assert await journal.unsettled() == ("t", "u")


async def test_a_file_of_version_2_is_upgraded(tmp_path: Path) -> None:
    """Its heads are all told, and the next piece's is not."""
    path = tmp_path / "journal.db"
    async with await opened(path) as journal:
        await running(journal)
        expected = await journal.load("t")
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=2")
    async with await opened(path) as journal:
        assert await journal.load("t") == expected
        await (await ScriptedThread.claim(journal, "t")).say("b", "four")
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (3,)
    assert list(verify(path)) == []

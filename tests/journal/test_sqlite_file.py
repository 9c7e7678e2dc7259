"""The file itself: which ones are refused, what opening costs, how large it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import trio
from attrs import evolve

from actors.core.events import Recorded, ThreadDeleted
from actors.core.head import Head, Kept, Life
from actors.errors import JournalUnavailable
from actors.journal.sqlite import SqliteJournal, open_sqlite_journal, schema, sealing, verify
from actors.journal.sqlite.statements import insert_many
from actors.ports import Inline
from actors.testing.scripted_thread import ScriptedThread

if TYPE_CHECKING:
    from pathlib import Path

TEXT = "the answer to your question is that a thread is a log and a connection is a cursor"
WORDS = TEXT.split()


def words(number: int) -> Iterator[str]:
    """Yield pieces of a text that repeats itself no more than people do."""
    seed = number
    for _ in range(400):
        seed = (seed * 1103515245 + 12345) % 2**31
        yield f" {WORDS[seed % len(WORDS)]}{seed % 97 if seed % 3 == 0 else ''}"


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def bytes_in(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.iterdir())


async def test_files_that_are_no_journal_are_refused_unchanged(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("not a database at all" * 100)
    foreign = tmp_path / "foreign.db"
    with closing(sqlite3.connect(foreign)) as db:
        db.execute("CREATE TABLE t (x)")
    short = tmp_path / "short"
    short.write_bytes(b"SQLite format 3\0")
    for path in (text, foreign, short):
        before = path.read_bytes()
        with pytest.raises(JournalUnavailable, match="is not a Holdfast journal"):
            await open_sqlite_journal(path)
        with pytest.raises(JournalUnavailable, match="is not a Holdfast journal"):
            list(verify(path))
        assert path.read_bytes() == before
        assert f"{path.name}-wal" not in names_in(tmp_path)


async def test_a_newer_schema_is_refused_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await (await open_sqlite_journal(path)).aclose()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version={schema.SCHEMA_VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(JournalUnavailable, match=r"newer Holdfast \(schema 4; .* up to 3\)"):
        await open_sqlite_journal(path)
    assert path.read_bytes() == before


async def test_places_where_no_file_can_be_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing" / "journal.db", tmp_path):
        with pytest.raises(JournalUnavailable, match="cannot be opened"):
            await open_sqlite_journal(path)
    with pytest.raises(JournalUnavailable, match="is not there"):
        list(verify(tmp_path / "journal.db"))


async def test_the_remains_of_a_lost_file_are_not_taken_over(tmp_path: Path) -> None:
    path, log = tmp_path / "journal.db", tmp_path / "journal.db-wal"
    log.write_bytes(b"precious")
    with pytest.raises(JournalUnavailable, match="may hold its data"):
        await open_sqlite_journal(path)
    assert log.read_bytes() == b"precious"
    assert not path.exists()


async def test_an_empty_file_and_the_remains_of_a_half_made_one_are_taken(tmp_path: Path) -> None:
    path, unfinished = tmp_path / "journal.db", tmp_path / "journal.db.new"
    path.touch()
    unfinished.write_bytes(b"half made")
    async with await open_sqlite_journal(path, first_epoch=42) as journal:
        assert journal.first_epoch == 42
    assert names_in(tmp_path) == ["journal.db", "journal.db.lock"]


async def test_first_epochs_are_drawn(tmp_path: Path) -> None:
    epochs: set[int] = set()
    for number in range(3):
        async with await open_sqlite_journal(tmp_path / f"{number}.db") as journal:
            assert 1 <= journal.first_epoch < 2**31
            epochs.add(journal.first_epoch)
    assert len(epochs) == 3


@pytest.mark.parametrize(("durability", "level"), [("full", 2), ("relaxed", 1)])
async def test_durability(tmp_path: Path, durability: str, level: int) -> None:
    journal = await open_sqlite_journal(tmp_path / "journal.db", durability=durability)  # type: ignore[arg-type]  # the parameter is one of the two
    async with journal:
        db = journal._opened.db
        assert db.execute("PRAGMA synchronous").fetchone() == (level,)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)


def make_threads(path: Path, count: int) -> None:
    """Put as many threads into a journal, three of them with an unsettled turn."""
    with closing(schema.connect(path, "relaxed")) as db:
        rows = []
        for number in range(1, count + 1):
            live = "a" if number % (count // 3) == 0 else None
            head = Head(epoch=1, life=Life.OPEN, active_at=float(number % 1000), live=live)
            body = sealing.encode_head(f"t{number}", head)
            crc = sealing.seal(number, body)
            rows.append((number, f"t{number}", *sealing.listing(head), crc, body))
        db.execute("BEGIN")
        insert_many(db, "thread", rows)
        db.execute("COMMIT")


def test_opening_costs_the_same_however_many_threads_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps of SQLite's machine are counted, from opening to the first list and claim."""
    steps = 0

    def count_step() -> None:
        nonlocal steps
        steps += 1

    connect = schema.connect

    def counting(*args: object) -> sqlite3.Connection:
        db = connect(*args)  # type: ignore[arg-type]  # passed on as they came
        db.set_progress_handler(count_step, 1)
        return db

    async def measure(path: Path) -> int:
        nonlocal steps
        async with await open_sqlite_journal(path, executor=Inline()) as journal:
            assert len(await journal.unsettled()) == 3
            assert len((await journal.summaries(None, 20)).summaries) == 20
            thread = await ScriptedThread.claim(journal, "new")
            await thread.turn("a", "x")
            return steps

    found: list[int] = []
    for count in (60, 20_000):
        path = tmp_path / f"{count}.db"
        trio.run(_make, path)
        make_threads(path, count)
        steps = 0
        monkeypatch.setattr(schema, "connect", counting)
        found.append(trio.run(measure, path))
        monkeypatch.setattr(schema, "connect", connect)
    assert found[0] > 300
    assert abs(found[1] - found[0]) < 0.1 * found[0]


async def _make(path: Path) -> None:
    await (await open_sqlite_journal(path)).aclose()


async def test_appending_costs_the_same_in_a_long_thread(tmp_path: Path) -> None:
    steps = 0

    def count_step() -> None:
        nonlocal steps
        steps += 1

    path = tmp_path / "journal.db"
    async with await open_sqlite_journal(path, durability="relaxed", executor=Inline()) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        journal._opened.db.set_progress_handler(count_step, 1)
        found: list[int] = []
        for number in range(1, 301):
            before = steps
            await thread.turn(f"a{number}", *"abc")
            if number in (10, 300):
                found.append(steps - before)
    assert abs(found[1] - found[0]) < 0.1 * found[0]


async def test_after_compaction_a_text_is_on_disk_once(tmp_path: Path) -> None:
    """The file is no more than half as large again as the text that it holds."""
    path = tmp_path / "journal.db"
    text = 0
    async with await open_sqlite_journal(path, durability="relaxed") as journal:
        for name in "abcdef":
            thread = await ScriptedThread.claim(journal, name)
            for number in range(8):
                pieces = list(words(number + 100 * ord(name)))
                await thread.turn(f"turn-{number}", *pieces)
                text += len("".join(pieces))
        await journal._run(journal._opened.checkpoint)
        large = path.stat().st_size
        while await journal.compact(1e9, 1e9, 10) == 10:
            pass
        await journal.load("a")
    assert large > 10 * text
    assert path.stat().st_size < 1.5 * text
    assert list(verify(path)) == []


async def test_what_was_deleted_or_truncated_leaves_the_disk(tmp_path: Path) -> None:
    """W8, B20: so nothing can bring it back."""
    path = tmp_path / "journal.db"
    async with await open_sqlite_journal(path) as journal:
        for name in ("kept", "truncated", "deleted"):
            thread = await ScriptedThread.claim(journal, name)
            await thread.turn("a", f"{name}-answer", message=f"{name}-message")
            await thread.turn("b", f"{name}-answer", f"-{name}-more", message=f"{name}-message")
            if name == "deleted":
                await thread.write(ThreadDeleted())
            if name == "truncated":
                await thread.truncate(None)
        await journal.compact(0.0, 0.0, 10)
        assert await journal.compact(1e9, 0.0, 10) == 4
        counts = [
            await _count(journal, "SELECT count(*) FROM dropped"),
            # What created the thread, and what cut it.
            await _count(journal, "SELECT count(*) FROM event WHERE spot >> 36 = 2"),
            await _count(journal, "SELECT count(*) FROM event WHERE spot >> 36 = 3"),
        ]
        assert counts == [0, 2, 0]
    held = bytes_in(tmp_path)
    for word in (b"truncated-answer", b"truncated-message", b"deleted-answer", b"deleted-message"):
        assert word not in held


async def _count(journal: SqliteJournal, sql: str) -> int:
    (count,) = journal._opened.db.execute(sql).fetchone()
    return int(count)


async def test_a_truncated_item_leaves_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with await open_sqlite_journal(path) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        await thread.turn("a", "secret-1 ", "secret-2", message="question")
        await thread.truncate("a.0")
        assert await journal.compact(1e9, 0.0, 10) == 1
        items = (await journal.history("t", None, 10, 1 << 20)).items
        assert [item.body["content"] for item in items] == ["question"]
        # What created the thread, the turn without its answer, and what cut it.
        assert await _count(journal, "SELECT count(*) FROM event") == 4
    assert list(verify(path)) == []
    assert b"secret" not in path.read_bytes()


_RECEIPTS_OF_1 = """
DROP TABLE fold; DROP INDEX part_record; DROP TABLE receipt;
CREATE TABLE receipt (
    spot INTEGER PRIMARY KEY, thread INTEGER NOT NULL, principal TEXT NOT NULL, key TEXT NOT NULL,
    turn TEXT, given_at REAL NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL,
    UNIQUE (thread, principal, key));
CREATE INDEX receipt_age ON receipt (given_at);
INSERT INTO receipt SELECT spot, thread, principal, key, turn, given_at, crc, body FROM kept;
DROP TABLE kept;
PRAGMA user_version=1;
"""


async def test_a_file_of_version_1_is_upgraded_with_all_that_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with await open_sqlite_journal(path) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        await thread.submit("a", key="k")
        await thread.start("a")
        await thread.end("a")
        await thread.record("r", {"n": 1})
        receipt = await journal.receipt("t", "somebody", "k")
        records = await journal.records("t", 0, 1 << 20)
        loaded = await journal.load("t")
    with closing(sqlite3.connect(path)) as db:
        db.executescript(f"CREATE TABLE kept AS SELECT * FROM receipt; {_RECEIPTS_OF_1}")
    with pytest.raises(JournalUnavailable, match="older Holdfast"):
        list(verify(path))
    async with await open_sqlite_journal(path) as journal:
        assert receipt is not None
        assert await journal.receipt("t", "somebody", "k") == receipt
        assert await journal.records("t", 0, 1 << 20) == records
        assert await journal.load("t") == loaded
        await (await ScriptedThread.claim(journal, "t")).submit("b", key="k2")
    assert list(verify(path)) == []


async def test_a_damaged_fold_is_reported_and_done_without(tmp_path: Path) -> None:
    """I16: the records tell it anew, so no thread is set aside for it."""
    path = tmp_path / "journal.db"
    async with await open_sqlite_journal(path) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        await thread.record("r1")
        step = thread.step(Recorded("r2.0", "note", None))
        await journal.append(evolve(thread.append_of(step), kept=Kept(2, b"states")))
    assert list(verify(path)) == []
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE fold SET body = x'00'")
    assert [damage.where for damage in verify(path)] == ["records"]
    async with await open_sqlite_journal(path) as journal:
        assert (await journal.load("t")).kept is None
        assert len(await journal.records("t", 0, 1 << 20)) == 2

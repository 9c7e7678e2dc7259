"""`verify` finds damage and says where; what it does not find changes no answer."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio

from actors.core.event_codec import encode
from actors.core.events import Entry, ThreadDeleted, TurnEnded
from actors.core.position import Position
from actors.core.turn_lifecycle import TurnState
from actors.errors import HoldfastError, JournalUnavailable
from actors.journal.sqlite import Damage, open_sqlite_journal, verify
from actors.journal.sqlite.sealing import event_row
from actors.journal.sqlite.spots import spot
from actors.ports import Inline
from actors.testing.scripted_thread import ScriptedThread

if TYPE_CHECKING:
    from actors.journal.contract import Journal

# Compaction takes what is there by then, so that the others are as they were written.
NAMES = ("packed", "busy", "plain", "cut", "gone")


async def write_journal(path: Path) -> None:
    async with await open_sqlite_journal(path, executor=Inline(), first_epoch=3) as journal:
        for name in NAMES:
            thread = await ScriptedThread.claim(journal, name)
            await thread.turn("a", "one ", "two", message="first")
            await thread.submit("b", "second", key="k")
            await thread.start("b")
            await thread.submit("c", "third", key="l")
            await thread.say("b", "three ", "four ", "five")
            await thread.record("r", {"n": 1})
            if name == "busy":
                continue
            await thread.end("b", TurnState.FAILED)
            await thread.end("c", TurnState.CANCELLED)
            if name == "gone":
                await thread.write(ThreadDeleted())
            if name == "packed":
                await journal.compact(1e9, 0.0, 10)
            if name == "cut":
                await thread.truncate("a.0")
                await thread.turn("d", "six")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("template") / "journal.db"
    trio.run(write_journal, path)
    assert list(verify(path)) == []
    return path.read_bytes()


@pytest.fixture
def journal_file(template: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "journal.db"
    path.write_bytes(template)
    return path


def change(path: Path, sql: str, *args: object) -> None:
    with closing(sqlite3.connect(path)) as db:
        assert db.execute(sql, args).rowcount > 0
        db.commit()


def number_of(path: Path, thread: str) -> int:
    with closing(sqlite3.connect(path)) as db:
        (number,) = db.execute("SELECT number FROM thread WHERE id = ?", (thread,)).fetchone()
    return int(number)


def test_a_sound_file_has_no_damage_and_is_left_alone(journal_file: Path) -> None:
    before = journal_file.read_bytes()
    seen: list[tuple[int, int]] = []
    assert list(verify(journal_file, progress=lambda done, of: seen.append((done, of)))) == []
    assert seen == [(n, 5) for n in range(1, 6)]
    assert journal_file.read_bytes() == before
    assert sorted(p.name for p in journal_file.parent.iterdir()) == [
        "journal.db",
        "journal.db.lock",
    ]


# What is done to the thread in which a turn runs, and where that shows. Its seventh event is the
# message of that turn.
EVENT = "spot = {number} << 36 | 7"
DAMAGES: dict[str, tuple[str, set[str]]] = {
    "event removed": (f"DELETE FROM event WHERE {EVENT}", {"events", "head"}),
    "last event removed": (
        "DELETE FROM event WHERE spot = (SELECT max(spot) FROM event WHERE spot >> 36 = {number})",
        {"events", "history"},
    ),
    "event rewritten": (
        f"UPDATE event SET body = replace(body, 'second', 'secant') WHERE {EVENT}",
        {"events"},
    ),
    "event emptied": (f"UPDATE event SET body = x'' WHERE {EVENT}", {"events"}),
    "event stretched": (f"UPDATE event SET last = last + 1 WHERE {EVENT}", {"events"}),
    "event marked as packed": (f"UPDATE event SET packed = 1 WHERE {EVENT}", {"events"}),
    "event moved": (f"UPDATE event SET spot = spot + 400 WHERE {EVENT}", {"events"}),
    "checksum changed": (f"UPDATE event SET crc = crc + 1 WHERE {EVENT}", {"events"}),
    "head rewritten": (
        "UPDATE thread SET body = replace(body, 'open', 'ended') WHERE number = {number}",
        {"head"},
    ),
    "head listed elsewhere": (
        "UPDATE thread SET active_at = active_at + 1 WHERE number = {number}",
        {"head"},
    ),
    "head not listed as open": ("UPDATE thread SET open = 0 WHERE number = {number}", {"head"}),
    "head of another thread": ("UPDATE thread SET id = 'x' WHERE number = {number}", {"head"}),
    "history removed": (
        "DELETE FROM part WHERE thread = {number} AND owner = 'a'",
        {"history", "items"},
    ),
    "record removed": ("DELETE FROM part WHERE thread = {number} AND owner = 'r'", {"history"}),
    "history rewritten": (
        "UPDATE part SET body = replace(body, 'completed', 'cancelled') WHERE thread = {number}",
        {"history"},
    ),
    "history of another": (
        "UPDATE part SET owner = 'z' WHERE thread = {number} AND owner = 'a'",
        {"history"},
    ),
    "items counted wrong": (
        "UPDATE part SET shown = shown + 1 WHERE thread = {number} AND owner = 'a'",
        {"history"},
    ),
    "items rewritten": (
        "UPDATE items SET body = replace(body, 'first', 'third') WHERE spot >> 36 = {number}",
        {"history"},
    ),
    "receipt rewritten": (
        "UPDATE receipt SET body = replace(body, 'somebody', 'nobody') WHERE thread = {number}",
        {"receipts"},
    ),
    "receipt of another": (
        "UPDATE receipt SET principal = 'x' WHERE thread = {number} AND key = 'k'",
        {"receipts"},
    ),
    "receipt moved": (
        "UPDATE receipt SET spot = spot + 900 WHERE thread = {number} AND key = 'k'",
        {"receipts"},
    ),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_damage_is_found_where_it_is(journal_file: Path, what: str) -> None:
    sql, where = DAMAGES[what]
    change(journal_file, sql.format(number=number_of(journal_file, "busy")))
    found = list(verify(journal_file))
    assert found
    assert {damage.where for damage in found} <= where
    assert {damage.thread for damage in found} <= {"busy", "x", None}
    assert any(damage.thread for damage in found)


def test_rows_without_a_thread_are_found(journal_file: Path) -> None:
    change(journal_file, "DELETE FROM thread WHERE id = 'packed'")
    found = {damage.where: damage.what for damage in verify(journal_file)}
    assert set(found) == {"event", "part", "receipt"}
    assert found["receipt"] == "2 rows belong to no thread"


def test_damage_of_the_file_as_a_whole_is_found(journal_file: Path) -> None:
    change(journal_file, "UPDATE meta SET value = value + 1 WHERE name = 'first_epoch'")
    (damage,) = verify(journal_file)
    assert (damage.thread, damage.where) == (None, "the file's own numbers")


def test_a_second_ending_is_found(journal_file: Path) -> None:
    """A whole forged event behind the head's back: sealed, in its place, and yet impossible."""
    number = number_of(journal_file, "plain")
    with closing(sqlite3.connect(journal_file)) as db:
        (last,) = db.execute(
            "SELECT max(last) FROM event WHERE spot >> 36 = ?", (number,)
        ).fetchone()
    row = encode(Entry(last + 1, last + 1, 5000.0, TurnEnded("a", TurnState.FAILED)))
    forged = event_row(number, row.offset, row.to, 0, row.body)
    change(journal_file, "INSERT INTO event VALUES (?, ?, ?, ?, ?)", *forged)
    found = [damage.what for damage in verify(journal_file)]
    assert "turn a ends twice" in found
    assert f"the events end at offset {last + 1}, the head at {last}" in found
    assert spot(number, last + 1) == forged[0]


async def everything(journal: Journal) -> dict[str, Any]:
    """Return every answer that a journal gives about its threads."""
    answers: dict[str, Any] = {"first epoch": journal.first_epoch}
    answers["listed"] = await asked(journal.summaries, None, 100)
    answers["unsettled"] = await asked(journal.unsettled)
    for name in NAMES:
        loaded = await asked(journal.load, name)
        answers[name] = [loaded]
        if not isinstance(loaded, str):
            start = Position(loaded.head.epoch, loaded.head.floor)
            answers[name] += [
                await asked(journal.read, name, start, 1 << 20),
                await asked(journal.history, name, None, 100, 1 << 20),
                await asked(journal.receipt, name, "somebody", "k"),
                *[await asked(journal.settled, name, turn) for turn in "abcdr"],
            ]
    return answers


async def asked(method: Callable[..., Awaitable[Any]], *args: Any) -> Any:
    try:
        return await method(*args)
    except HoldfastError as exc:
        return repr(exc)


async def answers_of(path: Path) -> dict[str, Any]:
    try:
        async with await open_sqlite_journal(path, executor=Inline()) as journal:
            return await everything(journal)
    except JournalUnavailable as exc:
        return {"unavailable": repr(exc)}


def test_a_flipped_byte_is_found_or_harmless(template: bytes, tmp_path: Path) -> None:
    """W9: bytes all over the file are changed, one at a time; whatever matters is found (I16)."""
    path = tmp_path / "journal.db"
    path.write_bytes(template)
    sound = trio.run(answers_of, path)
    drawn = random.Random(20)
    used = [n for n, byte in enumerate(template) if byte]
    found = 0
    for place in sorted(drawn.sample(used, 150)):
        flipped = bytearray(template)
        flipped[place] ^= 1 << drawn.randrange(8)
        path.write_bytes(flipped)
        if damage_in(path):
            found += 1
        else:
            assert trio.run(answers_of, path) == sound, f"the change at byte {place} was missed"
        for left in ("-wal", "-shm"):
            Path(f"{path}{left}").unlink(missing_ok=True)
    assert found > 100


def damage_in(path: Path) -> list[Damage] | str:
    try:
        return list(verify(path))
    except JournalUnavailable as exc:
        return str(exc)

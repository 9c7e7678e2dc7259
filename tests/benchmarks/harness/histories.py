"""Databases with much in them, made by the shortest way: histories, and threads by the million."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import trio

from actors import open_runtime
from actors.core.events import (
    Event,
    ThreadCreated,
    TurnDelta,
    TurnEnded,
    TurnStarted,
    TurnSubmitted,
)
from actors.core.items import item_id
from actors.core.telling import place_events
from actors.core.turn_lifecycle import TurnState
from actors.journal.sqlite import open_sqlite_journal, sealing
from actors.journal.sqlite.spots import offset_of, spot
from actors.transfer import Restoration, import_thread

if TYPE_CHECKING:
    from pathlib import Path

    from .bench import Bench

_ASKED = '{"do":"quiet"}'
_ANSWER = "An answer of some length, as long as those that a person reads in a moment. " * 2


def with_histories(bench: Bench, messages: tuple[int, ...]) -> Path:
    """Return a fresh folder with a `bench.db`, whose thread `h<n>` has n messages.

    Half of them are the user's. The file is made once in a run, and copied.
    """
    made = bench.folder / f"histories-{'-'.join(map(str, messages))}.db"
    if not made.exists():
        bench.tell(f"writing threads of {', '.join(f'{n:,}' for n in messages)} messages")
        trio.run(_write_histories, made, messages)
    folder = bench.scratch()
    shutil.copy(made, folder / "bench.db")
    return folder


async def _write_histories(path: Path, messages: tuple[int, ...]) -> None:
    async with await open_sqlite_journal(path, durability="relaxed") as journal:
        for count in messages:
            restoration = Restoration()
            for entry in place_events(_told(count // 2), 1):
                restoration.add(entry)
            await import_thread(journal, f"h{count}", restoration, now=time.time())


def _told(turns: int) -> Iterator[tuple[Event, float]]:
    at = time.time() - turns - 3600
    yield ThreadCreated(), at
    for n in range(turns):
        turn = f"turn-{n:08d}"
        yield TurnSubmitted(turn, item_id(turn, 0), _ASKED, "local"), at + n
        yield TurnStarted(turn, attempt=1), at + n
        yield TurnDelta(turn, item_id(turn, 1), _ANSWER), at + n
        yield TurnEnded(turn, TurnState.COMPLETED), at + n


def with_threads(bench: Bench, threads: int) -> Path:
    """Return a folder with a `bench.db` of many threads, `c1` and so on, of a turn each.

    One thread is written by the journal and compacted; its rows are then copied under other
    numbers with their seals made anew. The file is made once in a run, and not copied.
    """
    folder = bench.folder / f"threads-{threads}"
    if not folder.exists():
        bench.tell(f"writing {threads:,} threads")
        folder.mkdir()
        trio.run(_write_one, folder / "bench.db")
        _multiply(folder / "bench.db", threads)
    return folder


async def _write_one(path: Path) -> None:
    async with await open_sqlite_journal(path) as journal:
        restoration = Restoration()
        for entry in place_events(_told(1), 1):
            restoration.add(entry)
        await import_thread(journal, "c1", restoration, now=time.time())
    async with open_runtime(path, on_turn=_nothing) as runtime:
        await runtime.compact(everything=True)


async def _nothing(turn: object) -> None:
    """Answer nothing; there is nothing to answer."""


def _multiply(path: Path, threads: int) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous=OFF")
        db.execute("BEGIN IMMEDIATE")
        for copies in (_heads, _events, _parts):
            copies(db, range(2, threads + 1))
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _heads(db: sqlite3.Connection, numbers: range) -> None:
    active_at, body = db.execute("SELECT active_at, body FROM thread").fetchone()
    _, head = sealing.decode_head(body)
    # A thread's number and id are all that differ.
    shape = sealing.encode_head("\0", head).partition(b"\\u0000")
    rows = (
        (n, f"c{n}", active_at, 0, sealing.seal(n, copy), copy)
        for n, copy in ((n, shape[0] + b"c%d" % n + shape[2]) for n in numbers)
    )
    db.executemany("INSERT INTO thread VALUES (?, ?, ?, ?, ?, ?)", rows)


def _events(db: sqlite3.Connection, numbers: range) -> None:
    for key, last, packed, body in db.execute(
        "SELECT spot, last, packed, body FROM event"
    ).fetchall():
        make = partial(sealing.event_row, to=last, packed=packed, body=body)
        rows = (make(n, offset_of(key)) for n in numbers)
        db.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?)", rows)


def _parts(db: sqlite3.Connection, numbers: range) -> None:
    columns = "spot, owner, ended_at, is_turn, shown, due, body"
    for key, *rest, body in db.execute(f"SELECT {columns} FROM part").fetchall():
        rows = ((spot(n, offset_of(key)), n, *rest, sealing.seal(n, body), body) for n in numbers)
        db.executemany("INSERT INTO part VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    for key, body in db.execute("SELECT spot, body FROM items").fetchall():
        items = ((spot(n, offset_of(key)), sealing.seal(n, body), body) for n in numbers)
        db.executemany("INSERT INTO items VALUES (?, ?, ?)", items)

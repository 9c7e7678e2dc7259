"""What makes it fast, counted and not timed: how often disk, encoder and wire are used."""

from __future__ import annotations

import gc
import sqlite3
import tracemalloc
from contextlib import AsyncExitStack, asynccontextmanager, closing
from typing import TYPE_CHECKING, NoReturn

import trio

from actors import Events, Runtime, Subscription, Turn, open_runtime
from actors.core import step
from actors.core.event_codec import encode
from actors.core.events import Entry, TurnDelta
from actors.handles import LOCAL
from actors.journal.sqlite import SqliteJournal, open_sqlite_journal
from tests.benchmarks.counting import calls_counted
from transport import frames
from transport.showing import events_frame_of, frame_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import pytest

    from actors.actor.kinds import Handler
    from actors.handles import Thread

TOKENS = 2_000
VIEWERS = 50


async def chatter(turn: Turn) -> None:
    """Write many small pieces."""
    for _ in range(TOKENS):
        await turn.write("tokens! ")


async def one_word(turn: Turn) -> None:
    """Write one piece, so that a turn has as many rows every time."""
    await turn.write("tokens! ")


@asynccontextmanager
async def _opened(
    path: Path, handler: Handler = chatter
) -> AsyncIterator[tuple[Runtime, SqliteJournal]]:
    journals: list[SqliteJournal] = []

    async def opened() -> SqliteJournal:
        journals.append(await open_sqlite_journal(path))
        return journals[-1]

    async with open_runtime(opened, on_turn=handler) as runtime:
        yield runtime, journals[0]


async def _said(thread: Thread) -> None:
    receipt = await thread.submit("speak")
    await thread.outcome(receipt.turn)


async def test_concurrent_submits_share_their_commits(tmp_path: Path) -> None:
    """A hundred turns of many pieces take a few commits, not hundreds of them."""
    async with _opened(tmp_path / "a.db") as (runtime, journal):
        async with trio.open_nursery() as nursery:
            for n in range(100):
                nursery.start_soon(_said, runtime.thread(f"t{n}"))
        counted = journal.statistics()
    assert counted.appends >= 200
    assert counted.commits <= 12


class _NeverWalked(dict[str, int]):
    """A dict that is looked up in, and never gone through."""

    def keys(self) -> NoReturn:
        raise AssertionError("a commit goes through all live threads")

    items = values = __iter__ = keys  # type: ignore[assignment]  # that is the point


async def test_a_commit_costs_the_same_however_many_threads_are_live(tmp_path: Path) -> None:
    """It looks at its own threads alone; all of them were half a millisecond in each commit."""
    async with _opened(tmp_path / "a.db", one_word) as (runtime, journal):
        await _said(runtime.thread("a"))
        journal._claims = _NeverWalked(journal._claims)
        await _said(runtime.thread("a"))
        await _said(runtime.thread("b"))
        journal._claims = dict(dict.items(journal._claims))


async def test_a_turn_flat_out_is_a_few_rows_and_encodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pieces that come while a commit is under way are one event, one row and one encoding."""
    encoded: list[Entry] = []
    encode = step.encode
    monkeypatch.setattr(step, "encode", lambda entry: encoded.append(entry) or encode(entry))
    async with _opened(tmp_path / "a.db") as (runtime, journal):
        await _said(runtime.thread("t"))
        counted = journal.statistics()
    assert len(encoded) == counted.rows
    assert counted.rows <= 50


async def test_viewers_share_their_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many follow, a batch is put into a frame once, and there are few batches."""
    made: list[bytes] = []
    original = frames.text_frame
    monkeypatch.setattr(
        frames, "text_frame", lambda payload: made.append(payload) or original(payload)
    )
    seen: list[list[bytes]] = []
    async with _opened(tmp_path / "a.db") as (runtime, _), AsyncExitStack() as stack:
        thread = runtime.thread("t")
        async with trio.open_nursery() as nursery:
            for _ in range(VIEWERS):
                subscription = await stack.enter_async_context(thread.attach())
                seen.append([])
                nursery.start_soon(_follow, subscription, seen[-1])
            await _said(thread)
    every = {id(frame) for mine in seen for frame in mine}
    assert len(made) == len(every) <= 50
    assert all(len(mine) <= 50 for mine in seen)


async def _follow(subscription: AsyncIterator[object], frames_seen: list[bytes]) -> None:
    async for batch in subscription:
        if isinstance(batch, Events):
            text = frame_of(batch)
            assert isinstance(text, frames.SharedText)
            frames_seen.append(text.frame)
            if b'"turn.completed"' in text:
                return


async def test_a_compacted_turn_is_a_row_or_two(tmp_path: Path) -> None:
    """Of a finished turn one block of events and one part of history stay."""
    path = tmp_path / "a.db"
    async with _opened(path) as (runtime, _):
        for n in range(20):
            await _said(runtime.thread(f"t{n}"))
        await runtime.compact(everything=True)
    with closing(sqlite3.connect(path)) as db:
        counted = {
            table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("event", "part", "items")
        }
    assert counted["event"] <= 2 * 20
    assert counted == {**counted, "part": 20, "items": 0}


def test_a_row_takes_no_more_memory_than_it_is_long() -> None:
    """The tail's bound counts the bytes of its rows, so that has to be what they take."""
    entries = [Entry(n, n, 1.0, TurnDelta("t1", "t1.1", "tokens! ")) for n in range(1, 1001)]
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        rows = [encode(entry) for entry in entries]
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert taken <= sum(len(row.body) for row in rows) + 250 * len(rows)


async def test_an_idle_actor_is_few_objects(tmp_path: Path) -> None:
    """What a live thread leaves in memory between turns, in objects that the collector knows."""
    async with _opened(tmp_path / "a.db", one_word) as (runtime, _):
        await _touched(runtime, "warm", 50)
        before = _objects()
        await _touched(runtime, "more", 50)
        each = (_objects() - before) / 50
    assert each <= 64


async def _touched(runtime: Runtime, prefix: str, count: int) -> None:
    for n in range(count):
        await _said(runtime.thread(f"{prefix}{n}"))


def _objects() -> int:
    gc.collect()
    return len(gc.get_objects())


class _Round:
    """A piece of each of many threads, all said in one turn of the loop, and seen by a viewer."""

    def __init__(self, viewers: int) -> None:
        self.may_speak = trio.Event()
        self.seen = trio.Event()
        self._left = viewers

    def see(self, subscription: Subscription) -> None:
        """Take what is new as a connection at rest does."""
        subscription.ready = False
        events = subscription.pull_now()
        if events is not None:
            events.once(events_frame_of)
            self._left -= 1
        if not self._left:
            self.seen.set()


async def test_a_piece_at_a_pace_takes_few_calls(tmp_path: Path) -> None:
    """Calls of ours on the loop's side, from `write` to the frame, where nothing merges."""
    viewers, rounds = 20, [_Round(20) for _ in range(10)]
    seeing, counted = rounds[0], trio.Event()

    async def in_step(turn: Turn) -> None:
        for each in rounds:
            await each.may_speak.wait()
            await turn.write("tokens! ")
        await counted.wait()

    async with _opened(tmp_path / "a.db", in_step) as (runtime, journal):
        for n in range(viewers):
            thread = runtime.thread(f"t{n}")
            await thread.submit("speak")
            follows = runtime.registry.subscribe(f"t{n}", LOCAL, lambda s: seeing.see(s))
            await follows.attach(None)
            while await follows.pull() is not None:
                pass
            follows.ready = False
        before = journal.statistics()
        with calls_counted() as calls:
            for seeing in rounds:
                seeing.may_speak.set()
                await seeing.seen.wait()
        after = journal.statistics()
        counted.set()
    pieces = viewers * len(rounds)
    assert after.rows - before.rows == pieces
    assert calls.total() / pieces <= 55, calls.most_common()

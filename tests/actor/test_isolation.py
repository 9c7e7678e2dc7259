"""I10, I16: whatever one thread's handler or rows do, a hundred others stream on undisturbed.

Each case runs over the memory journal and over SQLite, whose appends share commits.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from attrs import evolve, frozen
from runtime_world import LIMITS, Counted, Now, Watcher

from actors import (
    CancelOutcome,
    Journal,
    JournalFenced,
    Limits,
    Rejected,
    Runtime,
    ThreadKind,
    Turn,
    open_runtime,
)
from actors.journal.memory import MemoryJournal
from actors.journal.sqlite import SqliteJournal, open_sqlite_journal
from actors.ports import Inline

if TYPE_CHECKING:
    from pathlib import Path

    from trio.testing import MockClock

    from actors.journal.contract import Append

OTHERS = 100
PIECES = 10
BAD = "bad"
BOUNDS: Limits = evolve(LIMITS, frame_bytes=20_000, item_bytes=100_000, restart_intensity=1)

Opens = Callable[["Path"], Awaitable[Any]]


class Meddled:
    """A journal in front of another, that changes what one thread appends."""

    def __init__(self, journal: Any) -> None:
        self.journal = journal
        self.meddle: Callable[[Append], Append] | None = None
        self.refused: list[Exception] = []
        self.in_flight = 0
        self.peak = 0  # since the bad thread's latest append began
        self.beside_refused = 0  # how many appends were in flight when one was refused first

    def __getattr__(self, name: str) -> Any:
        return getattr(self.journal, name)

    async def append_many(self, appends: Sequence[Append]) -> Sequence[Exception | None]:
        outcomes: list[Exception | None] = [None] * len(appends)

        async def write(number: int) -> None:
            try:
                await self.append(appends[number])
            except Exception as exc:
                outcomes[number] = exc

        async with trio.open_nursery() as nursery:
            for number in range(len(appends)):
                nursery.start_soon(write, number)
        return outcomes

    async def append(self, append: Append) -> None:
        if append.thread == BAD and self.meddle is not None:
            append = self.meddle(append)
        self.in_flight += 1
        self.peak = self.in_flight if append.thread == BAD else max(self.peak, self.in_flight)
        try:
            await self.journal.append(append)
        except Exception as exc:
            self.refused.append(exc)
            self.beside_refused = self.beside_refused or self.peak
            raise
        finally:
            self.in_flight -= 1


async def memory(_: Path) -> Journal:
    return MemoryJournal(limits=BOUNDS)


async def sqlite(directory: Path) -> Journal:
    """In this task, so that a virtual clock may be used."""
    path = directory / "chat.db"
    return await open_sqlite_journal(path, limits=BOUNDS, executor=Inline(), durability="relaxed")


BACKENDS: dict[str, Opens] = {"memory": memory, "sqlite": sqlite}


def pieces(thread: str) -> list[str]:
    return [f"{thread}:{number} " for number in range(PIECES)]


@frozen
class Scene:
    """A hundred threads that stream, and what one case needs to spoil another."""

    runtime: Runtime
    journal: Meddled
    misbehave: dict[str, Callable[[Turn], Awaitable[None]]]

    async def bad(self, text: str = "x", **more: Any) -> str:
        """Begin a turn on the bad thread whose handler is the case's own."""
        turn = (await self.runtime.thread(BAD).submit(text, **more)).turn
        await trio.sleep(0.2)
        return turn

    async def ends(self, turn: str) -> str:
        state = (await self.runtime.thread(BAD).outcome(turn)).state
        return str(state)


@asynccontextmanager
async def streaming(journal: Any) -> AsyncIterator[Scene]:
    """Have the others stream; on leaving, check that every one of them came out whole."""
    misbehave: dict[str, Callable[[Turn], Awaitable[None]]] = {}

    async def stream(turn: Turn) -> None:
        for piece in pieces(turn.thread):
            await turn.write(piece)
            await trio.sleep(1)

    async def on_bad_turn(turn: Turn) -> None:
        if turn.text == "fine":
            await turn.write("fine")
        else:
            await misbehave["turn"](turn)

    def kind_of(thread: str) -> ThreadKind:
        if thread == BAD:
            return ThreadKind(on_turn=on_bad_turn, no_progress=4)
        return ThreadKind(on_turn=stream)

    meddled = Meddled(journal)
    others = [f"other-{number}" for number in range(OTHERS)]
    turns: dict[str, str] = {}
    async with (
        trio.open_nursery() as nursery,
        open_runtime(
            meddled,  # type: ignore[arg-type]  # it passes on what it does not define
            kind_of=kind_of,
            limits=BOUNDS,
            ids=Counted(),
            clock=Now(),
        ) as runtime,
    ):
        watchers = {other: Watcher(runtime.thread(other)) for other in others}
        for other in others:
            turns[other] = (await runtime.thread(other).submit("go")).turn
            nursery.start_soon(watchers[other].run, "1.0" if journal.first_epoch == 1 else None)
        await trio.sleep(2)
        yield Scene(runtime, meddled, misbehave)
        await trio.sleep(PIECES + 5)
        for other in others:
            check_undisturbed(watchers[other], turns[other])
            settled = await runtime.thread(other).outcome(turns[other])
            assert settled.items[1].body["text"] == "".join(pieces(other))
        assert runtime.statistics().quarantined.keys() <= {BAD}
        nursery.cancel_scope.cancel()


def check_undisturbed(watcher: Watcher, turn: str) -> None:
    assert watcher.error is None
    assert watcher.detached is None
    assert watcher.snapshots <= 1  # the one that it began with
    assert watcher.endings == [(turn, "completed")]
    assert watcher.text.endswith("".join(pieces(watcher.thread.id))[-50:])
    if not watcher.snapshots:
        assert watcher.text == "".join(pieces(watcher.thread.id))


# What may happen to the bad thread.


async def raises(scene: Scene) -> None:
    async def misbehave(turn: Turn) -> None:
        await turn.write("half")
        raise ZeroDivisionError

    scene.misbehave["turn"] = misbehave
    assert await scene.ends(await scene.bad()) == "failed"


async def hangs_without_writing(scene: Scene) -> None:
    async def misbehave(turn: Turn) -> None:
        await trio.sleep_forever()

    scene.misbehave["turn"] = misbehave
    assert await scene.ends(await scene.bad()) == "timed_out"


async def swallows_cancellation(scene: Scene) -> None:
    async def misbehave(turn: Turn) -> None:
        for _ in range(3):
            try:
                await trio.sleep_forever()
            except trio.Cancelled:  # the very thing that must not be done
                with trio.CancelScope(shield=True):
                    await trio.sleep(3)

    scene.misbehave["turn"] = misbehave
    turn = await scene.bad()
    cancelled = await scene.runtime.thread(BAD).cancel(turn)
    assert cancelled.outcome is CancelOutcome.ABANDONED
    assert scene.runtime.statistics().abandoned == ((BAD, turn),)
    await scene.ends(await scene.bad("fine"))


async def is_stuck_in_a_worker_thread(scene: Scene) -> None:
    go_on = threading.Event()

    async def misbehave(turn: Turn) -> None:
        await trio.to_thread.run_sync(go_on.wait)

    scene.misbehave["turn"] = misbehave
    try:
        turn = await scene.bad()
        cancelled = await scene.runtime.thread(BAD).cancel(turn)
        assert cancelled.outcome is CancelOutcome.ABANDONED
        assert await scene.ends(await scene.bad("fine")) == "completed"
    finally:
        go_on.set()


async def writes_all_the_time(turn: Turn) -> None:
    """In the same instants as the others, so that they share commits."""
    while True:
        await turn.write("x")
        await trio.sleep(1)


async def is_fenced(scene: Scene) -> None:
    """Somebody else became its writer."""
    scene.misbehave["turn"] = writes_all_the_time
    turn = await scene.bad()
    await scene.journal.claim(BAD)
    assert await scene.ends(turn) == "interrupted"
    assert isinstance(scene.journal.refused[0], JournalFenced)


async def is_elsewhere_than_it_believes(scene: Scene) -> None:
    scene.misbehave["turn"] = writes_all_the_time
    turn = await scene.bad()

    def meddle(append: Append) -> Append:
        scene.journal.meddle = None
        rows = tuple(evolve(row, offset=row.offset + 7, to=row.to + 7) for row in append.rows)
        position = evolve(append.expected, offset=append.expected.offset + 7)
        head = evolve(append.head, offset=append.head.offset + 7)
        return evolve(append, expected=position, rows=rows, head=head)

    scene.journal.meddle = meddle
    assert await scene.ends(turn) == "interrupted"
    assert isinstance(scene.journal.refused[0], JournalFenced)


async def appends_too_much(scene: Scene) -> None:
    """An item that is allowed, and a row that is not."""

    async def misbehave(turn: Turn) -> None:
        await turn.write("half")
        await trio.sleep(1)
        await turn.item("note", "x" * 50_000)

    scene.misbehave["turn"] = misbehave
    assert await scene.ends(await scene.bad()) == "interrupted"
    assert "over 20000 bytes" in str(scene.journal.refused[0])


async def fails_again_and_again(scene: Scene) -> None:
    """Until it is set aside."""
    scene.misbehave["turn"] = writes_all_the_time
    await scene.bad()

    def meddle(append: Append) -> Append:
        raise RuntimeError("a bug")

    scene.journal.meddle = meddle
    await trio.sleep(5)
    assert list(scene.runtime.statistics().quarantined) == [BAD]
    assert scene.journal.refused == []  # it broke before it reached the journal
    with pytest.raises(Rejected, match="thread_failed"):
        await scene.bad()
    scene.journal.meddle = None


async def has_damaged_rows(scene: Scene) -> None:
    await scene.ends(await scene.bad("fine"))
    await scene.runtime.thread(BAD).end()  # so that the next activation has to read it
    await trio.sleep(1)
    damage(scene.journal.journal)
    with pytest.raises(Rejected, match="thread_failed"):
        await scene.bad()
    assert scene.runtime.statistics().quarantined == {BAD: "its rows in the journal are damaged"}


def damage(journal: MemoryJournal | SqliteJournal) -> None:
    if isinstance(journal, MemoryJournal):
        journal.damage(BAD)
        return
    db = journal._opened.db
    db.execute("UPDATE thread SET body = substr(body, 2) WHERE id = ?", (BAD,))


CASES = [
    raises,
    hangs_without_writing,
    swallows_cancellation,
    is_stuck_in_a_worker_thread,
    is_fenced,
    is_elsewhere_than_it_believes,
    appends_too_much,
    fails_again_and_again,
    has_damaged_rows,
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_one_bad_thread_leaves_a_hundred_others_undisturbed(
    autojump_clock: MockClock,
    tmp_path: Path,
    case: Callable[[Scene], Awaitable[None]],
    backend: str,
) -> None:
    journal = await BACKENDS[backend](tmp_path)
    async with streaming(journal) as scene:
        await case(scene)
    if scene.journal.refused:
        assert scene.journal.beside_refused > OTHERS / 2

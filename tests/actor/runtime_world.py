"""A runtime for tests: a journal that can be told to misbehave, ids that count, a clock to set."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from attrs import define, field

from actors import (
    CaughtUp,
    Detached,
    Events,
    Handler,
    HoldfastError,
    Limits,
    Rejected,
    Runtime,
    Snapshot,
    Thread,
    ThreadKind,
    Turn,
    TurnDelta,
    TurnEnded,
    open_runtime,
)
from actors.core.event_codec import decode
from actors.core.position import Position
from actors.journal.memory import MemoryJournal

if TYPE_CHECKING:
    from actors.journal.contract import Append, Claim, HistoryPage, Loaded

T = "t"
# Quick to wait for on a virtual clock, and small enough to reach.
LIMITS = Limits(idle_seconds=30, cancel_grace_seconds=5, drain_seconds=5)


class FakeJournal(MemoryJournal):
    """A memory journal that a test can hold up, or have fail, before or after it wrote.

    `on_append` and `on_claim` are called first, `after_append` once it is durable; what they raise
    is raised, and what they wait for is waited for. All three get the thread's id.
    """

    def __init__(self, first_epoch: int = 1, *, limits: Limits = LIMITS) -> None:
        super().__init__(first_epoch, limits=limits)
        self.on_append: Callable[[Append], Awaitable[None]] | None = None
        self.after_append: Callable[[Append], Awaitable[None]] | None = None
        self.on_claim: Callable[[str], Awaitable[None]] | None = None
        self.on_history: Callable[[str], Awaitable[None]] | None = None
        self.appended: list[Append] = []
        self.claimed: list[str] = []
        self.closed = 0
        self.ids = Counted()  # so that a restart goes on counting

    async def append(self, append: Append) -> None:
        if self.on_append is not None:
            await self.on_append(append)
        await super().append(append)
        self.appended.append(append)
        if self.after_append is not None:
            await self.after_append(append)

    async def claim(self, thread: str) -> Claim:
        self.claimed.append(thread)
        if self.on_claim is not None:
            await self.on_claim(thread)
        return await super().claim(thread)

    async def history(
        self, thread: str, before: str | int | None, limit: int, limit_bytes: int
    ) -> HistoryPage:
        if self.on_history is not None:
            await self.on_history(thread)
        return await super().history(thread, before, limit, limit_bytes)

    async def aclose(self) -> None:
        self.closed += 1
        await super().aclose()

    async def loaded(self, thread: str = T) -> Loaded:
        """What is on disk, whether the journal is open or not."""
        self.reopen()
        return await self.load(thread)

    async def events(self, thread: str = T) -> list[Any]:
        """Every event on disk, in order."""
        loaded = await self.loaded(thread)
        start = Position(loaded.head.epoch, 0)
        rows = await self.read(thread, start, 1 << 40) if loaded.head.offset else ()
        return [decode(row).event for row in rows]

    async def endings(self, thread: str = T) -> list[tuple[str, str]]:
        """The turns that ended, in order, and how."""
        events = await self.events(thread)
        return [(e.turn, e.state.value) for e in events if isinstance(e, TurnEnded)]

    async def said(self, thread: str = T, turn: str | None = None) -> str:
        """All text on disk, of one turn or of all."""
        events = await self.events(thread)
        deltas = (e for e in events if isinstance(e, TurnDelta))
        return "".join(e.text for e in deltas if turn in (None, e.turn))


class Raises:
    """An `on_append` and the like that raises for one thread, so many times."""

    def __init__(self, error: Exception, thread: str = T, times: int = 1) -> None:
        self.error = error
        self.thread = thread
        self.left = times

    async def __call__(self, what: Append | str) -> None:
        thread = what if isinstance(what, str) else what.thread
        if thread == self.thread and self.left:
            self.left -= 1
            raise self.error


class Holds:
    """An `on_append` and the like that holds one thread up until it is opened."""

    def __init__(self, thread: str = T) -> None:
        self.thread = thread
        self.gate = trio.Event()
        self.waiting = 0

    async def __call__(self, what: Append | str) -> None:
        thread = what if isinstance(what, str) else what.thread
        if thread == self.thread and not self.gate.is_set():
            self.waiting += 1
            await self.gate.wait()


@define
class Counted:
    """Ids `t1`, `t2` …, in the order in which they were asked for."""

    number: int = 0

    def fresh(self, prefix: str) -> str:
        self.number += 1
        return f"{prefix}{self.number}"


@define
class Now:
    """A clock that follows trio's, so that it can be virtual."""

    def now(self) -> float:
        return 1000.0 + trio.current_time()


@define
class World:
    """An open runtime with what it stands on."""

    runtime: Runtime
    journal: FakeJournal

    def thread(self, id: str = T) -> Thread:
        return self.runtime.thread(id)

    async def ends(self, turn: str, thread: str = T) -> str:
        """Wait until a turn has ended, and say how."""
        settled = await self.thread(thread).outcome(turn)
        assert settled.state is not None
        return settled.state.value

    async def asked(self, content: str = "hi", thread: str = T, **more: Any) -> str:
        """Submit, and return the turn's id."""
        return (await self.thread(thread).submit(content, **more)).turn

    async def started(self, content: str = "hi", thread: str = T, **more: Any) -> str:
        """Submit, and wait until the turn's handler stands still."""
        turn = await self.asked(content, thread, **more)
        await trio.testing.wait_all_tasks_blocked()
        return turn


@asynccontextmanager
async def open_world(
    on_turn: Handler | None = None,
    *,
    journal: FakeJournal | None = None,
    limits: Limits = LIMITS,
    kind: ThreadKind | None = None,
    kind_of: Callable[[str], ThreadKind] | None = None,
    opener: Callable[[], Awaitable[FakeJournal]] | None = None,
) -> AsyncIterator[World]:
    """Open a runtime on a fake journal, with counted ids and a clock of trio's time."""
    journal = journal or FakeJournal(limits=limits)
    if kind is not None:
        kind_of = lambda _: kind  # noqa: E731 - one line says it
    async with open_runtime(
        opener or journal,
        on_turn=None if kind_of else (on_turn or echo),
        kind_of=kind_of,
        limits=limits,
        ids=journal.ids,
        clock=Now(),
    ) as runtime:
        yield World(runtime, journal)


async def echo(turn: Turn) -> None:
    """Say what was said."""
    await turn.write(turn.text)


async def until_stopped(turn: Turn) -> None:
    """Say what was said, and then wait to be stopped, unless it begins with `quick`."""
    await turn.write(turn.text)
    if not turn.text.startswith("quick"):
        await trio.sleep_forever()


async def takes(turn: Turn) -> None:
    """Take as many seconds as the text says."""
    await turn.write("begun ")
    await trio.sleep(float(turn.text))
    await turn.write("done")


async def refused(call: Awaitable[object]) -> str:
    """Return the code with which a call is refused."""
    with pytest.raises(Rejected) as caught:
        await call
    return caught.value.code


def reopening(journal: FakeJournal) -> Callable[[], Awaitable[FakeJournal]]:
    """An opener that brings the one journal back, as opening its file anew would."""

    async def opener() -> FakeJournal:
        await trio.lowlevel.checkpoint()
        journal.reopen()
        return journal

    return opener


@define
class Watcher:
    """Somebody who watches a thread, and checks what comes as it comes (I3)."""

    thread: Thread
    position: Position | None = None
    text: str = ""
    endings: list[tuple[str, str]] = field(factory=list)
    snapshots: int = 0
    caught_up: int = 0
    detached: str | None = None
    error: Exception | None = None

    async def run(self, after: str | None = None) -> None:
        try:
            async with self.thread.attach(after=after) as subscription:
                self.position = subscription.position
                async for batch in subscription:
                    self.take(batch)
        except HoldfastError as exc:
            self.error = exc

    def take(self, batch: Snapshot | Events | CaughtUp | Detached) -> None:
        if isinstance(batch, Events):
            assert self.position is not None
            at = self.position.offset
            for row, entry in zip(batch.rows, batch.entries, strict=True):
                assert row.offset == at + 1, "a gap or a repeat"
                at = row.to
                if isinstance(entry.event, TurnDelta):
                    self.text += entry.event.text
                if isinstance(entry.event, TurnEnded):
                    self.endings.append((entry.event.turn, entry.event.state.value))
        elif isinstance(batch, Snapshot):
            self.snapshots += 1
        elif isinstance(batch, CaughtUp):
            self.caught_up += 1
        else:
            self.detached = batch.reason
        self.position = batch.position


def runtime_tasks() -> list[str]:
    """The names of all tasks that belong to a runtime of this trio run."""
    root = trio.lowlevel.current_root_task()
    assert root is not None
    found: list[str] = []
    todo = [task for nursery in root.child_nurseries for task in nursery.child_tasks]
    while todo:
        task = todo.pop()
        children = [t for nursery in task.child_nurseries for t in nursery.child_tasks]
        todo += children
        if task.name == "holdfast.runtime" or ".actors." in f".{task.name}":
            found.append(task.name)
    return found

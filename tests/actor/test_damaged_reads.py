"""I16: damage that only a reader meets sets its thread aside, as damage that its actor meets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from runtime_world import FakeJournal, Holds, Watcher, World, open_world, refused, until_stopped

from actors import JournalCorrupt, Position, Row

if TYPE_CHECKING:
    from actors.journal.contract import HistoryPage, Settled

ASIDE = {"t": "its rows in the journal are damaged"}


class Rotten(FakeJournal):
    """A journal with damage where nobody but a reader looks, in one thread."""

    rotten = False

    def _look(self, thread: str) -> None:
        if self.rotten and thread == "t":
            raise JournalCorrupt("a row is damaged")

    async def read(self, thread: str, after: Position, limit_bytes: int) -> tuple[Row, ...]:
        self._look(thread)
        return await super().read(thread, after, limit_bytes)

    async def history(
        self, thread: str, before: str | int | None, limit: int, limit_bytes: int
    ) -> HistoryPage:
        self._look(thread)
        return await super().history(thread, before, limit, limit_bytes)

    async def settled(self, thread: str, owner: str) -> Settled | None:
        self._look(thread)
        return await super().settled(thread, owner)


async def resume(world: World) -> None:
    async with world.thread().attach(after=Position(1, 0).cursor()) as subscription:
        async for _ in subscription:
            pass


async def show(world: World) -> None:
    async with world.thread().attach():
        pass


async def page(world: World) -> None:
    await world.thread().history()


async def ask(world: World) -> None:
    await world.thread().outcome("t1")


WAYS: list[Callable[[World], Awaitable[Any]]] = [resume, show, page, ask]


@asynccontextmanager
async def rotting() -> AsyncIterator[tuple[World, Rotten]]:
    """A thread with a turn that ended, nothing of it in memory, and damage on disk."""
    journal = Rotten()
    async with open_world(until_stopped, journal=journal) as world:
        await world.ends(await world.asked("quick"))
        await trio.sleep(100)
        journal.rotten = True
        yield world, journal
        assert await world.ends(await world.asked("quick", "u"), "u") == "completed"


@pytest.mark.parametrize("meets", WAYS)
async def test_a_thread_whose_damage_a_reader_meets_is_set_aside_until_it_is_released(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture, meets: Callable[[World], Awaitable[Any]]
) -> None:
    async with rotting() as (world, journal):
        for _ in range(2):  # the second reader is told as the first was, and adds nothing
            with pytest.raises(JournalCorrupt):
                await meets(world)
        assert world.runtime.statistics().quarantined == ASIDE
        assert await refused(world.thread().submit("quick")) == "thread_failed"
        assert caplog.text.count("thread t is quarantined") == 1
        journal.rotten = False
        assert world.runtime.registry.release("t") is True
        assert await world.ends(await world.asked("quick")) == "completed"


async def test_a_turn_that_runs_meanwhile_is_stopped_and_who_watches_is_detached(
    autojump_clock: Any,
) -> None:
    journal = Rotten()
    async with open_world(until_stopped, journal=journal) as world, trio.open_nursery() as nursery:
        turn = await world.started("first")
        watcher = Watcher(world.thread())
        nursery.start_soon(watcher.run)
        await trio.testing.wait_all_tasks_blocked()
        journal.rotten = True
        with pytest.raises(JournalCorrupt):
            await page(world)
        assert await refused(world.thread().submit("x", on_busy="queue")) == "thread_failed"
        await trio.testing.wait_all_tasks_blocked()
        assert world.runtime.statistics().quarantined == ASIDE
        assert watcher.detached == "failed"
        assert world.runtime.registry.figures.active == 0
        journal.rotten = False
        assert world.runtime.registry.release("t") is True
        assert await world.ends(turn) == "interrupted"
        nursery.cancel_scope.cancel()


async def test_an_actor_that_is_on_its_way_does_not_begin(autojump_clock: Any) -> None:
    """What waited for it is refused; nothing is written to a thread that is set aside."""
    async with rotting() as (world, journal):
        journal.on_claim = claims = Holds()
        appended = len(journal.appended)
        async with trio.open_nursery() as nursery:
            told: list[str] = []

            async def submits() -> None:
                told.append(await refused(world.thread().submit("quick")))

            nursery.start_soon(submits)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(JournalCorrupt):
                await page(world)
            claims.gate.set()
        await trio.testing.wait_all_tasks_blocked()
        assert told == ["thread_failed"]
        assert len(journal.appended) == appended
        assert world.runtime.registry.figures.active == 0
        assert world.runtime.statistics().quarantined == ASIDE
        journal.rotten = False
        assert world.runtime.registry.release("t") is True
        assert await world.ends(await world.asked("quick")) == "completed"

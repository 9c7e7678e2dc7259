"""A journal that fails as a whole is nobody's fault, and is opened anew."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from attrs import evolve
from runtime_world import (
    LIMITS,
    FakeJournal,
    Holds,
    Raises,
    Watcher,
    World,
    echo,
    open_world,
    refused,
    reopening,
    runtime_tasks,
    until_stopped,
)

from actors import JournalCorrupt, JournalUnavailable, Projection, Snapshot, ThreadKind

if TYPE_CHECKING:
    from trio.testing import MockClock


async def test_a_journal_that_fails_is_nobodys_fault_and_is_opened_anew(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Everybody is refused, nothing is counted, what ran ends interrupted, and all go on."""
    journal = FakeJournal()
    tries: list[float] = []

    async def opener() -> FakeJournal:
        tries.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if len(tries) > 1 and trio.current_time() < 10:
            raise JournalUnavailable("still broken")
        journal.reopen()
        return journal

    async with (
        open_world(until_stopped, journal=journal, opener=opener) as world,
        trio.open_nursery() as nursery,
    ):
        turns = {name: await world.started("first", thread=name) for name in "tuv"}
        watchers = {name: Watcher(world.thread(name)) for name in "tuv"}
        for watcher in watchers.values():
            nursery.start_soon(watcher.run)
        await trio.testing.wait_all_tasks_blocked()
        journal.fail()
        assert await refused(world.thread("t").submit("x", on_busy="queue")) == (
            "journal_unavailable"
        )
        await trio.sleep(2)
        for name in "tuvw":
            assert await refused(world.thread(name).submit("x")) == "journal_unavailable"
        assert world.runtime.statistics().journal_failed
        assert world.runtime.statistics().active == 0
        for name, turn in turns.items():
            await trio.sleep_until(10.5)
            assert await world.ends(turn, name) == "interrupted"
            assert await world.ends(await world.asked("quick", thread=name), name) == "completed"
        await trio.testing.wait_all_tasks_blocked()
        statistics = world.runtime.statistics()
        assert not statistics.journal_failed
        assert (statistics.restarts, statistics.quarantined) == (0, {})
        for name, watcher in watchers.items():
            assert (watcher.snapshots, watcher.detached, watcher.error) == (1, None, None)
            assert watcher.endings[0] == (turns[name], "interrupted")
        assert len(tries) == pytest.approx(11, abs=2)  # one a second
        nursery.cancel_scope.cancel()
    assert "the journal is open again" in caplog.text


async def attached(world: World) -> None:
    async with world.thread().attach():
        pass


async def attached_behind(world: World) -> None:
    async with world.thread().attach("1.1") as subscription:
        await anext(subscription)


READS: dict[str, Callable[[World], Awaitable[object]]] = {
    "history": lambda world: world.thread().history(),
    "progress": lambda world: world.thread().progress(),
    "projection": lambda world: world.thread().projection("count"),
    "outcome": lambda world: world.thread().outcome("t1"),
    "attach": attached,
    "resume": attached_behind,
    "threads": lambda world: world.runtime.threads(),
    "compact": lambda world: world.runtime.compact(),
}


@pytest.mark.parametrize("read", READS)
async def test_whoever_reads_in_vain_has_the_journal_opened_anew(
    read: str, autojump_clock: MockClock
) -> None:
    """Nobody has to write before the runtime learns that its file is gone."""
    journal = FakeJournal()
    count = Projection(0, lambda state, _: state + 1)
    kind = ThreadKind(on_turn=until_stopped, projections={"count": count})
    async with open_world(kind=kind, journal=journal, opener=reopening(journal)) as world:
        assert await world.ends(await world.asked("quick")) == "completed"
        await trio.sleep(LIMITS.idle_seconds + 1)  # nothing of it is in memory any more
        journal.fail()
        with pytest.raises(JournalUnavailable):
            await READS[read](world)
        assert world.runtime.statistics().journal_failed
        await trio.sleep(LIMITS.journal_reopen_seconds / 2)
        assert not world.runtime.statistics().journal_failed
        await READS[read](world)


async def test_a_read_that_fails_after_its_journal_was_replaced_is_no_news(
    autojump_clock: MockClock,
) -> None:
    journal = FakeJournal()
    late = Holds()
    async with (
        open_world(until_stopped, journal=journal, opener=reopening(journal)) as world,
        trio.open_nursery() as nursery,
    ):
        await world.ends(await world.asked("quick"))

        async def held(thread: str) -> None:
            await late(thread)
            raise JournalUnavailable("of the one before")

        async def read() -> None:
            with pytest.raises(JournalUnavailable, match="of the one before"):
                await world.thread().history()

        journal.on_history = held
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        journal.on_history = None
        journal.fail()
        with pytest.raises(JournalUnavailable):
            await world.runtime.threads()
        await trio.sleep(LIMITS.journal_reopen_seconds / 2)
        opened = journal.closed
        late.gate.set()
        await trio.testing.wait_all_tasks_blocked()
        assert not world.runtime.statistics().journal_failed
        await trio.sleep(LIMITS.journal_reopen_seconds * 2)
        assert journal.closed == opened


async def test_an_ending_that_was_durable_when_the_journal_failed_reaches_who_waits_for_it(
    autojump_clock: MockClock,
) -> None:
    """I3, I20: nothing is unsettled after reopening, so no activation would tell."""
    journal = FakeJournal()
    async with (
        open_world(until_stopped, journal=journal, opener=reopening(journal)) as world,
        trio.open_nursery() as nursery,
    ):
        turn = await world.started("first")
        watcher = Watcher(world.thread())
        nursery.start_soon(watcher.run)
        ends: list[str] = []
        ended = trio.Event()

        async def wait() -> None:
            ends.append(await world.ends(turn))
            ended.set()

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        journal.after_append = Raises(JournalUnavailable("lost on the way back"))
        assert await refused(world.thread().cancel()) == "journal_unavailable"
        with trio.fail_after(60):
            await ended.wait()
        assert ends == ["cancelled"]
        assert watcher.endings == [(turn, "cancelled")]
        async with world.thread().attach() as subscription:
            snapshot = await anext(subscription)
            assert isinstance(snapshot, Snapshot)
            assert snapshot.turn is None
        nursery.cancel_scope.cancel()


async def test_a_journal_that_fails_again_while_it_is_settled_is_opened_once_more(
    autojump_clock: MockClock,
) -> None:
    """The runtime outlives a disk that comes and goes."""
    journal = FakeJournal()
    opened: list[float] = []

    async def opener() -> FakeJournal:
        opened.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        journal.reopen()
        return journal

    async with open_world(until_stopped, journal=journal, opener=opener) as world:
        turn = await world.started("first")
        journal.on_append = Raises(JournalUnavailable("the disk went"), times=4)
        assert await refused(world.thread().submit("x", on_busy="queue")) == ("journal_unavailable")
        await trio.sleep(30)
        assert await world.ends(turn) == "interrupted"
        assert await world.ends(await world.asked("quick")) == "completed"
        assert len(opened) == 1 + 4
        # Between tries it waits, so that a disk that is gone is not hammered.
        assert opened[-1] - opened[1] >= 2 * LIMITS.journal_reopen_seconds


async def test_a_journal_that_cannot_even_list_after_it_was_opened_is_closed_and_tried_again(
    autojump_clock: MockClock,
) -> None:
    """No opened journal is left behind: it holds a lock on its file."""
    journals: list[FakeJournal] = []
    shared = FakeJournal()

    class Flaky(FakeJournal):
        def __init__(self, calls: int) -> None:
            super().__init__()
            self._threads = shared._threads
            self.calls = calls  # of `unsettled` that succeed

        async def unsettled(self) -> tuple[str, ...]:
            self.calls -= 1
            if self.calls < 0:
                raise JournalUnavailable("gone again")
            return await super().unsettled()

    async def opener() -> FakeJournal:
        await trio.lowlevel.checkpoint()
        # The second cannot list at all, the third can once, and not when it is settled.
        journals.append(Flaky({1: 0, 2: 1}.get(len(journals), 1000)))
        return journals[-1]

    async with open_world(until_stopped, opener=opener) as world:
        turn = await world.started("first")
        journals[0].fail()
        assert await refused(world.thread().cancel()) == "journal_unavailable"
        await trio.sleep(30)
        assert await world.ends(turn) == "interrupted"
        assert [bool(journal.closed) for journal in journals] == [True, True, True, False]


async def test_a_quarantined_thread_stays_so_when_the_journal_is_opened_anew(
    autojump_clock: MockClock,
) -> None:
    """I10: until an operator releases it."""
    journal = FakeJournal()
    async with open_world(until_stopped, journal=journal, opener=reopening(journal)) as world:
        await world.started("first")
        journal.on_append = Raises(RuntimeError("a bug"), times=100)
        await refused(world.thread().submit("x", on_busy="queue"))
        await trio.sleep(1)
        assert world.runtime.registry.is_failed("t")
        journal.on_append = None
        claimed = journal.claimed.count("t")
        journal.fail()
        assert await refused(world.thread("u").submit("x")) == "journal_unavailable"
        await trio.sleep(5)
        assert await world.ends(await world.asked("quick", thread="u"), "u") == "completed"
        assert await refused(world.thread().submit("x")) == "thread_failed"
        assert journal.claimed.count("t") == claimed
        async with world.thread().attach() as subscription:
            assert isinstance(await anext(subscription), Snapshot)


async def test_settling_after_a_failure_is_as_bounded_as_at_the_start(
    autojump_clock: MockClock,
) -> None:
    """I12: `recovery_concurrency` counts threads with viewers as well."""
    journal = FakeJournal()
    limits = evolve(LIMITS, recovery_concurrency=2)
    names = [f"t{n}" for n in range(10)]
    at_once = [0, 0]

    async def slowly(thread: str) -> None:
        at_once[0] += 1
        at_once[1] = max(at_once)
        await trio.sleep(1)
        at_once[0] -= 1

    async with (
        open_world(
            until_stopped, journal=journal, limits=limits, opener=reopening(journal)
        ) as world,
        trio.open_nursery() as nursery,
    ):
        for name in names:
            await world.asked("first", thread=name)
            nursery.start_soon(Watcher(world.thread(name)).run)
        await trio.testing.wait_all_tasks_blocked()
        journal.fail()
        assert await refused(world.thread("new").submit("x")) == "journal_unavailable"
        journal.on_claim = slowly
        await trio.sleep(30)
        assert at_once[1] == 2
        nursery.cancel_scope.cancel()


async def test_damage_that_compaction_meets_stops_nobody(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """I16."""

    class Damaged(FakeJournal):
        async def compact(self, ended_before: float, keys_before: float, limit: int) -> int:
            raise JournalCorrupt("damaged")

    async with open_world(echo, journal=Damaged()) as world:
        await trio.sleep(200)
        assert await world.ends(await world.asked("quick")) == "completed"
    assert "compaction met damage" in caplog.text


async def test_a_runtime_that_breaks_stops_its_user_with_the_reason_and_closes_the_journal(
    autojump_clock: MockClock,
) -> None:
    """A bug in the runtime itself: never silent, unwrapped, and nobody waits for ever (I20)."""

    class Breaks(FakeJournal):
        async def compact(self, ended_before: float, keys_before: float, limit: int) -> int:
            raise ZeroDivisionError

    journal = Breaks()
    reached: list[str] = []
    worlds: list[World] = []

    async def outside(world: World) -> None:
        reached.append(await refused(world.thread().submit("x")))

    async def use() -> None:
        async with open_world(echo, journal=journal) as world:
            worlds.append(world)
            journal.on_append = Holds()
            nursery.start_soon(outside, world)
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        with pytest.raises(ZeroDivisionError):
            await use()
        assert await refused(worlds[0].thread().submit("x")) == "draining"
    assert reached == ["internal"]
    assert journal.closed
    assert runtime_tasks() == []


async def test_a_kind_that_cannot_be_named_fails_its_thread_alone(
    autojump_clock: MockClock,
) -> None:
    def kind_of(thread: str) -> ThreadKind:
        if thread == "t":
            raise KeyError(thread)
        return ThreadKind(on_turn=echo)

    async with open_world(kind_of=kind_of) as world:
        assert await refused(world.thread().submit("x")) == "thread_failed"
        assert await world.ends(await world.asked("quick", thread="u"), "u") == "completed"

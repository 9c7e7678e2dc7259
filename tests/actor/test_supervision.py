"""I10, I16: an actor fails alone, is restarted, and is set aside when that does not help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    open_world,
    refused,
    until_stopped,
)

from actors import (
    CancelOutcome,
    InternalError,
    JournalCorrupt,
    JournalFenced,
    Rejected,
    Snapshot,
    Turn,
)
from actors.actor.turn_runner import TurnRunner

if TYPE_CHECKING:
    from trio.testing import MockClock

    from actors.journal.contract import Append


async def test_a_failing_actor_restarts_and_its_viewers_notice_nothing(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The command in hand is answered; the turn ends interrupted; everybody stays attached."""
    journal = FakeJournal()
    async with open_world(until_stopped, journal=journal) as world, trio.open_nursery() as nursery:
        turn = await world.started("first")
        watcher = Watcher(world.thread())
        nursery.start_soon(watcher.run)
        await trio.testing.wait_all_tasks_blocked()
        journal.on_append = Raises(RuntimeError("a bug"))
        assert await refused(world.thread().submit("second", on_busy="queue")) == "internal"
        assert await world.ends(turn) == "interrupted"
        last = await world.asked("quick")
        assert await world.ends(last) == "completed"
        await trio.testing.wait_all_tasks_blocked()
        assert world.runtime.statistics().restarts == 1
        assert world.runtime.statistics().quarantined == {}
        assert (watcher.snapshots, watcher.caught_up, watcher.detached) == (1, 1, None)
        assert watcher.endings == [(turn, "interrupted"), (last, "completed")]
        nursery.cancel_scope.cancel()
    assert "the actor of thread t failed; restarting" in caplog.text
    assert [e.reason for e in await journal.events() if getattr(e, "reason", None)] == [
        "actor_failed"
    ]


async def test_what_was_durable_when_the_actor_failed_is_shown_by_its_next_activation(
    autojump_clock: MockClock,
) -> None:
    """B21, I3: the commit whose acknowledgement was lost."""
    journal = FakeJournal()
    async with open_world(until_stopped, journal=journal) as world, trio.open_nursery() as nursery:
        await world.ends(await world.asked("quick"))
        watcher = Watcher(world.thread())
        nursery.start_soon(watcher.run)
        await trio.testing.wait_all_tasks_blocked()
        journal.after_append = Raises(InternalError("lost on the way back"))
        assert await refused(world.thread().submit("x", key="k")) == "internal"
        again = await world.thread().submit("x", key="k", on_busy="queue")
        assert again.duplicate  # I8: it was accepted, whatever the caller was told
        assert await world.ends(again.turn) == "interrupted"
        await trio.testing.wait_all_tasks_blocked()
        assert watcher.endings == [(again.turn, "interrupted")]
        assert watcher.snapshots == 1
        nursery.cancel_scope.cancel()


async def test_an_actor_that_fails_while_it_reads_a_fact_answers_its_command(
    autojump_clock: MockClock,
) -> None:
    """I20."""

    class Unreadable(FakeJournal):
        async def settled(self, thread: str, owner: str) -> Any:
            if owner == "ghost":
                raise RuntimeError("a bug")
            return await super().settled(thread, owner)

    async with open_world(until_stopped, journal=Unreadable()) as world:
        turn = await world.asked("quick")
        await world.ends(turn)
        assert await refused(world.thread().cancel("ghost")) == "internal"
        assert (await world.thread().cancel(turn)).outcome is CancelOutcome.ALREADY_ENDED


async def test_everybody_who_waits_for_a_failing_actor_is_answered(
    autojump_clock: MockClock,
) -> None:
    """I20: those in the commit, those decided behind it, those who wait for an ending."""
    journal = FakeJournal()
    answers: list[str] = []

    async def ask(call: Any) -> None:
        try:
            answers.append(type(await call).__name__)
        except Rejected as refused:
            answers.append(refused.code)

    async with open_world(lingers, journal=journal) as world:
        await world.started("x")
        thread = world.thread()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, thread.cancel())
            await trio.testing.wait_all_tasks_blocked()
            journal.on_append = holds = HoldsThenRaises(RuntimeError("a bug"))
            for number in range(3):
                nursery.start_soon(ask, thread.submit(str(number), on_busy="queue"))
                await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(ask, thread.end())
            await trio.testing.wait_all_tasks_blocked()
            assert answers == []
            holds.gate.set()
        # `end` was not decided yet: it is served by the next activation, or was refused with the
        # others where it was in hand.
        assert len(answers) == 5
        assert answers.count("internal") >= 4
        journal.on_append = None
        await trio.sleep(10)


async def lingers(turn: Turn) -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep(3)


class HoldsThenRaises(Holds):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    async def __call__(self, what: Append | str) -> None:
        if not self.gate.is_set():
            await super().__call__(what)
            raise self.error


async def test_a_handler_that_outlives_its_failing_actor_is_stranded_with_it(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """B13, B14, I1, I7: the fresh activation does not wait, the old handler reaches nothing."""
    release = trio.Event()
    journal = FakeJournal()

    async def stubborn(turn: Turn) -> None:
        await turn.write(turn.text)
        if turn.text == "stay":
            with trio.CancelScope(shield=True):
                await release.wait()
            await turn.write("late")

    async with open_world(stubborn, journal=journal) as world:
        turn = await world.started("stay")
        journal.on_append = Raises(RuntimeError("a bug"))
        assert await refused(world.thread().submit("x", on_busy="queue")) == "internal"
        assert await world.ends(turn) == "interrupted"
        assert world.runtime.statistics().abandoned == (("t", turn),)
        assert await world.ends(await world.asked("quick")) == "completed"
        release.set()
        await trio.testing.wait_all_tasks_blocked()
        assert world.runtime.statistics().abandoned == ()
        assert world.runtime.statistics().restarts == 1
    assert "late" not in await journal.said()


async def test_an_actor_that_fails_too_often_is_set_aside_and_no_other(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """I10: named in the log and in the statistics, readable, and nobody else's matter."""
    journal = FakeJournal()
    limits = evolve(LIMITS, restart_intensity=2)
    async with (
        open_world(until_stopped, journal=journal, limits=limits) as world,
        trio.open_nursery() as nursery,
    ):
        turn = await world.started("first")
        watcher = Watcher(world.thread())
        nursery.start_soon(watcher.run)
        await trio.testing.wait_all_tasks_blocked()
        journal.on_append = Raises(RuntimeError("a bug"), times=100)
        assert await refused(world.thread().submit("x", on_busy="queue")) == "internal"
        assert await refused(world.thread().outcome(turn)) == "thread_failed"
        assert await refused(world.thread().submit("x")) == "thread_failed"
        assert await refused(world.thread().cancel()) == "thread_failed"
        statistics = world.runtime.statistics()
        assert statistics.quarantined == {"t": "its actor failed too often"}
        assert (statistics.restarts, statistics.active) == (3, 0)
        assert watcher.detached == "failed"
        assert await world.ends(await world.asked("quick", thread="u"), "u") == "completed"
        # Readable where its rows are sound (I10, I16).
        async with world.thread().attach() as subscription:
            snapshot = await anext(subscription)
            assert isinstance(snapshot, Snapshot)
            assert snapshot.turn is not None
            assert snapshot.turn.turn == turn
        assert (await world.thread().history()).items == ()
        journal.on_append = None
        nursery.cancel_scope.cancel()
    assert "thread t is quarantined: its actor failed too often" in caplog.text


async def test_a_quarantined_thread_is_shown_as_it_is_on_disk(
    autojump_clock: MockClock,
) -> None:
    """I3, I10: with what was durable and never published before it was set aside."""
    journal = FakeJournal()
    limits = evolve(LIMITS, restart_intensity=1)
    async with (
        open_world(until_stopped, journal=journal, limits=limits) as world,
        trio.open_nursery() as nursery,
    ):
        await world.ends(await world.asked("quick"))
        nursery.start_soon(Watcher(world.thread()).run)
        await trio.testing.wait_all_tasks_blocked()
        journal.after_append = Raises(InternalError("lost on the way back"), times=100)
        assert await refused(world.thread().submit("x")) == "internal"
        await trio.sleep(1)
        assert world.runtime.registry.is_failed("t")
        async with world.thread().attach() as subscription:
            snapshot = await anext(subscription)
        assert snapshot.position == journal._threads["t"].head.position
        nursery.cancel_scope.cancel()


async def test_a_release_settles_the_thread_and_lets_commands_in_again(
    autojump_clock: MockClock,
) -> None:
    """I10, I9: what was open ends, what waited runs, without anybody asking for it."""
    journal = FakeJournal()
    async with open_world(until_stopped, journal=journal) as world:
        registry = world.runtime.registry
        assert world.runtime.release("t") is False
        turn = await world.started("first")
        waiting = await world.asked("quick", on_busy="queue")
        journal.on_append = Raises(RuntimeError("a bug"), times=100)
        await refused(world.thread().submit("x", on_busy="queue"))
        await trio.sleep(1)
        assert registry.is_failed("t")
        journal.on_append = None
        assert world.runtime.release("t") is True
        assert not registry.is_failed("t")
        assert await world.ends(turn) == "interrupted"
        assert await world.ends(waiting) == "completed"
        assert await world.ends(await world.asked("quick")) == "completed"
        # The count starts afresh.
        journal.on_append = Raises(RuntimeError("a bug"))
        assert await refused(world.thread().submit("x")) == "internal"
        assert await world.ends(await world.asked("quick")) == "completed"


async def test_failures_that_lie_far_apart_are_never_too_many(autojump_clock: MockClock) -> None:
    journal = FakeJournal()
    limits = evolve(LIMITS, restart_intensity=1, restart_period_seconds=60, idle_seconds=1000)
    async with open_world(until_stopped, journal=journal, limits=limits) as world:
        await world.ends(await world.asked("quick"))
        for _ in range(5):
            journal.on_append = Raises(RuntimeError("a bug"))
            assert await refused(world.thread().submit("quick")) == "internal"
            await trio.sleep(61)
        assert await world.ends(await world.asked("quick")) == "completed"
        assert world.runtime.statistics().restarts == 5


@pytest.mark.parametrize(
    "error", [JournalFenced("another writer"), InternalError("too large"), RuntimeError("a bug")]
)
async def test_one_refused_append_costs_one_restart(
    autojump_clock: MockClock, error: Exception
) -> None:
    journal = FakeJournal()
    async with open_world(until_stopped, journal=journal) as world:
        await world.ends(await world.asked("quick"))
        journal.on_append = Raises(error)
        assert await refused(world.thread().submit("quick")) == "internal"
        assert await world.ends(await world.asked("quick")) == "completed"
        assert world.runtime.statistics().restarts == 1


async def test_a_thread_whose_rows_are_damaged_is_set_aside_at_once(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """I16: it never loads as empty."""
    journal = FakeJournal()
    async with open_world(until_stopped, journal=journal) as world:
        await world.ends(await world.asked("quick"))
        await trio.sleep(100)
        journal.damage("t")
        assert await refused(world.thread().submit("quick")) == "thread_failed"
        assert world.runtime.statistics().quarantined == {
            "t": "its rows in the journal are damaged"
        }
        assert world.runtime.statistics().restarts == 1
        with pytest.raises(JournalCorrupt):
            async with world.thread().attach():
                pass
    assert "thread t is quarantined" in caplog.text


async def test_who_was_under_way_when_damage_was_met_may_ask_again_and_is_told_for_good(
    autojump_clock: MockClock,
) -> None:
    """I8: what became of the command nobody knows, so its first answer is not the last."""
    journal = FakeJournal()
    async with open_world(until_stopped, journal=journal) as world, trio.open_nursery() as nursery:
        await world.ends(await world.asked("quick"))
        held = Holds()

        async def durable_and_damaged(append: Append) -> None:
            await held(append)
            raise JournalCorrupt("met on the way back")

        journal.after_append = durable_and_damaged
        told: list[tuple[str, bool]] = []

        async def submits(text: str, on_busy: str) -> None:
            with pytest.raises(Rejected) as caught:
                await world.thread().submit(text, key=text, on_busy=on_busy)
            told.append((caught.value.code, caught.value.retryable))

        nursery.start_soon(submits, "first", "reject")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(submits, "second", "queue")
        await trio.testing.wait_all_tasks_blocked()
        held.gate.set()
        await trio.testing.wait_all_tasks_blocked()
        assert told == [("internal", True), ("internal", True)]
        assert (await journal.receipt("t", "local", "first")) is not None
        await submits("first", "reject")
        assert told[2:] == [("thread_failed", False)]


async def test_history_that_is_damaged_sets_the_thread_aside_and_is_not_the_handlers_failure(
    autojump_clock: MockClock,
) -> None:
    """I16: a turn is not run on a history that cannot be read."""
    journal = FakeJournal()
    ran: list[str] = []

    async def handler(turn: Turn) -> None:
        ran.append(turn.id)

    async with open_world(handler, journal=journal) as world:
        await world.ends(await world.asked("quick"))
        await trio.sleep(100)  # and its actor has gone, with the history that it kept
        journal.on_history = Raises(JournalCorrupt("damaged"))
        turn = await world.started("x")
        assert await refused(world.thread().outcome(turn)) == "thread_failed"
        assert (await world.thread().outcome("t1")).owner == "t1"
        assert world.runtime.statistics().quarantined != {}
        assert ran == ["t1"]


async def test_a_task_of_the_actor_that_breaks_leaves_nobody_without_an_answer(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I20: a bug beside the actor's loop cancels it; that counts as its failure."""
    broken = [True]
    watch = TurnRunner.watch

    async def breaks(self: TurnRunner) -> None:
        if broken:  # the first turn
            broken.clear()
            await trio.sleep(1)
            raise RuntimeError("a bug")
        await watch(self)

    monkeypatch.setattr(TurnRunner, "watch", breaks)
    async with open_world(lingers) as world:
        await world.started("x")
        assert await refused(world.thread().cancel()) == "internal"
        assert await world.ends(await world.asked("y", on_busy="queue")) == "completed"
        assert world.runtime.statistics().restarts == 1

"""I20: nobody waits for ever while a runtime drains and when it is closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from runtime_world import (
    LIMITS,
    FakeJournal,
    Holds,
    Raises,
    Watcher,
    open_world,
    refused,
    runtime_tasks,
    takes,
)

from actors import JournalUnavailable, ThreadKind
from actors.core import commands

if TYPE_CHECKING:
    from trio.testing import MockClock


async def test_whoever_still_waits_when_it_closes_is_answered(autojump_clock: MockClock) -> None:
    """A journal that never comes back: bounded, and everybody is told."""
    journal = FakeJournal()
    answers: list[Any] = []
    holds = Holds()

    async with open_world(takes, journal=journal) as world:
        await world.started("0")
        await trio.sleep(1)
        journal.on_append = holds
        for number in range(3):
            submit = commands.Submit(turn=f"x{number}", principal="ann", content="1")
            world.runtime.registry.post("t", submit, answers.append)
        await trio.testing.wait_all_tasks_blocked()
        assert answers == []
    assert [answer.code for answer in answers] == ["draining"] * 3
    assert trio.current_time() < 60
    assert runtime_tasks() == []


async def test_what_waits_in_the_mailbox_when_the_drain_begins_is_refused(
    autojump_clock: MockClock,
) -> None:
    """Nothing new starts, and nothing gets in front of what is queued."""
    journal = FakeJournal()
    answers: list[Any] = []

    class Slow(FakeJournal):
        async def settled(self, thread: str, owner: str) -> Any:
            await trio.sleep(2)
            return await super().settled(thread, owner)

    journal = Slow()
    async with open_world(takes, journal=journal) as world:
        await world.started("1")
        await world.asked("1", on_busy="queue")
        world.runtime.registry.post("t", commands.Cancel(turn="ghost"), answers.append)
        for policy in ("queue", "interrupt"):
            submit = commands.Submit(
                turn=policy, principal="ann", content="1", on_busy=commands.OnBusy(policy)
            )
            world.runtime.registry.post("t", submit, answers.append)
        await trio.testing.wait_all_tasks_blocked()
    assert [answer.code for answer in answers] == ["turn_not_found", "draining", "draining"]
    assert await journal.endings() == [("t1", "completed")]
    assert (await journal.loaded()).head.queued == ("t2",)


@pytest.mark.parametrize("seconds", [0.0, 0.5, 1.5])
async def test_closing_while_the_journal_is_being_reopened(
    autojump_clock: MockClock, seconds: float
) -> None:
    """The two do not get into each other's way, and no journal stays open."""
    opened: list[FakeJournal] = []
    first = FakeJournal()

    async def opener() -> FakeJournal:
        if opened:
            with trio.CancelScope(shield=True):
                await trio.sleep(1)
        journal = FakeJournal() if opened else first
        journal._threads = first._threads
        opened.append(journal)
        return journal

    async with open_world(takes, opener=opener) as world:
        await world.started("100")
        first.fail()
        assert await refused(world.thread().cancel()) == "journal_unavailable"
        await trio.sleep(seconds)
    assert [bool(journal.closed) for journal in opened] == [True] * len(opened)
    assert len(opened) == 2 or not seconds
    assert runtime_tasks() == []
    code = await refused(world.thread().submit("x"))
    assert code in ("draining", "journal_unavailable")


async def test_a_journal_that_fails_while_it_drains_ends_the_drain(
    autojump_clock: MockClock,
) -> None:
    journal = FakeJournal()
    opened: list[float] = []

    async def opener() -> FakeJournal:
        await trio.lowlevel.checkpoint()
        opened.append(trio.current_time())
        return journal

    async with open_world(takes, journal=journal, opener=opener) as world:
        await world.started("2")
        await world.started("4", thread="u")
        journal.on_append = Raises(JournalUnavailable("gone"))
    assert opened == [0.0]  # no time to start anew: what can still be written is
    assert await journal.endings("u") == [("t2", "completed")]
    assert trio.current_time() < 30
    assert runtime_tasks() == []
    assert await journal.endings() == []  # settled when it is opened again


async def test_a_submit_whose_history_is_still_looked_up_when_the_drain_begins_starts_nothing(
    autojump_clock: MockClock,
) -> None:
    """I9: what is not begun needs no settling at the next start."""
    answers: list[Any] = []

    class Slow(FakeJournal):
        async def locate(self, thread: str, after: str | None) -> Any:
            await trio.sleep(2)
            return await super().locate(thread, after)

    journal = Slow()
    async with open_world(takes, journal=journal) as world:
        await world.started("0")
        await trio.sleep(1)
        edit = commands.Submit(
            turn="edit", principal="ann", content="0", truncate=commands.Truncation(None)
        )
        world.runtime.registry.post("t", edit, answers.append)
        await trio.testing.wait_all_tasks_blocked()
    assert [answer.code for answer in answers] == ["draining"]
    assert await journal.endings() == [("t1", "completed")]


async def test_nothing_lets_commands_in_again_once_it_drains(autojump_clock: MockClock) -> None:
    """A journal that was just opened anew, say."""
    async with open_world() as world:
        world.runtime.registry.drain()
        world.runtime.registry.refuse_all(None)
        assert await refused(world.thread().cancel()) == "draining"


async def test_a_closed_runtime_refuses_and_shows_nothing(autojump_clock: MockClock) -> None:
    async with open_world() as world, trio.open_nursery() as nursery:
        await world.ends(await world.asked("x"))
        watcher = Watcher(world.thread())
        nursery.start_soon(watcher.run)
        await trio.testing.wait_all_tasks_blocked()
        thread = world.thread()
        nursery.cancel_scope.cancel()
    assert await refused(thread.submit("y")) == "draining"
    assert await refused(thread.cancel()) == "draining"
    late = Watcher(thread)
    with trio.fail_after(10):
        await late.run()
    assert isinstance(late.error, JournalUnavailable)


async def test_a_turn_that_is_activated_in_the_middle_of_a_drain_is_interrupted_too(
    autojump_clock: MockClock,
) -> None:
    """A slow claim: the activation comes when the others have been interrupted already."""
    journal = FakeJournal()
    kind = ThreadKind(on_turn=takes, retry=True)
    async with open_world(kind=kind, journal=journal) as world:
        await world.started("1000")
        journal.fail()
    journal.reopen()

    async def slowly(thread: str) -> None:
        if len(journal.claimed) > 2:
            await trio.sleep(LIMITS.drain_seconds + 1)

    journal.on_claim = slowly
    async with open_world(kind=kind, journal=journal) as world:
        await trio.testing.wait_all_tasks_blocked()
        journal.on_append = Raises(RuntimeError("a bug"))
        assert await refused(world.thread().submit("1", on_busy="queue")) == "internal"
        began = trio.current_time()
    assert trio.current_time() - began < LIMITS.drain_seconds + 2 + LIMITS.cancel_grace_seconds
    assert runtime_tasks() == []
    assert (await journal.endings())[0][1] == "interrupted"

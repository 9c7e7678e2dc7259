"""I9: what a crash left open is settled before anybody is served, and once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from attrs import evolve
from runtime_world import LIMITS, FakeJournal, echo, open_world

from actors import JournalCorrupt, JournalUnavailable, Snapshot, ThreadKind, Turn, open_runtime
from actors.core.events import TurnStarted

if TYPE_CHECKING:
    from trio.testing import MockClock


async def stays(turn: Turn) -> None:
    await turn.write(turn.text)
    if turn.text != "quick":
        await trio.sleep_forever()


async def crashed(*texts: str, threads: tuple[str, ...] = ("t",)) -> FakeJournal:
    """A journal as `kill -9` leaves it: the first turn ran, the others waited behind it."""
    journal = FakeJournal()
    async with open_world(stays, journal=journal) as world:
        for thread in threads:
            for text in texts:
                await world.started(text, thread=thread, on_busy="queue")
        journal.fail()  # nothing that comes later is on disk
    journal.reopen()
    journal.claimed.clear()
    return journal


async def test_an_open_turn_ends_interrupted_before_anybody_attaches(
    autojump_clock: MockClock,
) -> None:
    """W7, B12: the first snapshot there is shows it ended."""
    journal = await crashed("half an answer")
    assert await journal.endings() == []
    async with open_world(stays, journal=journal) as world:
        async with world.thread().attach() as subscription:
            snapshot = await anext(subscription)
            assert isinstance(snapshot, Snapshot)
            assert snapshot.turn is None
            assert [item.kind for item in snapshot.items] == ["message", "answer", "marker"]
        assert await world.ends("t1") == "interrupted"
    endings = [e for e in await journal.events() if getattr(e, "reason", None)]
    assert [(e.turn, e.reason) for e in endings] == [("t1", "restart")]


async def test_a_second_restart_adds_nothing(autojump_clock: MockClock) -> None:
    """W6: nor does a third one."""
    journal = await crashed("x")
    for _ in range(3):
        async with open_world(stays, journal=journal):
            pass
        journal.reopen()
        head = (await journal.loaded()).head
        assert head.offset == 5
    assert await journal.endings() == [("t1", "interrupted")]
    assert journal.claimed == ["t"]  # a settled thread is not even looked at


async def test_a_recovered_turn_is_seen_by_people_and_once_by_the_model(
    autojump_clock: MockClock,
) -> None:
    """W5, B22, I15: in its place in every later context, and in none of them twice."""
    journal = await crashed("half an answer")
    contexts: list[list[str]] = []

    async def quick(turn: Turn) -> None:
        contexts.append([message["content"] for message in turn.messages()])
        await turn.write(f"answer to {turn.text}")

    for question in ("one", "two"):
        async with open_world(quick, journal=journal) as world:
            assert await world.ends(await world.asked(question)) == "completed"
            page = await world.thread().history()
            shown = [i.body.get("content", i.body.get("text", i.kind)) for i in page.items]
        journal.reopen()
    recovered = ["half an answer", "half an answer"]  # what was asked, and what was said
    assert contexts == [[*recovered, "one"], [*recovered, "one", "answer to one", "two"]]
    assert shown == [*recovered, "marker", "one", "answer to one", "two", "answer to two"]


async def test_a_queued_turn_never_ran_and_runs_now(autojump_clock: MockClock) -> None:
    """Nobody has to ask for it."""
    journal = await crashed("x", "quick")
    async with open_world(stays, journal=journal):
        await trio.sleep(1)
    assert await journal.endings() == [("t1", "interrupted"), ("t2", "completed")]


async def test_a_thread_with_only_queued_turns_is_activated(autojump_clock: MockClock) -> None:
    """What a drain leaves: the running turn was interrupted, the other one waits."""
    journal = FakeJournal()
    async with open_world(stays, journal=journal) as world:
        await world.started("x")
        await world.asked("quick", on_busy="queue")
    assert await journal.endings() == [("t1", "interrupted")]
    assert (await journal.loaded()).head.queued == ("t2",)
    async with open_world(stays, journal=journal):
        await trio.sleep(1)
    assert await journal.endings() == [("t1", "interrupted"), ("t2", "completed")]


async def test_a_handler_that_is_safe_to_run_again_is_and_what_it_had_said_is_void(
    autojump_clock: MockClock,
) -> None:
    journal = await crashed("x", "quick")
    attempts: list[int] = []

    async def again(turn: Turn) -> None:
        attempts.append(turn.attempt)
        await turn.write(f"attempt {turn.attempt}")

    async with open_world(kind=ThreadKind(on_turn=again, retry=True), journal=journal) as world:
        assert await world.ends("t1") == "completed"
        items = (await world.thread().outcome("t1")).items
        assert [item.body.get("text") for item in items] == [None, "attempt 2"]
        assert items[1].item == "t1.2"  # an id is never used again
        assert await world.ends("t2") == "completed"
    assert attempts == [2, 1]


async def test_attempts_are_bounded(autojump_clock: MockClock) -> None:
    """B27, I12: a turn that takes the process down with it does not do so for ever."""
    limits = evolve(LIMITS, turn_attempts=3)
    journal = FakeJournal(limits=limits)
    kind = ThreadKind(on_turn=stays, retry=True)
    for _ in range(5):
        async with open_world(kind=kind, journal=journal, limits=limits) as world:
            if (await journal.load("t")).head.offset == 0:
                await world.asked("x")
            await trio.testing.wait_all_tasks_blocked()
            journal.fail()
        journal.reopen()
    started = [e.attempt for e in await journal.events() if isinstance(e, TurnStarted)]
    assert started == [1, 2, 3]
    assert await journal.endings() == [("t1", "interrupted")]


async def test_many_threads_are_settled_a_few_at_a_time(autojump_clock: MockClock) -> None:
    """B12, I12."""
    names = tuple(f"t{n}" for n in range(20))
    journal = await crashed("x", threads=names)
    at_once = [0, 0]

    async def slowly(thread: str) -> None:
        at_once[0] += 1
        at_once[1] = max(at_once)
        await trio.sleep(1)
        at_once[0] -= 1

    journal.on_claim = slowly
    limits = evolve(LIMITS, recovery_concurrency=4)
    async with open_world(stays, journal=journal, limits=limits) as world:
        assert at_once == [0, 4]
        assert (await journal.unsettled()) == ()
        assert world.runtime.statistics().restarts == 0
    for name in names:
        assert [state for _, state in await journal.endings(name)] == ["interrupted"]


async def test_a_damaged_thread_is_set_aside_and_the_others_are_settled(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """W7, W9, I16."""
    journal = await crashed("x", threads=("t", "u"))
    journal.damage("t")
    async with open_world(stays, journal=journal) as world:
        assert list(world.runtime.statistics().quarantined) == ["t"]
        assert [state for _, state in await journal.endings("u")] == ["interrupted"]
        with pytest.raises(JournalCorrupt):
            await world.thread().history()


async def test_rows_that_disagree_with_their_head_are_damage(
    autojump_clock: MockClock,
) -> None:
    """I16: a turn that the head knows and the rows do not is not forgotten."""
    journal = await crashed("x")
    journal._threads["t"].rows.pop(2)
    async with open_world(stays, journal=journal) as world:
        assert list(world.runtime.statistics().quarantined) == ["t"]


async def test_a_journal_that_cannot_be_listed_is_told_as_it_is(
    autojump_clock: MockClock,
) -> None:
    """Unwrapped: whoever opens a runtime has one exception to catch. The journal is closed."""

    class Unlistable(FakeJournal):
        async def unsettled(self) -> tuple[str, ...]:
            raise JournalUnavailable("cannot be listed")

    journal = Unlistable()
    with pytest.raises(JournalUnavailable, match="cannot be listed"):
        async with open_world(echo, journal=journal):
            raise AssertionError("it opened")
    assert journal.closed


async def test_a_journal_that_cannot_be_opened_is_told_as_it_is(
    autojump_clock: MockClock,
) -> None:
    async def opener() -> FakeJournal:
        await trio.lowlevel.checkpoint()
        raise JournalUnavailable("in use")

    with pytest.raises(JournalUnavailable, match="in use"):
        async with open_runtime(opener, on_turn=echo):
            raise AssertionError("it opened")


async def test_a_journal_that_fails_while_threads_are_settled_is_opened_anew(
    autojump_clock: MockClock,
) -> None:
    journal = await crashed("x")
    failed = [0]

    async def once(_: object) -> None:
        if not failed[0]:
            failed[0] = 1
            raise JournalUnavailable("gone")

    async def opener() -> FakeJournal:
        await trio.lowlevel.checkpoint()
        journal.reopen()
        return journal

    journal.on_append = once
    async with open_world(stays, journal=journal, opener=opener) as world:
        await trio.sleep(30)
        assert await world.ends("t1") == "interrupted"
        assert await world.ends(await world.asked("quick")) == "completed"

"""Lifetime policies: deserted threads end where their kind asks for it; capacity is bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from attrs import evolve
from runtime_world import LIMITS, FakeJournal, Holds, Raises, World, echo, open_world

from actors import Capacity, EndAfter, Passivate, Rejected, ThreadKind, Turn
from actors.core.event_codec import decode
from actors.core.events import ThreadEnded

if TYPE_CHECKING:
    from trio.testing import MockClock

TTL = 90.0
ENDS = ThreadKind(on_turn=echo, lifetime=EndAfter(ttl=TTL))


def active(world: World) -> int:
    return world.runtime.statistics().active


def ends(journal: FakeJournal) -> int:
    rows = (row for append in journal.appended for row in append.rows)
    return sum(isinstance(decode(row).event, ThreadEnded) for row in rows)


async def visit(world: World, seconds: float = 1.0) -> None:
    async with world.thread().attach():
        await trio.sleep(seconds)


async def test_a_deserted_thread_ends_once_the_time_is_over(autojump_clock: MockClock) -> None:
    async with open_world(kind=ENDS) as world:
        await world.ends(await world.asked("x"))
        await visit(world)
        left = trio.current_time()
        # Strict: at the very instant it is still there.
        await trio.sleep_until(left + TTL)
        await trio.testing.wait_all_tasks_blocked()
        assert (active(world), ends(world.journal)) == (1, 0)
        await trio.sleep(1e-6)
        await trio.testing.wait_all_tasks_blocked()
        assert (active(world), ends(world.journal)) == (0, 1)
        await trio.sleep(10 * TTL)
    assert ends(world.journal) == 1
    assert await world.journal.said() == "x"


async def test_a_thread_that_nobody_ever_attached_to_is_left_alone(
    autojump_clock: MockClock,
) -> None:
    async with open_world(kind=ENDS) as world:
        turn = await world.asked("x")
        await world.ends(turn)  # who waits for an outcome is not attached
        await trio.sleep(100 * TTL)
        assert (active(world), ends(world.journal)) == (1, 0)


async def test_the_next_attachment_clears_the_clock(autojump_clock: MockClock) -> None:
    async with open_world(kind=ENDS) as world:
        await world.ends(await world.asked("x"))
        for _ in range(5):
            await visit(world)
            await trio.sleep(TTL)  # not longer than that
        assert ends(world.journal) == 0
        await trio.sleep(1)
        assert ends(world.journal) == 1


async def test_only_the_last_one_to_leave_starts_the_clock(autojump_clock: MockClock) -> None:
    async with open_world(kind=ENDS) as world, trio.open_nursery() as nursery:
        await world.ends(await world.asked("x"))
        nursery.start_soon(visit, world, 10.0)
        nursery.start_soon(visit, world, 10.0 + 3 * TTL)
        await trio.sleep(10 + 3 * TTL + TTL)
        assert ends(world.journal) == 0
        await trio.sleep(1)
        assert ends(world.journal) == 1


async def test_viewers_of_an_ended_thread_are_told_and_it_opens_again(
    autojump_clock: MockClock,
) -> None:
    async with open_world(kind=ENDS) as world:
        await world.ends(await world.asked("x"))
        await visit(world)
        await trio.sleep(TTL + 1)
        await visit(world)
        await trio.sleep(TTL + 1)
        assert ends(world.journal) == 1, "there was nothing to end"
        assert await world.ends(await world.asked("y")) == "completed"
        await visit(world)
        await trio.sleep(TTL + 1)
    assert ends(world.journal) == 2


async def test_a_turn_runs_on_and_is_waited_for(autojump_clock: MockClock) -> None:
    async def long(turn: Turn) -> None:
        await trio.sleep(3 * TTL)
        await turn.write("done")

    async with open_world(kind=evolve(ENDS, on_turn=long, no_progress=None)) as world:
        turn = await world.started()
        await visit(world)
        await trio.sleep(2 * TTL)
        assert ends(world.journal) == 0
        assert await world.ends(turn) == "completed"
        await trio.testing.wait_all_tasks_blocked()
        assert ends(world.journal) == 1


async def test_a_return_while_a_turn_is_waited_for_clears_the_clock(
    autojump_clock: MockClock,
) -> None:
    async def long(turn: Turn) -> None:
        await trio.sleep(3 * TTL)
        await turn.write("done")

    async with open_world(kind=evolve(ENDS, on_turn=long, no_progress=None)) as world:
        turn = await world.started()
        await visit(world)
        await trio.sleep(2 * TTL)
        async with world.thread().attach():
            assert await world.ends(turn) == "completed"
            await trio.sleep(TTL)
            assert ends(world.journal) == 0


async def test_an_end_that_the_journal_refused_is_tried_again(autojump_clock: MockClock) -> None:
    journal = FakeJournal()
    async with open_world(journal=journal, kind=ENDS) as world:
        await world.ends(await world.asked("x"))
        await visit(world)
        journal.on_append = Raises(RuntimeError("a bug"), times=1)
        await trio.sleep(TTL + 0.5)
        assert ends(journal) == 0
        await trio.sleep(LIMITS.journal_reopen_seconds)
        assert ends(journal) == 1


async def test_an_absent_thread_costs_no_clock_and_no_activation(
    autojump_clock: MockClock,
) -> None:
    async with open_world(kind=ENDS) as world:
        await visit(world)
        await trio.testing.wait_all_tasks_blocked()
        assert len(world.runtime.registry._entries) == 0
        await trio.sleep(TTL + 1)
    assert world.journal.claimed == []


async def test_a_passivating_thread_never_ends_by_itself(autojump_clock: MockClock) -> None:
    async with open_world(kind=ThreadKind(on_turn=echo, lifetime=Passivate(idle=1))) as world:
        await world.ends(await world.asked("x"))
        await visit(world)
        await trio.sleep(100 * TTL)
        assert (active(world), ends(world.journal)) == (0, 0)


async def test_closing_the_runtime_leaves_no_clock(autojump_clock: MockClock) -> None:
    async with open_world(kind=ENDS) as world:
        await world.ends(await world.asked("x"))
        await visit(world)
    assert ends(world.journal) == 0


# Capacity

TWO = ThreadKind(on_turn=echo, lifetime=Passivate(idle=5), capacity=Capacity("classifiers", 2))


async def refused(world: World, thread: str) -> str:
    with pytest.raises(Rejected) as refusal:
        await world.asked("x", thread)
    assert refusal.value.code == "overloaded"
    assert refusal.value.retryable
    return refusal.value.message


async def test_a_thread_too_many_is_refused_by_the_capacity_s_name(
    autojump_clock: MockClock,
) -> None:
    async with open_world(kind_of=lambda _: evolve(TWO)) as world:
        await world.asked("x", "a")
        await world.asked("x", "b")
        assert "2 places for classifiers" in await refused(world, "c")
        await world.ends(await world.asked("y", "a", on_busy="queue"), "a")
        await trio.sleep(6)
        await world.asked("x", "c")
        assert active(world) == 1


@pytest.mark.parametrize("way", ["end", "delete", "crash", "idle", "quarantine"])
async def test_a_place_comes_back_once_however_the_thread_goes(
    autojump_clock: MockClock, way: str
) -> None:
    journal = FakeJournal()
    async with open_world(journal=journal, kind=TWO) as world:
        for thread in ("a", "b"):
            await world.ends(await world.asked("x", thread), thread)
        if way == "end":
            assert await world.thread("a").end()
            assert not await world.thread("a").end()
        elif way == "delete":
            assert await world.thread("a").delete()
            assert not await world.thread("a").delete()
        elif way == "idle":
            await trio.sleep(4)
            await world.ends(await world.asked("y", "b"), "b")
            await trio.sleep(2)
        else:
            times = 1 if way == "crash" else 100
            journal.on_append = Raises(RuntimeError("a bug"), "a", times)
            for _ in range(times):
                with pytest.raises(Rejected, match=r"internal|thread_failed"):
                    await world.asked("y", "a")
                if world.runtime.registry.is_failed("a"):
                    break
            if way == "crash":
                await refused(world, "c")
                return
        await trio.testing.wait_all_tasks_blocked()
        assert active(world) == 1
        await world.asked("x", "c")
        await refused(world, "d")


async def test_kinds_with_one_capacity_share_it_and_others_do_not(
    autojump_clock: MockClock,
) -> None:
    kinds = {
        "a": TWO,
        "b": evolve(TWO, presence=True),
        "c": evolve(TWO, capacity=Capacity("cameras", 1)),
        "d": ThreadKind(on_turn=echo),
    }
    async with open_world(kind_of=lambda id: kinds[id[0]]) as world:
        for thread in ("a", "b", "c", "d", "d2"):
            await world.asked("x", thread)
        await refused(world, "a2")
        assert "cameras" in await refused(world, "c2")


async def test_who_is_refused_leaves_nothing_in_memory(autojump_clock: MockClock) -> None:
    """I12."""
    async with open_world(kind=TWO) as world:
        await world.asked("x", "a")
        await world.asked("x", "b")
        for number in range(5):
            await refused(world, f"c{number}")
        assert world.runtime.registry._entries.keys() == {"a", "b"}


async def test_what_ends_a_thread_needs_no_place(autojump_clock: MockClock) -> None:
    async with open_world(kind=TWO) as world:
        await world.ends(await world.asked("x", "old"), "old")
        await trio.sleep(6)
        await world.asked("x", "a")
        await world.asked("x", "b")
        assert await world.thread("old").delete()
        assert await world.thread("b").end()


async def test_what_a_crash_left_is_settled_above_the_capacity(autojump_clock: MockClock) -> None:
    """I9 goes before it."""

    async def long(turn: Turn) -> None:
        await trio.sleep(3)

    journal = FakeJournal()
    async with open_world(long, journal=journal, limits=evolve(LIMITS, drain_seconds=0)) as world:
        for number in range(4):
            await world.started("x", f"t{number}")
            await world.asked("y", f"t{number}", on_busy="queue")
    journal.reopen()
    async with open_world(journal=journal, kind=evolve(TWO, on_turn=long)) as world:
        assert active(world) == 4
        await refused(world, "new")
        await trio.sleep(9)
        await world.asked("x", "new")
    for number in range(4):
        assert [end for _, end in await journal.endings(f"t{number}")] == [
            "interrupted",
            "completed",
        ]


async def test_an_activation_that_is_on_its_way_holds_its_place(
    autojump_clock: MockClock,
) -> None:
    journal = FakeJournal()
    journal.on_claim = held = Holds("a")
    async with (
        open_world(journal=journal, kind=evolve(TWO, capacity=Capacity("one", 1))) as world,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(world.asked, "x", "a")
        await trio.testing.wait_all_tasks_blocked()
        await refused(world, "b")
        held.gate.set()

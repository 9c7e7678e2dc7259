"""I14: an idle actor goes, and nobody notices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from attrs import evolve
from runtime_world import LIMITS, FakeJournal, Watcher, World, echo, open_world

from actors import Passivate, Rejected, ThreadKind, Turn
from actors.actor.mailbox import Mailbox
from actors.actor.reply import Awaited
from actors.core import commands

if TYPE_CHECKING:
    from trio.testing import MockClock

IDLE = LIMITS.idle_seconds


def active(world: World) -> int:
    return world.runtime.statistics().active


def entries(world: World) -> int:
    return len(world.runtime.registry._entries)


async def test_an_idle_actor_is_gone_and_leaves_nothing_in_memory(
    autojump_clock: MockClock,
) -> None:
    async with open_world() as world:
        await world.ends(await world.asked("x"))
        await trio.sleep(IDLE - 1)
        assert active(world) == 1
        await trio.sleep(2)
        assert (active(world), entries(world)) == (0, 0)
        await world.ends(await world.asked("y"))
        assert active(world) == 1
    assert await world.journal.said() == "xy"
    assert world.journal.claimed == ["t", "t"]


async def test_every_command_begins_the_wait_anew(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        for _ in range(4):
            await world.ends(await world.asked("x"))
            await trio.sleep(IDLE - 1)
        assert world.journal.claimed == ["t"]


async def test_a_turn_in_flight_vetoes(autojump_clock: MockClock) -> None:
    async def long(turn: Turn) -> None:
        await trio.sleep(10 * IDLE)
        await turn.write("at last")

    kind = ThreadKind(on_turn=long, no_progress=None)
    async with open_world(kind=kind) as world:
        assert await world.ends(await world.asked("x")) == "completed"
    assert world.journal.claimed == ["t"]


async def test_a_kind_may_have_an_idle_timeout_of_its_own(autojump_clock: MockClock) -> None:
    async with open_world(kind=ThreadKind(on_turn=echo, lifetime=Passivate(idle=3))) as world:
        await world.ends(await world.asked("x"))
        await trio.sleep(4)
        assert active(world) == 0


async def test_a_commit_that_takes_longer_than_the_idle_timeout_is_waited_for(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by looking again and again: virtual time, for one, would not go on."""
    looks: list[float] = []

    async def slowly(_: object) -> None:
        await trio.sleep(10)

    async with open_world(kind=ThreadKind(on_turn=echo, lifetime=Passivate(idle=1e-3))) as world:
        await world.ends(await world.asked("x"))
        await trio.sleep(1)
        world.journal.on_append = slowly
        news = Mailbox.news

        async def counted(mailbox: Mailbox) -> None:
            looks.append(trio.current_time())
            await news(mailbox)

        monkeypatch.setattr(Mailbox, "news", counted)
        await world.thread().truncate(None)
        assert 0 < len(looks) < 10


async def test_an_actor_that_made_nothing_goes_at_once(autojump_clock: MockClock) -> None:
    """I12: asking about threads that are not there costs nothing that stays."""
    async with open_world() as world:
        for number in range(5):
            with pytest.raises(Rejected, match="thread_not_found"):
                await world.thread(f"ghost-{number}").cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert (active(world), entries(world)) == (0, 0)


async def test_viewers_neither_veto_nor_notice(autojump_clock: MockClock) -> None:
    async with open_world() as world, trio.open_nursery() as nursery:
        await world.ends(await world.asked("x"))
        watcher = Watcher(world.thread())
        nursery.start_soon(watcher.run)
        await trio.sleep(IDLE + 1)
        assert (active(world), entries(world)) == (0, 1)
        await world.ends(await world.asked("y"))
        await trio.testing.wait_all_tasks_blocked()
        assert (watcher.text, watcher.snapshots, watcher.detached) == ("y", 1, None)
        nursery.cancel_scope.cancel()
    assert entries(world) == 0


@pytest.mark.parametrize("early", [0.0, 1e-9])
@pytest.mark.parametrize("attempt", range(4))
async def test_a_command_that_comes_as_the_actor_goes_is_served(
    autojump_clock: MockClock, early: float, attempt: int
) -> None:
    """In the very tick in which the wait ends, at any place in it."""
    answered: list[str] = []

    async def ask(world: World) -> None:
        await trio.sleep_until(due - early)
        for _ in range(attempt):
            await trio.lowlevel.checkpoint()
        answered.append(await world.asked("y", on_busy="queue"))

    async with open_world() as world, trio.open_nursery() as nursery:
        await world.ends(await world.asked("x"))
        await trio.testing.wait_all_tasks_blocked()
        due = trio.current_time() + IDLE
        for _ in range(5):
            nursery.start_soon(ask, world)
        with trio.fail_after(IDLE + 5):
            await trio.sleep(IDLE + 1)
        assert len(answered) == 5
    endings = await world.journal.endings()
    assert [state for _, state in endings] == ["completed"] * 6


async def test_commands_posted_while_an_activation_ends_are_served_in_order(
    autojump_clock: MockClock,
) -> None:
    """I14, I18: between two activations there is no moment in which a command is lost."""
    journal = FakeJournal()
    replies: list[Awaited] = []

    async with open_world(journal=journal) as world:
        await world.ends(await world.asked("x"))
        registry = world.runtime.registry
        entry = registry._entries["t"]
        release = journal.release

        def posts_while_it_goes(thread: str, generation: int) -> None:
            release(thread, generation)
            if not replies:
                for number in range(3):
                    replies.append(Awaited())
                    submit = commands.Submit(
                        turn=f"x{number}",
                        principal="ann",
                        content=str(number),
                        on_busy=commands.OnBusy.QUEUE,
                    )
                    registry.post("t", submit, replies[-1])

        journal.release = posts_while_it_goes  # type: ignore[method-assign]  # the last thing it does
        await trio.sleep(IDLE + 1)
        assert entry.active
        results: list[Any] = [await reply.result() for reply in replies]
        assert [result.turn for result in results] == ["x0", "x1", "x2"]
        await world.ends("x2")
    assert (await journal.said()).endswith("012")


async def test_many_threads_come_and_go(autojump_clock: MockClock) -> None:
    """I12: nothing of a passivated thread stays."""
    limits = evolve(LIMITS, idle_seconds=1)
    async with open_world(limits=limits) as world, trio.open_nursery() as nursery:
        for number in range(300):
            nursery.start_soon(world.asked, "x", f"t{number}")
        await trio.sleep(10)
        assert (active(world), entries(world)) == (0, 0)
        assert world.journal._claims == {}

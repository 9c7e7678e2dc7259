"""I20: the runtime closes in order, within bounded time, and leaves nothing behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from attrs import evolve
from runtime_world import (
    LIMITS,
    FakeJournal,
    Watcher,
    World,
    echo,
    open_world,
    refused,
    runtime_tasks,
    takes,
)

from actors import ThreadKind, Turn, TurnsAbandoned

if TYPE_CHECKING:
    from trio.testing import MockClock


async def test_nothing_is_left_behind(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery, open_world() as world:
        for number in range(5):
            await world.asked("x", thread=f"t{number}")
            nursery.start_soon(Watcher(world.thread(f"t{number}")).run)
        await trio.testing.wait_all_tasks_blocked()
        assert len(runtime_tasks()) >= 6
    assert runtime_tasks() == []
    assert world.journal.closed == 1
    assert world.runtime.statistics().active == 0


async def test_turns_may_finish_for_a_while(autojump_clock: MockClock) -> None:
    async with open_world(takes) as world:
        await world.started("3")
        began = trio.current_time()
    assert trio.current_time() - began == pytest.approx(3, abs=0.1)
    assert await world.journal.endings() == [("t1", "completed")]


async def test_what_takes_longer_is_interrupted_and_the_queue_is_kept(
    autojump_clock: MockClock,
) -> None:
    """I9: a queued turn never ran; it stays queued across a drain."""
    async with open_world(takes) as world:
        await world.started("100")
        await world.asked("1", on_busy="queue")
        began = trio.current_time()
    assert trio.current_time() - began == pytest.approx(LIMITS.drain_seconds, abs=0.1)
    events = await world.journal.events()
    assert [(e.turn, e.reason) for e in events if getattr(e, "reason", None)] == [
        ("t1", "shutdown")
    ]
    assert (await world.journal.loaded()).head.queued == ("t2",)
    assert await world.journal.said() == "begun "


async def test_the_order_of_a_drain(autojump_clock: MockClock) -> None:
    """Refuse, let finish, interrupt, tell the viewers, close the journal."""
    order: list[str] = []

    class Closing(FakeJournal):
        async def aclose(self) -> None:
            order.append("journal closed")
            await super().aclose()

    async def watch(world: World) -> None:
        watcher = Watcher(world.thread())
        await watcher.run()
        assert watcher.endings == [("t1", "interrupted")]
        order.append(f"viewer {watcher.detached}")

    async def handler(turn: Turn) -> None:
        try:
            await trio.sleep_forever()
        finally:
            order.append("handler stopped")

    async with trio.open_nursery() as nursery, open_world(handler, journal=Closing()) as world:
        await world.started("x")
        nursery.start_soon(watch, world)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(drains, world, order)
        await trio.testing.wait_all_tasks_blocked()
        for call in (world.thread().submit("y"), world.thread("u").submit("y")):
            assert await refused(call) == "draining"
        order.append("refused")
        await trio.sleep(30)
        # Drained, and still readable: everybody sees how it ended.
        assert order == ["refused", "handler stopped", "drained"]
        assert await world.ends("t1") == "interrupted"
    assert order[3:] in (["journal closed", "viewer failed"], ["viewer failed", "journal closed"])


async def drains(world: World, order: list[str]) -> None:
    await world.runtime.drain()
    order.append("drained")


async def test_a_viewer_that_is_behind_at_the_end_gets_away_with_a_good_cursor(
    autojump_clock: MockClock,
) -> None:
    journal = FakeJournal()
    seen: list[Any] = []

    async def slow(world: World, cursor: str) -> None:
        async with world.thread().attach(after=cursor) as subscription:
            async for batch in subscription:
                seen.append(batch)
                await trio.sleep(3)

    limits = evolve(LIMITS, tail_bytes=300, tail_merged_bytes=1, batch_bytes=100)
    async with trio.open_nursery() as nursery:
        async with open_world(journal=journal, limits=limits) as world:
            for _ in range(10):
                await world.ends(await world.asked("x"))
            nursery.start_soon(slow, world, "1.0")
            await trio.sleep(1)
        with trio.fail_after(1000):
            await trio.sleep(100)
        nursery.cancel_scope.cancel()
    assert seen[-1].reason == "failed"
    assert seen[-1].position == seen[-2].position


@pytest.mark.parametrize("text", ["0", "3", "100"])
async def test_a_cancellation_from_outside_drains_all_the_same(
    autojump_clock: MockClock, text: str
) -> None:
    """The embedding code may be cancelled at any time; its turns end in order."""
    worlds: list[World] = []

    async def embed() -> None:
        async with open_world(takes) as world:
            worlds.append(world)
            await world.started(text)
            await trio.sleep_forever()

    with trio.move_on_after(1) as scope:
        await embed()
    assert scope.cancelled_caught
    [(_, ending)] = await worlds[0].journal.endings()
    assert ending == ("interrupted" if text == "100" else "completed")
    assert runtime_tasks() == []


async def test_a_cancellation_while_it_opens_settles_and_closes(
    autojump_clock: MockClock,
) -> None:
    journal = FakeJournal()

    async def opener() -> FakeJournal:
        with trio.CancelScope(shield=True):
            await trio.sleep(3)
        return journal

    with trio.move_on_after(1) as scope:
        async with open_world(echo, opener=opener):
            raise AssertionError("it opened")
    assert scope.cancelled_caught
    assert journal.closed == 1
    assert runtime_tasks() == []


async def test_what_the_body_raises_comes_out_as_it_is(autojump_clock: MockClock) -> None:
    """Not in an ExceptionGroup: there is no nursery around the body."""
    journal = FakeJournal()

    async def use() -> None:
        async with open_world(takes, journal=journal) as world:
            await world.asked("1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await use()
    assert await journal.endings() == [("t1", "completed")]


class Stubborn:
    """A handler that only stops when it is let go."""

    def __init__(self) -> None:
        self.let_go = trio.Event()

    async def __call__(self, turn: Turn) -> None:
        with trio.CancelScope(shield=True):
            await self.let_go.wait()


async def close_with(handler: Stubborn, *threads: str, **more: Any) -> TurnsAbandoned:
    async def use() -> None:
        async with open_world(handler, **more) as world:
            for thread in threads:
                await world.started("x", thread=thread)

    with pytest.raises(TurnsAbandoned) as caught:
        await use()
    return caught.value


async def test_handlers_that_will_not_stop_are_named_when_it_closes(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    handler = Stubborn()
    journal = FakeJournal()
    abandoned = await close_with(handler, "t", "u", journal=journal)
    assert sorted(abandoned.turns) == [("t", "t1"), ("u", "t2")]
    assert "t1 of t" in str(abandoned)
    limit = LIMITS.drain_seconds + LIMITS.cancel_grace_seconds + LIMITS.close_seconds
    assert trio.current_time() == pytest.approx(limit, abs=0.5)
    assert journal.closed == 1
    assert await journal.endings("t") == [("t1", "interrupted")]
    handler.let_go.set()
    await trio.testing.wait_all_tasks_blocked()
    assert runtime_tasks() == []


async def test_a_kind_with_a_longer_grace_has_it_at_the_end_as_well(
    autojump_clock: MockClock,
) -> None:
    """Its ending is recorded, and it is no abandoned one."""

    async def cleans_up(turn: Turn) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(40)

    kind = ThreadKind(on_turn=cleans_up, cancel_grace=60)
    async with open_world(kind=kind) as world:
        await world.started("x")
    assert await world.journal.endings() == [("t1", "interrupted")]
    assert runtime_tasks() == []


async def test_a_handler_that_was_abandoned_earlier_is_named_as_well(
    autojump_clock: MockClock,
) -> None:
    handler = Stubborn()

    async def use() -> None:
        async with open_world(handler) as world:
            await world.started("x")
            await world.thread().cancel()

    with pytest.raises(TurnsAbandoned) as caught:
        await use()
    assert caught.value.turns == (("t", "t1"),)
    handler.let_go.set()
    await trio.testing.wait_all_tasks_blocked()
    assert runtime_tasks() == []

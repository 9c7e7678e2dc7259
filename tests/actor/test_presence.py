"""Presence: who is attached, told between events to those who are, of kinds that opted in."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import trio
import trio.testing
from attrs import define, evolve, field
from runtime_world import LIMITS, World, echo, open_world

from actors import CaughtUp, Detached, Events, Presence, Snapshot, Subscription, ThreadKind

if TYPE_CHECKING:
    from trio.testing import MockClock

SHOWN = ThreadKind(on_turn=echo, presence=True)


def who(presence: Presence) -> dict[str, int]:
    return {attendee.principal: attendee.count for attendee in presence.roll.attendees}


@define
class Visitor:
    """Somebody attached, with all that came."""

    subscription: Subscription
    seen: list[Any] = field(factory=list)

    async def look(self) -> list[dict[str, int]]:
        """Take what there is, and return the rolls among it."""
        new: list[Any] = []
        while (batch := await self.subscription.pull()) is not None:
            new.append(batch)
        self.seen += new
        return [who(batch) for batch in new if isinstance(batch, Presence)]


async def visitor(world: World, principal: str, thread: str = "t") -> Visitor:
    subscription = world.runtime.registry.subscribe(thread, principal)
    await subscription.attach(None)
    return Visitor(subscription)


async def test_who_is_there_is_told_behind_the_snapshot_and_whenever_it_changes() -> None:
    async with open_world(kind=SHOWN) as world:
        ann = await visitor(world, "ann")
        assert await ann.look() == [{"ann": 1}]
        assert [type(batch) for batch in ann.seen] == [Snapshot, Presence, CaughtUp]
        bob = await visitor(world, "bob")
        assert await bob.look() == [{"ann": 1, "bob": 1}]
        assert await ann.look() == [{"ann": 1, "bob": 1}]
        again = await visitor(world, "ann")
        assert await ann.look() == [{"ann": 2, "bob": 1}]
        again.subscription.close()
        bob.subscription.close()
        assert await ann.look() == [{"ann": 1}], "only the newest counts"
        assert await ann.look() == []
        ann.subscription.close()


async def test_a_change_between_a_roll_and_what_follows_it_leaves_the_reader_behind() -> None:
    """Whoever pulls only as long as that may return something has to look once more."""
    async with open_world(kind=SHOWN) as world:
        ann = await visitor(world, "ann")
        assert isinstance(await ann.subscription.pull(), Snapshot)
        assert isinstance(await ann.subscription.pull(), Presence)
        bob = await visitor(world, "bob")
        assert isinstance(await ann.subscription.pull(), CaughtUp)
        assert ann.subscription.behind
        assert await ann.look() == [{"ann": 1, "bob": 1}]
        assert not ann.subscription.behind
        for each in (ann, bob):
            each.subscription.close()


async def test_a_change_that_was_undone_is_no_news() -> None:
    async with open_world(kind=SHOWN) as world:
        ann = await visitor(world, "ann")
        await ann.look()
        (await visitor(world, "bob")).subscription.close()
        assert await ann.look() == []
        ann.subscription.close()


async def test_it_stands_between_events_and_moves_no_cursor() -> None:
    async with open_world(kind=SHOWN) as world:
        ann = await visitor(world, "ann")
        await ann.look()
        await world.ends(await world.asked("one"))
        assert await ann.look() == []
        (bob,) = [await visitor(world, "bob")]
        await world.ends(await world.asked("two"))
        await ann.look()
        sorts = [type(batch) for batch in ann.seen]
        assert sorts == [Snapshot, Presence, CaughtUp, Events, Presence, Events]
        at = [batch.position for batch in ann.seen]
        assert at == sorted(at)
        assert at[4] == at[3]
        bob.subscription.close()
        ann.subscription.close()


async def test_it_wakes_who_waits_and_never_starves_the_events(
    autojump_clock: MockClock,
) -> None:
    limits = evolve(LIMITS, presence_changes=100)
    async with open_world(kind=SHOWN, limits=limits) as world, trio.open_nursery() as nursery:
        seen: list[Any] = []

        async def restless() -> None:
            for _ in range(20):
                (await visitor(world, "bob")).subscription.close()
                other = await visitor(world, "eve")
                await trio.testing.wait_all_tasks_blocked()
                other.subscription.close()
                await trio.testing.wait_all_tasks_blocked()

        async def read() -> None:
            async with world.thread().attach() as subscription:
                async for batch in subscription:
                    seen.append(batch)
                    if isinstance(batch, Detached):
                        return

        nursery.start_soon(read)
        nursery.start_soon(restless)
        for number in range(5):
            await world.ends(await world.asked(str(number)))
        await trio.sleep(1)
        await world.thread().end()
    rolls = [who(batch) for batch in seen if isinstance(batch, Presence)]
    assert rolls[:3] == [{"local": 1}, {"local": 1, "eve": 1}, {"local": 1}]
    assert len(rolls) == 41
    assert sum(isinstance(batch, Events) for batch in seen) >= 5
    pairs = itertools.pairwise(seen)
    assert all(first.position <= second.position for first, second in pairs)


async def test_a_broken_connection_that_comes_back_makes_no_flicker(
    autojump_clock: MockClock,
) -> None:
    async with open_world(kind=SHOWN) as world:
        ann, bob = await visitor(world, "ann"), await visitor(world, "bob")
        await ann.look()
        bob.subscription.close(broken=True)
        await trio.sleep(LIMITS.presence_seconds - 1)
        assert await ann.look() == []
        bob = await visitor(world, "bob")
        await trio.sleep(10 * LIMITS.presence_seconds)
        assert await ann.look() == []
        bob.subscription.close()
        assert await ann.look() == [{"ann": 1}]
        ann.subscription.close()


async def test_a_broken_connection_that_stays_away_is_gone_in_time(
    autojump_clock: MockClock,
) -> None:
    async with open_world(kind=SHOWN) as world:
        ann = await visitor(world, "ann")
        for delay in (0, 2):
            bob = await visitor(world, "bob")
            other = await visitor(world, "bob")
            await trio.sleep(delay)
            bob.subscription.close(broken=True)
            other.subscription.close(broken=True)
        await ann.look()
        started = trio.current_time()
        rolls: list[tuple[float, dict[str, int]]] = []
        with trio.move_on_after(60):
            async for batch in ann.subscription:
                assert isinstance(batch, Presence)
                rolls.append((trio.current_time() - started, who(batch)))
        assert rolls == [(LIMITS.presence_seconds, {"ann": 1})]
        ann.subscription.close()
        await trio.testing.wait_all_tasks_blocked()
        assert len(world.runtime.registry._entries) == 0


async def test_a_kind_that_did_not_opt_in_shows_nobody() -> None:
    async with open_world() as world:
        ann = await visitor(world, "ann")
        assert await ann.look() == []
        assert [type(batch) for batch in ann.seen] == [Snapshot, CaughtUp]
        ann.subscription.close()


async def test_reading_activates_nothing_and_outlives_activations(
    autojump_clock: MockClock,
) -> None:
    """I5, I14."""
    async with open_world(kind=SHOWN) as world:
        ann = await visitor(world, "ann")
        await ann.look()
        assert (world.runtime.statistics().active, world.journal.claimed) == (0, [])
        await world.ends(await world.asked("x"))
        await trio.sleep(LIMITS.idle_seconds + 1)
        assert world.runtime.statistics().active == 0
        bob = await visitor(world, "bob")
        assert await ann.look() == [{"ann": 1, "bob": 1}]
        assert len(world.journal.claimed) == 1
        ann.subscription.close()
        bob.subscription.close()


async def test_the_names_are_bounded_and_the_rest_is_counted() -> None:
    """I12."""
    limits = evolve(LIMITS, presence_principals=3)
    async with open_world(kind=SHOWN, limits=limits) as world:
        visitors = [await visitor(world, f"p{number}") for number in range(10)]
        await visitors[0].look()
        (presence,) = [batch for batch in visitors[0].seen if isinstance(batch, Presence)]
        assert [attendee.principal for attendee in presence.roll.attendees] == ["p0", "p1", "p2"]
        assert presence.roll.total == 10
        for one in visitors:
            one.subscription.close()


async def test_broken_connections_are_bounded() -> None:
    """I12: above the bound they leave at once."""
    limits = evolve(LIMITS, subscribers=4)
    async with open_world(kind=SHOWN, limits=limits) as world:
        for number in range(10):
            (await visitor(world, f"p{number}")).subscription.close(broken=True)
        ann = await visitor(world, "ann")
        (roll,) = await ann.look()
        assert list(roll) == ["p0", "p1", "p2", "p3", "ann"]
        ann.subscription.close()


async def test_who_comes_and_goes_without_end_holds_no_event_up() -> None:
    limits = evolve(LIMITS, batch_bytes=1)
    async with open_world(kind=SHOWN, limits=limits) as world:
        ann = await visitor(world, "ann")
        await ann.look()
        for number in range(3):
            await world.ends(await world.asked(str(number)))
        sorts, others = [], []
        for number in range(8):
            others.append(await visitor(world, f"p{number}"))
            sorts.append(type(await ann.subscription.pull()))
        assert sorts == [Presence, Events] * 4
        for other in (ann, *others):
            other.subscription.close()


async def test_a_page_that_comes_and_goes_in_a_loop_is_told_so_often_and_no_more(
    autojump_clock: MockClock,
) -> None:
    """I12: and the last state is told, whenever it comes to be."""
    async with open_world(kind=SHOWN) as world, trio.open_nursery() as nursery:
        ann = await visitor(world, "ann")
        rolls: list[tuple[float, dict[str, int]]] = []

        async def read() -> None:
            async for batch in ann.subscription:
                at = trio.current_time() - began
                rolls.extend([(at, who(batch))] if isinstance(batch, Presence) else [])

        began = trio.current_time()
        nursery.start_soon(read)
        for _ in range(1000):  # in ten seconds
            other = await visitor(world, "bob")
            await trio.sleep(0.006)
            other.subscription.close()
            await trio.sleep(0.004)
        seconds = trio.current_time() - began
        for second in range(int(seconds)):
            told = [roll for at, roll in rolls if second <= at < second + 1]
            assert 1 <= len(told) <= 2 * (LIMITS.presence_changes + 1)
        assert len(rolls) <= (seconds + 1) * (LIMITS.presence_changes + 1)
        bob = await visitor(world, "bob")
        await trio.sleep(LIMITS.presence_window_seconds + 0.1)
        assert rolls[-1][1] == {"ann": 1, "bob": 1}
        bob.subscription.close()
        await trio.sleep(LIMITS.presence_window_seconds + 0.1)
        assert rolls[-1][1] == {"ann": 1}
        ann.subscription.close()
    assert len(world.runtime.registry._entries) == 0


async def test_an_audience_that_comes_at_once_costs_each_reader_few_messages(
    autojump_clock: MockClock,
) -> None:
    async with open_world(kind=SHOWN) as world:
        visitors = [await visitor(world, f"p{number}") for number in range(50)]
        told = sum([len(await one.look()) for one in visitors])
        assert told == 50, "everybody is shown at first who is there"
        await trio.sleep(LIMITS.presence_window_seconds + 0.1)
        assert sum([len(await one.look()) for one in visitors]) == 0, "and that was everybody"
        extra = [await visitor(world, f"q{number}") for number in range(50)]
        assert await extra[-1].look() == [
            {f"p{number}": 1 for number in range(50)} | {f"q{number}": 1 for number in range(50)}
        ]
        for one in (*visitors, *extra):
            one.subscription.close()


async def test_an_event_does_not_wait_for_a_window_and_presence_keeps_its_place(
    autojump_clock: MockClock,
) -> None:
    async with open_world(kind=SHOWN) as world:
        ann = await visitor(world, "ann")
        await ann.look()
        others = [await visitor(world, f"p{number}") for number in range(20)]
        await ann.look()
        late = await visitor(world, "late")
        await world.ends(await world.asked("one"))
        assert await ann.look() == []
        assert isinstance(ann.seen[-1], Events)
        await trio.sleep(LIMITS.presence_window_seconds + 0.1)
        (roll,) = await ann.look()
        assert roll["late"] == 1
        assert ann.seen[-1].position == ann.seen[-2].position
        for one in (ann, late, *others):
            one.subscription.close()

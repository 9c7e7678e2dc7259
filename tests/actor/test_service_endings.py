"""How a service comes to its end, and what becomes of its thread."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing
from runtime_world import LIMITS, FakeJournal, T, Watcher, World, open_world
from serving import Seen, blocked, cast_as_ann, notes, serving

from actors import OnExit, Rejected, Service, ServiceOver, ThreadKind, Turn, TurnsAbandoned


async def test_end_returns_when_the_service_is_gone_and_its_inbox_dropped(
    autojump_clock: Any,
) -> None:
    gone = trio.Event()

    async def slow(service: Service) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(2)
            gone.set()

    async with serving(slow) as world:
        watcher = Watcher(world.thread())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watcher.run)
            world.thread().cast("audio", b"x")
            await blocked()
            began = trio.current_time()
            assert await world.thread().end()
            assert gone.is_set()
            assert trio.current_time() == began + 2
        assert watcher.detached == "ended"
        assert not await world.thread().end()
        entry = world.runtime.registry._entries.get(T)
        assert entry is None or not entry.has_work


async def test_end_stops_turn_and_service_at_the_same_time(autojump_clock: Any) -> None:
    async def linger(_: Any) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(2)

    kind = ThreadKind(on_turn=linger, service=linger)
    async with open_world(kind=kind) as world:
        turn = await world.started()
        began = trio.current_time()
        assert await world.thread().end()
        assert trio.current_time() == began + 2
        assert await world.ends(turn) == "cancelled"


async def test_what_comes_behind_an_end_waits_and_begins_the_service_anew(
    autojump_clock: Any,
) -> None:
    seen = Seen()
    async with serving(seen) as world:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.thread().end)
            nursery.start_soon(world.thread().record, "again", None)
        await blocked()
        assert (seen.begun, seen.over) in ((2, 1), (1, 1))  # whichever of the two came first
        assert await world.thread().end() is (seen.begun == 2)


async def test_an_end_that_waits_for_the_service_is_answered_while_the_runtime_drains(
    autojump_clock: Any,
) -> None:
    async def slow(service: Service) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(2)

    ended: list[bool] = []

    async def end(world: World) -> None:
        ended.append(await world.thread().end())

    async with serving(slow) as world, trio.open_nursery() as nursery:
        nursery.start_soon(end, world)
        await trio.sleep(1)
        await world.runtime.drain()
        assert ended == [True]


async def test_delete_ends_the_service_too(autojump_clock: Any) -> None:
    seen = Seen()
    async with serving(seen) as world:
        assert await world.thread().delete()
        assert seen.over == 1
        world.thread().cast("audio", b"x")
        await blocked()
        assert seen.begun == 1


async def test_a_cast_to_an_ended_thread_is_refused(autojump_clock: Any) -> None:
    seen = Seen()
    refused: list[Rejected] = []
    async with serving(seen) as world:
        await world.thread().end()
        cast_as_ann(world, refused)
        await blocked()
        assert [refusal.code for refusal in refused] == ["thread_not_found"]
        assert seen.begun == 1


@pytest.mark.parametrize("how", ["crash", "return"])
async def test_end_thread_ends_the_thread_when_the_service_is_over(
    how: str, autojump_clock: Any
) -> None:
    seen = Seen()
    async with serving(seen, on_exit="end_thread") as world:
        watcher = Watcher(world.thread())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watcher.run)
            await blocked()
            world.thread().cast(how, None)
        assert watcher.detached == "ended"
        assert not await world.thread().end()
        assert world.runtime.statistics().active == 0 or await trio.sleep(31) is None


async def test_end_thread_cancels_a_turn_that_runs(autojump_clock: Any) -> None:
    async def hang(turn: Turn) -> None:
        await trio.sleep_forever()

    seen = Seen()
    kind = ThreadKind(on_turn=hang, service=seen, on_exit=OnExit.END_THREAD)
    async with open_world(kind=kind) as world:
        turn = await world.started()
        world.thread().cast("crash", None)
        assert await world.ends(turn) == "cancelled"


async def test_restart_begins_a_crashed_service_again_and_subscribers_stay(
    autojump_clock: Any,
) -> None:
    seen = Seen()
    async with serving(seen) as world:
        watcher = Watcher(world.thread())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watcher.run)
            await blocked()
            for data in ("crash", "note"):
                world.thread().cast(data, data)
            await blocked()
            assert (seen.begun, seen.over) == (2, 1)
            assert watcher.detached is None
            assert await notes(world.journal) == ["note"]
            nursery.cancel_scope.cancel()


async def test_a_service_that_crashes_too_often_has_its_thread_set_aside(
    autojump_clock: Any,
) -> None:
    seen = Seen()
    async with serving(seen) as world:
        for _ in range(LIMITS.restart_intensity + 1):
            world.thread().cast("crash", None)
            await blocked()
        assert seen.begun == LIMITS.restart_intensity + 1
        assert list(world.runtime.statistics().quarantined) == [T]
        with pytest.raises(Rejected, match="thread_failed"):
            world.thread().cast("audio", b"x")


async def test_slow_crashes_are_forgotten(autojump_clock: Any) -> None:
    seen = Seen()
    async with serving(seen) as world:
        for _ in range(3 * LIMITS.restart_intensity):
            world.thread().cast("crash", None)
            await trio.sleep(LIMITS.restart_period_seconds)
        assert world.runtime.statistics().quarantined == {}


@pytest.mark.parametrize(("how", "policy"), [("crash", "leave"), ("return", "restart")])
async def test_a_thread_goes_on_without_its_service(
    how: str, policy: str, autojump_clock: Any
) -> None:
    seen = Seen()
    refused: list[Rejected] = []
    async with serving(seen, on_exit=policy) as world:
        world.thread().cast(how, None)
        await blocked()
        cast_as_ann(world, refused)
        await blocked()
        assert [refusal.code for refusal in refused] == ["unsupported"]
        assert await world.ends(await world.asked()) == "completed"
        assert seen.begun == 1


async def test_a_stopped_service_writes_nothing_more(autojump_clock: Any) -> None:
    async def deaf(service: Service) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(7)
            for attempt in (service.record("noted", "late"), service.inbox.receive()):
                with pytest.raises(ServiceOver):
                    await attempt
            with pytest.raises(ServiceOver):
                service.hold(NOTHING)

    from actors import Lease

    NOTHING: Lease[str] = Lease()
    async with serving(deaf) as world:
        assert await world.thread().end()
        assert await notes(world.journal) == []


async def test_a_service_that_will_not_stop_is_abandoned_and_does_not_come_back(
    autojump_clock: Any,
) -> None:
    begun = 0

    async def deaf(service: Service) -> None:
        nonlocal begun
        begun += 1
        with trio.CancelScope(shield=True):
            await trio.sleep(60)

    async with serving(deaf) as world:
        began = trio.current_time()
        assert await world.thread().end()
        grace = LIMITS.cancel_grace_seconds + LIMITS.lease_release_seconds
        assert trio.current_time() == began + grace
        await blocked()
        assert world.runtime.statistics().abandoned == ((T, "service"),)
        assert begun == 1
        await trio.sleep(60)
        assert world.runtime.statistics().abandoned == ()


async def test_closing_names_a_service_that_will_not_stop(autojump_clock: Any) -> None:
    async def deaf(service: Service) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(100)

    with pytest.raises(TurnsAbandoned, match="service of t"):
        async with serving(deaf):
            pass
    await trio.sleep(100)


async def test_an_actor_that_fails_takes_its_service_along_and_begins_it_again(
    autojump_clock: Any,
) -> None:
    seen = Seen()
    async with serving(seen) as world:

        async def fail(append: Any) -> None:
            world.journal.on_append = None
            raise RuntimeError("a bug")

        world.journal.on_append = fail
        world.thread().cast("note", "lost")
        await blocked()
        assert (seen.begun, seen.over) == (2, 1)
        world.thread().cast("note", "kept")
        await blocked()
        assert await notes(world.journal) == ["kept"]


async def test_closing_the_runtime_stops_the_service(autojump_clock: Any) -> None:
    seen = Seen()
    async with serving(seen) as world:
        world.thread().cast("note", "last")
        await blocked()
    assert seen.over == 1
    assert await notes(world.journal) == ["last"]


async def test_a_service_only_kind_refuses_submits(autojump_clock: Any) -> None:
    async with open_world(kind=ThreadKind(service=Seen())) as world:
        with pytest.raises(Rejected, match="takes no turns") as refusal:
            await world.asked()
        assert refusal.value.code == "unsupported"


async def test_a_thread_is_served_in_the_next_life_of_the_program(autojump_clock: Any) -> None:
    seen = Seen()
    journal = FakeJournal()
    kind = ThreadKind(service=seen)
    async with open_world(kind=kind, journal=journal) as world:
        await world.thread().record("created", None)
    journal.reopen()
    async with open_world(kind=kind, journal=journal) as world:
        world.thread().cast("audio", b"x")
        await blocked()
        assert (seen.begun, seen.data) == (2, [b"x"])


async def test_an_opened_thread_has_its_service_and_no_content(autojump_clock: Any) -> None:
    seen = Seen()
    async with open_world(kind=ThreadKind(service=seen)) as world:
        thread = world.thread()
        assert await thread.open()
        assert not await thread.open()
        assert thread.cast("audio", b"x")
        await blocked()
        assert seen.data == [b"x"]
        assert (await thread.history()).items == ()
        assert await thread.delete(unless_used=True)
        assert await thread.open()
        await thread.record("noted", 1)
        assert not await thread.delete(unless_used=True)
        await thread.end()
        with pytest.raises(Rejected, match="unsupported"):
            await thread.open()

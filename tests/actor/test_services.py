"""Services: what is cast reaches them, what they record is durable, and how they come to an end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
from attrs import define, evolve, field
from runtime_world import LIMITS, FakeJournal, Holds, T, Watcher, World, echo, open_world

from actors import (
    Cast,
    Limits,
    OnExit,
    Overflow,
    Passivate,
    Recorded,
    Rejected,
    Service,
    ServiceOver,
    ThreadKind,
    Turn,
    TurnsAbandoned,
)
from actors.core.casting import checked_cast


@define
class Seen:
    """What services of one test saw, and how often they began."""

    casts: list[Cast] = field(factory=list)
    begun: int = 0
    over: int = 0
    services: list[Service] = field(factory=list)

    async def __call__(self, service: Service) -> None:
        self.begun += 1
        self.services.append(service)
        try:
            async for cast in service.inbox:
                self.casts.append(cast)
                if cast.kind == "note":
                    await service.record("noted", cast.data)
                elif cast.kind == "crash":
                    raise RuntimeError("as asked")
                elif cast.kind == "return":
                    return
        finally:
            self.over += 1

    @property
    def data(self) -> list[Any]:
        return [cast.data for cast in self.casts]


@asynccontextmanager
async def serving(
    service: Callable[[Service], Awaitable[None]], *, limits: Limits = LIMITS, **kind: Any
) -> AsyncIterator[World]:
    """A world whose thread is there, with its service begun."""
    thread_kind = ThreadKind(on_turn=echo, service=service, **kind)
    async with open_world(kind=thread_kind, limits=limits) as world:
        await world.thread().record("created", None)
        await trio.testing.wait_all_tasks_blocked()
        yield world


async def blocked() -> None:
    await trio.testing.wait_all_tasks_blocked()


def cast_as_ann(world: World, refused: list[Rejected]) -> bool:
    waiting = checked_cast("audio", b"y", "ann", LIMITS, refused.append)
    return world.runtime.registry.cast(T, waiting)


async def notes(journal: FakeJournal) -> list[Any]:
    return [e.data for e in await journal.events() if isinstance(e, Recorded) and e.kind == "noted"]


async def test_casts_arrive_in_order_with_their_author(autojump_clock: Any) -> None:
    seen = Seen()
    async with serving(seen) as world:
        assert all(world.thread().cast("audio", bytes([n])) for n in range(5))
        world.thread().cast("typing", {"by": "ann"})
        await blocked()
        assert seen.data == [b"\0", b"\1", b"\2", b"\3", b"\4", {"by": "ann"}]
        assert seen.casts[0] == Cast("audio", b"\0", "local")


async def test_a_record_of_a_service_is_durable_before_it_returns(autojump_clock: Any) -> None:
    seen = Seen()
    async with serving(seen) as world:
        watcher = Watcher(world.thread())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watcher.run)
            world.thread().cast("note", "hello")
            await blocked()
            nursery.cancel_scope.cancel()
        assert await notes(world.journal) == ["hello"]
        page = await world.thread().history()
        assert [item.kind for item in page.items] == ["record", "record"]


async def test_a_record_waits_for_the_journal(autojump_clock: Any) -> None:
    recorded = trio.Event()

    async def service(service: Service) -> None:
        await service.inbox.receive()
        await service.record("noted", 1)
        recorded.set()

    async with serving(service) as world:
        holds = Holds()
        world.journal.on_append = holds
        world.thread().cast("go", None)
        await blocked()
        assert holds.waiting == 1
        assert not recorded.is_set()
        holds.gate.set()
        await recorded.wait()


async def test_a_cast_to_a_passive_thread_activates_it(autojump_clock: Any) -> None:
    seen = Seen()
    async with serving(seen, lifetime=Passivate(idle=10)) as world:
        await trio.sleep(11)
        assert world.runtime.statistics().active == 0
        assert (seen.begun, seen.over) == (1, 1)
        world.thread().cast("audio", b"x")
        await blocked()
        assert (seen.begun, seen.data) == (2, [b"x"])


async def test_a_service_keeps_its_thread_active_unless_the_kind_says_idle(
    autojump_clock: Any,
) -> None:
    seen = Seen()
    async with serving(seen) as world:
        await trio.sleep(10 * LIMITS.idle_seconds)
        assert (world.runtime.statistics().active, seen.over) == (1, 0)


async def test_casts_keep_an_idle_kind_active(autojump_clock: Any) -> None:
    seen = Seen()
    async with serving(seen, lifetime=Passivate(idle=10)) as world:
        for _ in range(5):
            await trio.sleep(9)
            world.thread().cast("audio", b"x")
        await trio.sleep(9)
        assert (seen.begun, seen.over) == (1, 0)


async def test_a_cast_to_an_absent_thread_is_refused_and_creates_nothing(
    autojump_clock: Any,
) -> None:
    seen = Seen()
    refused: list[Rejected] = []
    async with open_world(kind=ThreadKind(service=seen)) as world:
        world.thread().cast("audio", b"x")
        cast_as_ann(world, refused)
        await blocked()
        assert [refusal.code for refusal in refused] == ["thread_not_found"]
        assert seen.begun == 0
        assert (await world.runtime.threads()).summaries == ()
        await trio.sleep(1)
        assert world.runtime.statistics().active == 0


async def test_a_thread_without_a_service_refuses_casts_at_once(autojump_clock: Any) -> None:
    async with open_world() as world:
        with pytest.raises(Rejected, match="no service") as refusal:
            world.thread().cast("audio", b"x")
        assert refusal.value.code == "unsupported"
        assert world.runtime.statistics().active == 0


@pytest.mark.parametrize(
    ("kind", "data", "code"),
    [
        ("", b"", "bad_request"),
        ("audio", object(), "bad_request"),
        ("audio", {1, 2}, "bad_request"),
        ("audio", "x" * (64 * 1024), "too_large"),
        ("audio", b"x" * (4 * 1024 * 1024), "too_large"),
    ],
)
async def test_a_bad_cast_is_refused_and_the_thread_goes_on(
    kind: str, data: Any, code: str, autojump_clock: Any
) -> None:
    seen = Seen()
    async with serving(seen) as world:
        with pytest.raises(Rejected) as refusal:
            world.thread().cast(kind, data)
        assert refusal.value.code == code
        world.thread().cast("audio", b"good")
        await blocked()
        assert seen.data == [b"good"]


SMALL = evolve(LIMITS, inbox_casts=3)


@pytest.mark.parametrize(
    ("overflow", "taken", "kept", "dropped"),
    [
        (Overflow.DROP_OLDEST, [True] * 5, [2, 3, 4], 2),
        (Overflow.DROP_NEWEST, [True] * 3 + [False] * 2, [0, 1, 2], 2),
        ("refuse", [True] * 3 + ["overloaded"] * 2, [0, 1, 2], 0),
    ],
)
async def test_a_full_inbox_does_what_the_kind_says(
    overflow: str, taken: list[Any], kept: list[int], dropped: int, autojump_clock: Any
) -> None:
    ready, found = trio.Event(), list[Any]()

    async def service(service: Service) -> None:
        await ready.wait()
        assert service.inbox.dropped == dropped
        assert len(service.inbox) == len(kept)
        async for cast in service.inbox:
            found.append(cast.data)

    def cast(world: World, number: int) -> bool | str:
        try:
            return world.thread().cast("n", number)
        except Rejected as refusal:
            return refusal.code

    async with serving(service, limits=SMALL, overflow=overflow) as world:
        assert [cast(world, number) for number in range(5)] == taken
        ready.set()
        await blocked()
        assert found == kept


async def test_an_inbox_is_bounded_in_bytes(autojump_clock: Any) -> None:
    async def service(service: Service) -> None:
        await trio.sleep_forever()

    limits = evolve(LIMITS, inbox_bytes=100)
    async with serving(service, limits=limits, overflow="refuse") as world:
        assert world.thread().cast("b", b"x" * 60)
        with pytest.raises(Rejected, match="overloaded"):
            world.thread().cast("b", b"x" * 60)
        assert world.thread().cast("b", b"x" * 30)


# The end


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

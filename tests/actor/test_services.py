"""Services: what is cast reaches them, and what they record is durable."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing
from attrs import evolve
from runtime_world import LIMITS, Holds, Watcher, World, open_world
from serving import Seen, blocked, cast_as_ann, notes, serving

from actors import Cast, Overflow, Passivate, Rejected, Service, ThreadKind


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


async def test_a_service_reaches_other_threads(autojump_clock: Any) -> None:
    async def service(service: Service) -> None:
        if service.thread == "log":
            return
        async for cast in service.inbox:
            await service.runtime.thread("log").record("noted", cast.data)

    async with serving(service) as world:
        world.thread().cast("note", "hello")
        await blocked()
        (item,) = (await world.thread("log").history()).items
    assert item.body == {"record": "noted", "data": "hello"}


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

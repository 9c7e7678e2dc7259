"""Leases: taken, renewed, lost, done without, and given back exactly once (I11)."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
from attrs import define, evolve, field
from runtime_world import LIMITS, T, World, echo, open_world

from actors import Lease, Rejected, Service, ThreadKind

URL = "http://sidecar.example"


@define
class Orchestrator:
    """Allocates sidecars, each once; slow, late or out of order where a test wants that."""

    allocate_seconds: float = 0.0
    release_seconds: float = 0.0
    refusing: bool = False
    release_fails: bool = False
    renewals: list[float] = field(factory=list)
    renewal_fails: bool = False
    taken: list[str] = field(factory=list)
    returned: list[str] = field(factory=list)
    undone: int = 0

    async def allocate(self, thread: str) -> str:
        if self.refusing:
            raise OSError("no node is free")
        try:
            await trio.sleep(self.allocate_seconds)
        except trio.Cancelled:
            self.undone += 1
            raise
        self.taken.append(f"{URL}/{thread}/{len(self.taken)}")
        return self.taken[-1]

    async def release(self, url: str) -> None:
        self.returned.append(url)
        await trio.sleep(self.release_seconds)
        if self.release_fails:
            raise OSError("the orchestrator is gone")

    async def renew(self, url: str) -> None:
        assert url not in self.returned
        self.renewals.append(trio.current_time())
        if self.renewal_fails:
            raise OSError("the orchestrator is gone")

    def lease(self, **more: Any) -> Lease[str]:
        return Lease(allocate=self.allocate, release=self.release, **more)


async def for_ever(service: Service) -> None:
    await trio.sleep_forever()


@define
class Holder:
    """A service that holds one lease for as long as it runs."""

    lease: Lease[str]
    held: list[str | None] = field(factory=list)
    then: Callable[[Service], Awaitable[None]] = for_ever

    async def __call__(self, service: Service) -> None:
        async with service.hold(self.lease) as resource:
            self.held.append(resource)
            await self.then(service)


@asynccontextmanager
async def holding(
    holder: Callable[[Service], Awaitable[None]], **kind: Any
) -> AsyncIterator[World]:
    async with open_world(kind=ThreadKind(on_turn=echo, service=holder, **kind)) as world:
        await world.thread().record("created", None)
        await trio.testing.wait_all_tasks_blocked()
        yield world


async def test_a_lease_is_held_while_the_service_runs_and_given_back_before_end_returns(
    autojump_clock: Any,
) -> None:
    lender = Orchestrator(release_seconds=2)
    holder = Holder(lender.lease())
    async with holding(holder) as world:
        assert holder.held == [f"{URL}/t/0"]
        assert world.runtime.statistics().leases == 1
        began = trio.current_time()
        assert await world.thread().end()
        assert trio.current_time() == began + 2
        assert lender.returned == lender.taken == holder.held
        assert world.runtime.statistics().leases == 0
        assert not await world.thread().end()
    assert len(lender.returned) == 1


async def test_a_static_one_wins_and_is_never_released(autojump_clock: Any) -> None:
    lender = Orchestrator()
    holder = Holder(lender.lease(static="http://static"))
    async with holding(holder) as world:
        await world.thread().end()
    assert holder.held == ["http://static"]
    assert lender.taken == lender.returned == []


@pytest.mark.parametrize("how", ["refused", "late"])
async def test_without_one_in_time_the_service_works_in_process(
    how: str, autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "holdfast")
    lender = Orchestrator(allocate_seconds=31, refusing=how == "refused")
    holder = Holder(lender.lease())
    async with holding(holder) as world:
        assert await world.ends(await world.asked()) == "completed"  # the thread is there at once
        await trio.sleep(30.5)
        assert holder.held == [None]
        assert f"no lease for thread {T}" in caplog.text
        assert world.runtime.statistics().leases == 0
        assert await world.thread().end()
    assert lender.taken == lender.returned == []
    assert lender.undone == (how == "late")


async def test_an_allocation_that_heeds_no_deadline_is_given_back_when_it_comes(
    autojump_clock: Any,
) -> None:
    returned: list[str] = []

    async def allocate(thread: str) -> str:
        with trio.CancelScope(shield=True):
            await trio.sleep(45)
        return "late"

    async def release(resource: str) -> None:
        returned.append(resource)

    holder = Holder(Lease(allocate=allocate, release=release))
    async with holding(holder):
        await trio.sleep(31)
        assert holder.held == [None]
        await trio.sleep(15)
        assert returned == ["late"]
    assert returned == ["late"]


@pytest.mark.parametrize(("after", "allocating"), [(1, 3), (1, 20)])
async def test_an_end_in_the_middle_of_an_allocation_leaves_nothing_behind(
    after: float, allocating: float, autojump_clock: Any
) -> None:
    lender = Orchestrator(allocate_seconds=allocating)
    holder = Holder(lender.lease())
    async with holding(holder) as world:
        await trio.sleep(after)
        began = trio.current_time()
        assert await world.thread().end()
        # It waits for what comes soon, and leaves to its keeper what comes later.
        assert trio.current_time() == began + min(allocating - after, LIMITS.lease_release_seconds)
        await trio.sleep(allocating)
        assert holder.held == []
        assert lender.returned == lender.taken
        assert len(lender.taken) == 1
        assert world.runtime.statistics() == evolve(world.runtime.statistics(), leases=0, active=0)


async def test_closing_in_the_middle_of_an_allocation_gives_it_up(autojump_clock: Any) -> None:
    lender = Orchestrator(allocate_seconds=29)
    async with holding(Holder(lender.lease())):
        began = trio.current_time()
    assert trio.current_time() <= began + LIMITS.drain_seconds + 2 * LIMITS.lease_release_seconds
    assert (lender.taken, lender.undone) == ([], 1)


async def test_a_release_that_fails_or_takes_too_long_stops_nothing(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for lender in (Orchestrator(release_fails=True), Orchestrator(release_seconds=60)):
        async with holding(Holder(lender.lease())) as world:
            began = trio.current_time()
            assert await world.thread().end()
            assert trio.current_time() <= began + LIMITS.lease_release_seconds
        assert lender.returned == lender.taken
    assert "back failed" in caplog.text
    assert "took too long" in caplog.text


async def test_a_service_that_crashes_gives_its_lease_back_and_the_next_takes_another(
    autojump_clock: Any,
) -> None:
    async def crash(service: Service) -> None:
        await service.inbox.receive()
        raise RuntimeError("as asked")

    lender = Orchestrator()
    holder = Holder(lender.lease(), then=crash)
    async with holding(holder) as world:
        world.thread().cast("crash", None)
        await trio.testing.wait_all_tasks_blocked()
        assert holder.held == [f"{URL}/t/0", f"{URL}/t/1"]
        assert lender.returned == [f"{URL}/t/0"]
    assert lender.returned == lender.taken


async def test_an_actor_that_fails_gives_the_lease_back(autojump_clock: Any) -> None:
    lender = Orchestrator()
    async with holding(Holder(lender.lease())) as world:

        async def fail(append: Any) -> None:
            world.journal.on_append = None
            raise RuntimeError("a bug")

        world.journal.on_append = fail
        with pytest.raises(Rejected, match="internal"):
            await world.thread().record("lost", None)
        await trio.testing.wait_all_tasks_blocked()
        assert lender.returned == lender.taken[:1]
        assert len(lender.taken) == 2
    assert lender.returned == lender.taken


async def test_a_service_that_will_not_stop_keeps_no_lease(autojump_clock: Any) -> None:
    async def deaf(service: Service) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(60)

    lender = Orchestrator()
    async with holding(Holder(lender.lease(), then=deaf)) as world:
        assert await world.thread().end()
        await trio.testing.wait_all_tasks_blocked()
        assert lender.returned == lender.taken
        await trio.sleep(60)
    assert lender.returned == lender.taken


async def test_a_lease_is_renewed_three_times_in_the_time_that_it_lasts(
    autojump_clock: Any,
) -> None:
    lender = Orchestrator()
    began = trio.current_time()
    async with holding(Holder(lender.lease(renew=lender.renew, lasts=30))) as world:
        await trio.sleep(35)
        assert lender.renewals == [began + 10, began + 20, began + 30]
        await world.thread().end()
        await trio.sleep(60)
    assert len(lender.renewals) == 3


async def test_a_lease_that_cannot_be_renewed_is_lost_when_it_runs_out(
    autojump_clock: Any,
) -> None:
    lender = Orchestrator(renewal_fails=True)
    holder = Holder(lender.lease(renew=lender.renew, lasts=30))
    async with holding(holder, on_exit="end_thread") as world:
        await trio.sleep(29)
        assert world.runtime.statistics().active == 1
        await trio.sleep(2)
        assert not await world.thread().end()  # the service failed with `LeaseLost`
    assert len(lender.renewals) == 2
    assert lender.returned == lender.taken


async def test_leases_of_one_service_are_bounded(autojump_clock: Any) -> None:
    lender = Orchestrator()
    refused: list[Rejected] = []

    async def greedy(service: Service) -> None:
        async def hold() -> None:
            try:
                async with service.hold(lender.lease()):
                    await trio.sleep_forever()
            except Rejected as refusal:
                refused.append(refusal)

        async with trio.open_nursery() as nursery:
            for _ in range(LIMITS.service_leases + 1):
                nursery.start_soon(hold)

    async with holding(greedy):
        assert [refusal.code for refusal in refused] == ["overloaded"]
        assert len(lender.taken) == LIMITS.service_leases
    assert sorted(lender.returned) == sorted(lender.taken)


def test_half_a_lease_is_none() -> None:
    lender = Orchestrator()
    for half in ({"allocate": lender.allocate}, {"release": lender.release}, {"lasts": 5.0}):
        with pytest.raises(ValueError, match="or neither"):
            Lease(**half)  # type: ignore[arg-type]  # as a user without a type checker would

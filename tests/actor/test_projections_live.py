"""Projections in a live runtime: there on activation, current, and read by all who may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from attrs import evolve
from runtime_world import LIMITS, FakeJournal, Holds, World, open_world

from actors import Fact, Limits, Projection, Service, Snapshot, ThreadKind, Turn, open_runtime

if TYPE_CHECKING:
    from pathlib import Path

    from trio.testing import MockClock

FEW = evolve(LIMITS, fold_records=4)
folded: list[str] = []


def by_speaker(state: dict[str, Any], fact: Fact) -> dict[str, Any]:
    """Count what each speaker said, and note in `folded` that it was asked."""
    folded.append(fact.item)
    return {**state, fact.data: state.get(fact.data, 0) + 1}


async def nothing(turn: Turn) -> None:
    """Say nothing."""


SPEAKERS = Projection({}, by_speaker, public=True)
KIND = ThreadKind(on_turn=nothing, projections={"speakers": SPEAKERS})


async def attributes(world: World, thread: str = "t") -> Any:
    async with world.thread(thread).attach() as subscription:
        snapshot = await anext(subscription)
        assert isinstance(snapshot, Snapshot)
        return snapshot.attributes


async def test_a_projection_is_current_wherever_it_is_read(autojump_clock: MockClock) -> None:
    """By the handler, from outside, and in a snapshot: each record once it is durable."""
    seen: list[Any] = []

    async def handler(turn: Turn) -> None:
        await turn.record("said", "ann")
        seen.append(turn.projection("speakers"))
        with pytest.raises(ValueError, match="no projection"):
            turn.projection("others")

    kind = evolve(KIND, on_turn=handler)
    async with open_world(kind=kind) as world:
        thread = world.thread()
        assert await thread.projection("speakers") == {}
        assert await attributes(world) == {"speakers": {}}
        await thread.record("said", "bob")
        await world.ends(await world.asked("go"))
        assert seen == [{"bob": 1, "ann": 1}]
        assert await thread.projection("speakers") == {"bob": 1, "ann": 1}
        assert await attributes(world) == {"speakers": {"bob": 1, "ann": 1}}
        await thread.truncate(None)
        assert await thread.projection("speakers") == {"bob": 1, "ann": 1}
        await thread.delete()
        assert await thread.projection("speakers") == {}
        assert await attributes(world) == {"speakers": {}}
        await thread.record("said", "eve")
        assert await attributes(world) == {"speakers": {"eve": 1}}


async def test_nothing_is_shown_of_a_record_that_is_not_durable(
    autojump_clock: MockClock,
) -> None:
    """I4: and a snapshot's attributes are those of its cursor."""
    journal = FakeJournal()
    async with open_world(journal=journal, kind=KIND) as world, trio.open_nursery() as nursery:
        thread = world.thread()
        await thread.record("said", "ann")
        journal.on_append = holds = Holds()
        nursery.start_soon(thread.record, "said", "bob")
        await trio.testing.wait_all_tasks_blocked()
        assert await thread.projection("speakers") == {"ann": 1}
        assert await attributes(world) == {"speakers": {"ann": 1}}
        holds.gate.set()
        await trio.testing.wait_all_tasks_blocked()
        assert await attributes(world) == {"speakers": {"ann": 1, "bob": 1}}


async def test_reading_one_activates_nothing(autojump_clock: MockClock) -> None:
    """I5: after a restart, with nobody there and with a viewer."""
    journal = FakeJournal()
    async with open_world(journal=journal, kind=KIND) as world:
        await world.thread().record("said", "ann")
    journal.reopen()
    journal.claimed.clear()
    async with open_world(journal=journal, kind=KIND) as world:
        assert await world.thread().projection("speakers") == {"ann": 1}
        assert await attributes(world) == {"speakers": {"ann": 1}}
        assert world.runtime.statistics().active == 0
        assert journal.claimed == []


async def test_activation_goes_on_from_what_was_kept(autojump_clock: MockClock) -> None:
    """It folds no more than `fold_records`, however many there are."""
    journal = FakeJournal(limits=FEW)
    async with open_world(journal=journal, kind=KIND, limits=FEW) as world:
        for number in range(30):
            await world.thread().record("said", f"s{number % 3}")
    for _ in range(2):
        journal.reopen()
        folded.clear()
        async with open_world(journal=journal, kind=KIND, limits=FEW) as world:
            await world.thread().cancel()  # activates it
            assert len(folded) <= FEW.fold_records + 1
            assert await world.thread().projection("speakers") == {"s0": 10, "s1": 10, "s2": 10}


async def test_records_of_short_activations_are_kept_as_well(autojump_clock: MockClock) -> None:
    """What is read on activation counts, or it would be read again each time."""
    journal = FakeJournal(limits=FEW)
    for number in range(20):
        journal.reopen()
        folded.clear()
        async with open_world(journal=journal, kind=KIND, limits=FEW) as world:
            await world.thread().record("said", "ann")
            assert await world.thread().projection("speakers") == {"ann": number + 1}
            assert len(folded) <= FEW.fold_records + 2


async def test_another_version_is_folded_anew(autojump_clock: MockClock) -> None:
    journal = FakeJournal(limits=FEW)
    async with open_world(journal=journal, kind=KIND, limits=FEW) as world:
        for _ in range(10):
            await world.thread().record("said", "ann")
    journal.reopen()
    length = Projection(0, lambda count, _: count + 1, public=True, version=2)
    kind = ThreadKind(on_turn=nothing, projections={"speakers": length})
    async with open_world(journal=journal, kind=kind, limits=FEW) as world:
        assert await attributes(world) == {"speakers": 10}
        await world.thread().record("said", "bob")
        assert await world.thread().projection("speakers") == 11


async def test_a_fold_that_breaks_stops_no_thread(autojump_clock: MockClock) -> None:
    def broken(state: Any, fact: Fact) -> Any:
        raise RuntimeError("broken")

    kind = ThreadKind(on_turn=nothing, projections={"broken": Projection(0, broken)})
    async with open_world(kind=kind) as world:
        await world.thread().record("said", "ann")
        assert await world.thread().projection("broken") == 0
        assert world.runtime.statistics().restarts == 0


async def test_a_thousand_segments_in_a_file(tmp_path: Path) -> None:
    """Over a restart that folds only the newest of them; another thread's never appear."""
    limits = Limits(fold_records=100)
    path = tmp_path / "journal.db"
    async with open_runtime(path, kind_of=lambda _: KIND, limits=limits) as runtime:
        for number in range(1000):
            thread = runtime.thread("other" if number % 10 == 0 else "t")
            await thread.record("said", f"s{number}")
    folded.clear()
    async with open_runtime(path, kind_of=lambda _: KIND, limits=limits) as runtime:
        state = await runtime.thread("t").projection("speakers")
        assert list(state) == [f"s{number}" for number in range(1000) if number % 10]
        assert len(folded) <= 101


async def test_a_service_reads_what_it_recorded(autojump_clock: MockClock) -> None:
    seen: list[Any] = []

    async def serve(service: Service) -> None:
        await service.record("said", "eve")
        seen.append(service.projection("speakers"))

    async with open_world(kind=evolve(KIND, service=serve, on_exit="leave")) as world:
        await world.thread().record("said", "ann")
        await trio.sleep(1)
        assert seen == [{"ann": 1, "eve": 1}]


async def test_what_is_local_to_an_attachment_dies_with_it(autojump_clock: MockClock) -> None:
    """A diariser's speaker number means nothing on the next connection."""
    async with open_world(kind=KIND) as world:
        async with world.thread().attach() as first:
            first.local["speaker 1"] = "ann"
            async with world.thread().attach() as second:
                assert second.local == {}
            assert first.local == {"speaker 1": "ann"}
        assert first.local == {}

"""Many appends share a commit, and none of them is at the mercy of another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.core.events import TurnDelta
from actors.core.head import Settled
from actors.core.turn_lifecycle import TurnState
from actors.errors import InternalError, JournalFenced, JournalUnavailable
from actors.journal.sqlite import SqliteJournal, open_sqlite_journal
from actors.journal.sqlite.group_commit import GroupCommit
from actors.limits import DEFAULT_LIMITS, Limits
from actors.testing.scripted_thread import ScriptedThread
from tests.journal.gates import Gate

if TYPE_CHECKING:
    from pathlib import Path

    from actors.journal.contract import Append


@asynccontextmanager
async def gated(
    directory: Path, threads: int, limits: Limits = DEFAULT_LIMITS
) -> AsyncIterator[tuple[SqliteJournal, Gate, list[ScriptedThread]]]:
    gate = Gate()
    async with await open_sqlite_journal(
        directory / "journal.db", executor=gate, limits=limits
    ) as journal:
        claimed = [await ScriptedThread.claim(journal, f"t{n}") for n in range(threads)]
        yield journal, gate, claimed


async def test_many_appends_share_a_commit(tmp_path: Path) -> None:
    async with gated(tmp_path, 100) as (journal, _, threads):
        async with trio.open_nursery() as nursery:
            for thread in threads:
                nursery.start_soon(thread.turn, "a", "x")
        statistics = journal.statistics()
        assert (statistics.appends, statistics.rows) == (400, 500)
        assert statistics.commits <= 12


async def test_appends_that_come_during_a_commit_share_the_next(tmp_path: Path) -> None:
    async with gated(tmp_path, 50) as (journal, gate, threads):
        gate.shut()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(threads[0].submit, "a")
            await wait_all_tasks_blocked()
            for thread in threads[1:]:
                nursery.start_soon(thread.submit, "a")
            await wait_all_tasks_blocked()
            gate.open()
        assert journal.statistics().commits == 2


async def test_a_commit_takes_no_more_than_its_limit(tmp_path: Path) -> None:
    async with gated(tmp_path, 25, Limits(commit_appends=10)) as (journal, gate, threads):
        gate.shut()
        async with trio.open_nursery() as nursery:
            for thread in threads:
                nursery.start_soon(thread.submit, "a")
            await wait_all_tasks_blocked()
            gate.open()
        assert journal.statistics().commits == 3


async def test_what_is_wrong_with_one_append_is_nothing_to_the_rest(tmp_path: Path) -> None:
    """One commit with a stale generation, a wrong place, a second ending, a row too large."""
    async with gated(tmp_path, 20) as (journal, gate, threads):
        first, *others = threads
        await first.submit("a")
        await first.start("a")
        again = evolve(first)
        await first.end("a")
        again.state = evolve(again.state, offset=first.state.offset)
        before = journal.statistics().commits
        outcomes: dict[str, type[Exception] | None] = {}

        async def write(name: str, thread: ScriptedThread, text: str = "hello") -> None:
            try:
                await thread.submit("b", text)
            except (InternalError, JournalFenced) as exc:
                outcomes[name] = type(exc)
            else:
                outcomes[name] = None

        async def end_again() -> None:
            with pytest.raises(InternalError):
                await again.end("a", TurnState.FAILED)
            outcomes["ended"] = InternalError

        gate.shut()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(end_again)
            nursery.start_soon(write, "large", others[0], "x" * 2_000_000)
            nursery.start_soon(write, "stale", others[1].stale(generation=-1))
            nursery.start_soon(write, "ahead", others[2].stale(offset=1))
            for thread in others[3:]:
                nursery.start_soon(write, thread.thread, thread)
            await wait_all_tasks_blocked()
            gate.open()
        refused = {name: kind for name, kind in outcomes.items() if kind is not None}
        assert refused == {
            "ended": InternalError,
            "large": InternalError,
            "stale": JournalFenced,
            "ahead": JournalFenced,
        }
        assert len(outcomes) == 20
        assert journal.statistics().commits == before + 1
        for thread in others[3:]:
            assert (await journal.load(thread.thread)).head == thread.state.head


async def test_behind_a_refused_append_of_its_thread_all_are_fenced(tmp_path: Path) -> None:
    """B13: a writer ahead of the answers: one batch holds its good, bad and late steps."""
    async with gated(tmp_path, 2) as (journal, gate, (thread, other)):
        await thread.submit("a")
        await thread.start("a")
        outcomes: list[type[Exception] | None] = [None] * 4

        async def write(number: int, append: Append) -> None:
            try:
                await journal.append(append)
            except (InternalError, JournalFenced) as exc:
                outcomes[number] = type(exc)

        gate.shut()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(other.submit, "a")
            for number in range(4):
                step = thread.step(TurnDelta("a", "a.1", f"{number}"))
                append = thread.append_of(step)
                if number == 1:
                    part = Settled(2, "b", 2, 2, 0.0, TurnState.FAILED)
                    append = evolve(append, settled=(part, part))
                await wait_all_tasks_blocked()
                nursery.start_soon(write, number, append)
                thread.state = step.state
            await wait_all_tasks_blocked()
            gate.open()
        assert outcomes == [None, InternalError, JournalFenced, JournalFenced]
        thread.state = evolve(thread.state, offset=4)
        await thread.say("a", "and on")
        assert (await journal.load("t0")).head.offset == 5
        assert (await journal.load("t1")).head.offset == 2


async def test_a_cancelled_leader_finishes_its_batch(tmp_path: Path) -> None:
    async with gated(tmp_path, 10) as (journal, gate, threads):
        gate.shut()
        scope = trio.CancelScope()

        async def lead() -> None:
            with scope:
                await threads[0].submit("a")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(lead)
            await wait_all_tasks_blocked()
            for thread in threads[1:]:
                nursery.start_soon(thread.submit, "a")
            await wait_all_tasks_blocked()
            scope.cancel()
            await wait_all_tasks_blocked()
            gate.open()
        for thread in threads:
            assert (await journal.load(thread.thread)).head.offset == 2


async def test_a_cancelled_follower_takes_its_append_back(tmp_path: Path) -> None:
    async with gated(tmp_path, 3) as (journal, gate, threads):
        gate.shut()
        scope = trio.CancelScope()

        async def follow() -> None:
            with scope:
                await threads[1].submit("a")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(threads[0].submit, "a")
            await wait_all_tasks_blocked()
            nursery.start_soon(follow)
            await wait_all_tasks_blocked()
            nursery.start_soon(threads[2].submit, "a")
            await wait_all_tasks_blocked()
            scope.cancel()
            await wait_all_tasks_blocked()
            gate.open()
        offsets = [(await journal.load(thread.thread)).head.offset for thread in threads]
        assert offsets == [2, 0, 2]


async def test_a_broken_commit_strands_nobody() -> None:
    """Whatever ends the commit, each append of it is answered, and the next one leads anew."""
    broken = RuntimeError("broken")
    batches: list[Sequence[int]] = []

    async def commit(batch: Sequence[int]) -> list[None]:
        await trio.lowlevel.checkpoint()
        batches.append(batch)
        if len(batches) == 1:
            raise broken
        return [None] * len(batch)

    group: GroupCommit[int] = GroupCommit(commit, trio.Lock(), 10)
    outcomes: list[type[BaseException] | None] = []

    async def submit(number: int) -> None:
        try:
            await group.submit(number)
        except (RuntimeError, JournalUnavailable) as exc:
            outcomes.append(type(exc))
        else:
            outcomes.append(None)

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            for number in range(12):
                nursery.start_soon(submit, number)
    assert outcomes.count(RuntimeError) == 1
    assert outcomes.count(JournalUnavailable) == 9
    assert outcomes.count(None) == 2


# Ticks of a virtual clock at which a caller comes, and after which it is cancelled (or is not).
callers = st.lists(
    st.tuples(st.integers(0, 6), st.one_of(st.none(), st.integers(0, 6))), min_size=1, max_size=12
)


@given(callers=callers, delays=st.lists(st.integers(0, 4), min_size=12, max_size=12))
@settings(max_examples=200, deadline=None)
def test_no_schedule_strands_anybody(
    callers: list[tuple[int, int | None]], delays: list[int]
) -> None:
    """Callers come and are cancelled at drawn times: all return, and what returned was committed.

    The cancellation of the next leader at the very tick in which the lead comes to it is among
    them: see `_follow`.
    """
    committed: list[int] = []

    async def commit(batch: Sequence[int]) -> list[None]:
        await trio.sleep(delays[len(committed) % len(delays)])
        committed.extend(batch)
        return [None] * len(batch)

    async def call(group: GroupCommit[int], number: int, come: int, leave: int | None) -> None:
        await trio.sleep(come)
        with trio.move_on_after(float("inf") if leave is None else leave):
            await group.submit(number)
            returned.add(number)

    async def run() -> None:
        group: GroupCommit[int] = GroupCommit(commit, trio.Lock(), 3)
        with trio.fail_after(1000):
            async with trio.open_nursery() as nursery:
                for number, (come, leave) in enumerate(callers):
                    nursery.start_soon(call, group, number, come, leave)
            await group.submit(-1)

    returned: set[int] = set()
    trio.run(run, clock=MockClock(autojump_threshold=0))
    assert returned <= set(committed)
    assert {n for n, (_, leave) in enumerate(callers) if leave is None} <= returned
    assert len(committed) == len(set(committed))

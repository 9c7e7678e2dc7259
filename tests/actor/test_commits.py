"""The rule of the batches: nothing waits when idle, and commits grow only under load."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.actor.commits import Commits
from actors.errors import JournalUnavailable
from actors.limits import Limits

if TYPE_CHECKING:
    from actors.journal.contract import Append, Journal

LIMITS = Limits(commit_load_appends=3, commit_rest_seconds=0.5, commit_burst_threads=2)


class Disk:
    """A journal that takes a second for each commit, and notes when each began and what it had."""

    def __init__(self, seconds: float = 1.0) -> None:
        self.seconds = seconds
        self.commits: list[tuple[float, Sequence[Append]]] = []
        self.failure: Exception | None = None

    async def append_many(self, appends: Sequence[Append]) -> Sequence[Exception | None]:
        self.commits.append((trio.current_time(), appends))
        await trio.sleep(self.seconds)
        if self.failure is not None:
            raise self.failure
        return [None] * len(appends)


class Speaker:
    """An author whose appends are names; it has as many as it was given words."""

    def __init__(self, name: str, words: int = 1) -> None:
        self.name = name
        self.words = words
        self.settled: list[Exception | None] = []

    def begin(self) -> Append | None:
        if not self.words:
            return None
        self.words -= 1
        return cast("Append", self.name)

    def settle(self, wrong: Exception | None) -> None:
        self.settled.append(wrong)


def commits_over(nursery: trio.Nursery, disk: Any) -> Commits:
    return Commits(nursery, cast("Journal", disk), LIMITS)


async def test_a_lone_append_begins_at_once_however_often(autojump_clock: MockClock) -> None:
    disk, began = Disk(), trio.current_time()
    async with trio.open_nursery() as nursery:
        commits = commits_over(nursery, disk)
        for second in range(3):
            commits.add(Speaker("a"))
            await trio.sleep_until(began + second + 1)
            await wait_all_tasks_blocked()
        commits.retire()
    assert [when - began for when, _ in disk.commits] == [0, 1, 2]


async def test_what_comes_during_a_commit_shares_the_next(autojump_clock: MockClock) -> None:
    disk = Disk()
    async with trio.open_nursery() as nursery:
        commits = commits_over(nursery, disk)
        commits.add(Speaker("a"))
        await trio.sleep(0.5)
        late = Speaker("c", words=0)
        for each in (Speaker("b"), late):
            commits.add(each)
        late.words = 1  # said after it reported, and before the commit begins
        commits.retire()
    assert [names for _, names in disk.commits] == [["a"], ["b", "c"]]


async def test_under_load_the_next_commit_waits_and_no_longer_than_it_may(
    autojump_clock: MockClock,
) -> None:
    for seconds, rest in ((0.25, 0.25), (4.0, 0.5)):
        disk = Disk(seconds)
        async with trio.open_nursery() as nursery:
            commits = commits_over(nursery, disk)
            for name in "abc":
                commits.add(Speaker(name))
            await trio.sleep(seconds / 2)
            commits.add(Speaker("d"))
            commits.retire()
        (first, _), (second, _) = disk.commits
        assert second - first == seconds + rest


async def test_others_have_their_turn_while_many_are_shown(autojump_clock: MockClock) -> None:
    turns: list[int] = []
    speakers = [Speaker(str(n)) for n in range(10)]

    async def count() -> None:
        while not speakers[-1].settled:
            turns.append(sum(bool(each.settled) for each in speakers))
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        commits = commits_over(nursery, Disk(0.0))
        for each in speakers:
            commits.add(each)
        commits.retire()
        nursery.start_soon(count)
    shown = [0, *turns, len(speakers)]
    # Twice, since trio draws who comes first in a turn of its loop.
    most = 2 * LIMITS.commit_burst_threads
    assert max(b - a for a, b in itertools.pairwise(shown)) <= most < len(speakers)


async def test_a_journal_that_raises_fails_all_of_its_batch(autojump_clock: MockClock) -> None:
    disk, speakers = Disk(), [Speaker("a"), Speaker("b")]
    disk.failure = JournalUnavailable("gone")
    async with trio.open_nursery() as nursery:
        commits = commits_over(nursery, disk)
        for each in speakers:
            commits.add(each)
        commits.retire()
    assert [each.settled for each in speakers] == [[disk.failure], [disk.failure]]


async def test_one_task_makes_all_commits(autojump_clock: MockClock) -> None:
    """It waits in between, and is begun anew for nobody."""
    spawned: list[str] = []

    class Spawns(trio.abc.Instrument):
        def task_spawned(self, task: trio.lowlevel.Task) -> None:
            spawned.append(task.name)

    instrument = Spawns()
    async with trio.open_nursery() as nursery:
        commits = commits_over(nursery, Disk())
        trio.lowlevel.add_instrument(instrument)
        for _ in range(3):
            commits.add(Speaker("a"))
            await trio.sleep(2)
        trio.lowlevel.remove_instrument(instrument)
        commits.retire()
    assert spawned == ["actors.actor.commits.Commits._run"]

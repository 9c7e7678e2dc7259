"""Forks: a thread that begins with another one's history, and edits beside it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from runtime_world import FakeJournal, Watcher, echo, open_world, refused

from actors import (
    Projection,
    Rejected,
    Snapshot,
    Thread,
    ThreadKind,
    Truncation,
    Turn,
    open_runtime,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from trio.testing import MockClock

    from actors.core.position import Position
    from actors.journal.contract import Claim, Copy


async def told(thread: Thread) -> list[Any]:
    """Return what the history says, item by item."""
    items = (await thread.history()).items
    return [i.body.get("content") or i.body.get("text") or i.body.get("data") for i in items]


async def conversation(thread: Thread, *texts: str) -> list[str]:
    """Submit texts one by one, and return the ids of the answers."""
    answers = []
    for text in texts:
        settled = await thread.outcome((await thread.submit(text)).turn)
        answers.append(settled.items[-1].item)
    return answers


async def test_a_fork_goes_its_own_way(autojump_clock: MockClock) -> None:
    """I13: it has the context up to there, and nothing of either reaches the other."""
    contexts: list[Any] = []

    async def handler(turn: Turn) -> None:
        contexts.append([m["content"] for m in turn.messages()])
        await turn.write(turn.text.upper())

    async with open_world(handler) as world:
        source, new = world.thread("t"), world.thread("u")
        _, second, _ = await conversation(source, "a", "b", "c")
        await source.record("note", 1)
        before = (await source.history()).head
        receipt = await source.fork("u", after=second)
        assert (await source.history()).head == before
        assert await told(new) == ["a", "A", "b", "B"]
        head = (await new.history()).head
        assert receipt.position == head.position
        await conversation(new, "d")
        assert contexts[-1] == ["a", "A", "b", "B", "d"]
        await conversation(source, "e")
        assert contexts[-1] == ["a", "A", "b", "B", "c", "C", "e"]
        await source.delete()
        assert await told(new) == ["a", "A", "b", "B", "d", "D"]


async def test_a_fork_is_refused_and_the_thread_goes_on(autojump_clock: MockClock) -> None:
    async def handler(turn: Turn) -> None:
        if turn.text == "wait":
            await trio.sleep_forever()
        await turn.write("said")

    async with open_world(handler) as world:
        thread = world.thread()
        assert await refused(thread.fork("u", after=None)) == "thread_not_found"
        (answer,) = await conversation(thread, "a")
        assert await refused(thread.fork("u", after="ghost.0")) == "item_not_found"
        for to in ("t", "no/thread", "", 5):
            assert await refused(thread.fork(to, after=answer)) == "bad_request"  # type: ignore[arg-type] # of any sort
        await conversation(world.thread("there"), "x")
        assert await refused(thread.fork("there", after=answer)) == "bad_request"
        turn = await world.started("wait")
        assert await refused(thread.fork("u", after=answer)) == "turn_in_progress"
        await thread.cancel(turn)
        assert (await world.thread("u").history()).items == ()
        await thread.fork("u", after=answer)
        assert await told(world.thread("u")) == ["a", "said"]
        assert world.runtime.statistics().restarts == 0


async def test_keys_of_forks(autojump_clock: MockClock) -> None:
    """I8: they are the source's, shared with submits and records, across a restart."""
    journal = FakeJournal()
    async with open_world(journal=journal) as world:
        thread = world.thread()
        first, second = await conversation(thread, "a", "b")
        receipt = await thread.fork("u", after=first, key="k")
        again = await thread.fork("u", after=first, key="k")
        assert (again.position, again.duplicate) == (receipt.position, True)
        assert await refused(thread.fork("v", after=first, key="k")) == "idempotency_conflict"
        assert await refused(thread.fork("u", after=second, key="k")) == "idempotency_conflict"
        assert await refused(thread.submit("x", key="k")) == "idempotency_conflict"
        assert await refused(thread.record("x", 1, key="k")) == "idempotency_conflict"
        await thread.record("x", 1, key="r")
        assert await refused(thread.fork("v", after=first, key="r")) == "idempotency_conflict"
        await conversation(world.thread("u"), "c")
        await world.thread("u").delete()
        assert (await thread.fork("u", after=first, key="k")).duplicate
        assert (await world.thread("u").history()).items == ()  # what was deleted stays deleted
        await trio.sleep(100)
        assert world.runtime.statistics().active == 0
        assert (await thread.fork("u", after=first, key="k")).duplicate
    journal.reopen()
    async with open_world(journal=journal) as world:
        again = await world.thread().fork("u", after=first, key="k")
        assert (again.position, again.duplicate) == (receipt.position, True)
        assert not (await world.thread().fork("u", after=first)).duplicate  # in its next life
        assert await told(world.thread("u")) == ["a", "a"]


async def test_who_watches_the_new_thread_sees_it(autojump_clock: MockClock) -> None:
    """An empty snapshot before, the history after: nobody has to attach anew."""
    async with open_world() as world, trio.open_nursery() as nursery:
        (answer,) = await conversation(world.thread(), "a")
        watcher = Watcher(world.thread("u"))
        nursery.start_soon(watcher.run)
        await trio.testing.wait_all_tasks_blocked()
        assert watcher.snapshots == 1
        receipt = await world.thread().fork("u", after=answer)
        await trio.testing.wait_all_tasks_blocked()
        assert (watcher.snapshots, watcher.position) == (2, receipt.position)
        await conversation(world.thread("u"), "b")
        await trio.testing.wait_all_tasks_blocked()
        assert watcher.text == "b"
        assert watcher.error is None
        nursery.cancel_scope.cancel()


class ForkHolds(FakeJournal):
    """A journal that holds forks up at a drawn point: before they are made, or after."""

    before: Callable[[], Awaitable[None]] | None = None
    after: Callable[[], Awaitable[None]] | None = None

    async def fork(self, copy: Copy) -> Position:
        if self.before is not None:
            await self.before()
        made = await super().fork(copy)
        if self.after is not None:
            await self.after()
        return made


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_fork_races_a_first_submit(moment: str, autojump_clock: MockClock) -> None:
    """One of the two makes the thread; the other one finds it there."""
    journal = ForkHolds()
    gate = trio.Event()
    outcome: list[str] = []
    async with open_world(journal=journal) as world, trio.open_nursery() as nursery:
        (answer,) = await conversation(world.thread(), "a")
        watcher = Watcher(world.thread("u"))
        nursery.start_soon(watcher.run)
        setattr(journal, moment, gate.wait)

        async def fork() -> None:
            try:
                await world.thread().fork("u", after=answer)
                outcome.append("forked")
            except Rejected as refusal:
                outcome.append(refusal.code)

        nursery.start_soon(fork)
        await trio.testing.wait_all_tasks_blocked()
        await conversation(world.thread("u"), "b")
        gate.set()
        await trio.sleep(1)
        expected = (["bad_request"], ["b", "b"]) if moment == "before" else None
        expected = expected or (["forked"], ["a", "a", "b", "b"])
        assert (outcome, await told(world.thread("u"))) == expected
        assert watcher.error is None
        await conversation(world.thread("u"), "c")
        await trio.testing.wait_all_tasks_blocked()
        assert watcher.position == (await world.thread("u").history()).head.position
        assert world.runtime.statistics().restarts == 0
        nursery.cancel_scope.cancel()


class ClaimHolds(FakeJournal):
    """A journal that hands out the claim of thread `u` late: what it read is old by then."""

    gate = trio.Event()

    async def claim(self, thread: str) -> Claim:
        claim = await super().claim(thread)
        if thread == "u":
            await self.gate.wait()
        return claim


async def test_an_activation_that_read_too_early_is_followed_by_one_that_shows_the_fork(
    autojump_clock: MockClock,
) -> None:
    journal = ClaimHolds()
    journal.gate = trio.Event()
    async with open_world(journal=journal) as world, trio.open_nursery() as nursery:
        (answer,) = await conversation(world.thread(), "a")
        watcher = Watcher(world.thread("u"))
        nursery.start_soon(watcher.run)
        codes: list[str] = []

        async def cancel() -> None:
            codes.append(await refused(world.thread("u").cancel()))

        nursery.start_soon(cancel)
        await trio.testing.wait_all_tasks_blocked()
        receipt = await world.thread().fork("u", after=answer)
        journal.gate.set()
        await trio.testing.wait_all_tasks_blocked()
        assert codes == ["thread_not_found"]
        assert watcher.position == receipt.position
        nursery.cancel_scope.cancel()


async def test_two_that_fork_into_each_other(autojump_clock: MockClock) -> None:
    """Both are there, so both are refused, and neither waits for the other."""
    async with open_world() as world:
        await conversation(world.thread("t"), "a")
        await conversation(world.thread("u"), "b")
        codes: list[str] = []

        async def fork(one: str, other: str) -> None:
            codes.append(await refused(world.thread(one).fork(other, after=None)))

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fork, "t", "u")
                nursery.start_soon(fork, "u", "t")
        assert codes == ["bad_request"] * 2


async def test_a_fork_has_the_records_before_it_and_what_they_come_to(tmp_path: Path) -> None:
    """In a file, over a restart: projections of the new thread are its own."""

    async def handler(turn: Turn) -> None:
        await turn.write("said")

    count = Projection(0, lambda count, _: count + 1, public=True)
    kind = ThreadKind(on_turn=handler, projections={"count": count})
    path = tmp_path / "journal.db"
    async with open_runtime(path, kind_of=lambda _: kind) as runtime:
        thread = runtime.thread("t")
        await thread.record("note", 1)
        (answer,) = await conversation(thread, "a")
        await thread.record("note", 2)
        await thread.fork("u", after=answer)
        assert await runtime.thread("u").projection("count") == 1
        await runtime.thread("u").record("note", 3)
        await runtime.thread("u").record("note", 4)
    async with open_runtime(path, kind_of=lambda _: kind) as runtime:
        assert await runtime.thread("t").projection("count") == 2
        assert await told(runtime.thread("u")) == [1, "a", "said", 3, 4]
        async with runtime.thread("u").attach() as subscription:
            snapshot = await anext(subscription)
            assert isinstance(snapshot, Snapshot)
            assert snapshot.attributes == {"count": 3}


@pytest.mark.parametrize("store", ["memory", "sqlite"])
async def test_a_fork_into_what_is_damaged_is_refused_and_does_not_touch_its_source(
    store: str, tmp_path: Path
) -> None:
    """I16: whoever asks for it does not have the thread set aside that it asks of."""
    path, memory = tmp_path / "journal.db", FakeJournal()
    async with open_runtime(memory if store == "memory" else path, on_turn=echo) as runtime:
        thread = runtime.thread("t")
        first, *_ = await conversation(thread, "a")
        await runtime.thread("u").record("note", 1)
        if store == "memory":
            memory.damage("u")
        else:
            with closing(sqlite3.connect(path)) as db:
                db.execute("UPDATE thread SET body = x'00' WHERE id = 'u'")
                db.commit()
        assert await refused(thread.fork("u", after=first)) == "bad_request"
        assert runtime.statistics().quarantined == {}
        await thread.fork("v", after=first)


async def test_edits_survive_a_restart(tmp_path: Path) -> None:
    """I13: truncate, clear, and regenerate from an item, in turn."""
    contexts: list[Any] = []

    async def handler(turn: Turn) -> None:
        contexts.append([m["content"] for m in turn.messages()])
        await turn.write(turn.text.upper())

    path = tmp_path / "journal.db"
    async with open_runtime(path, on_turn=handler) as runtime:
        thread = runtime.thread("t")
        first, second, _ = await conversation(thread, "a", "b", "c")
        await thread.truncate(second)
    async with open_runtime(path, on_turn=handler) as runtime:
        thread = runtime.thread("t")
        assert await told(thread) == ["a", "A", "b", "B"]
        again = await thread.submit("b again", truncate=Truncation(first))
        await thread.outcome(again.turn)
        assert contexts[-1] == ["a", "A", "b again"]
    async with open_runtime(path, on_turn=handler) as runtime:
        thread = runtime.thread("t")
        assert await told(thread) == ["a", "A", "b again", "B AGAIN"]
        await runtime.compact(everything=True)
        await thread.truncate(None)
    async with open_runtime(path, on_turn=handler) as runtime:
        assert await told(runtime.thread("t")) == []
        await conversation(runtime.thread("t"), "d")
        assert contexts[-1] == ["d"]

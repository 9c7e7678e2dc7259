"""What a reader is shown where the journal fails, and while a snapshot is read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from written_thread import (
    Snapshot,
    Written,
    drain,
    offsets,
    shown,
    some_thread,
)

from actors.errors import JournalCorrupt, JournalUnavailable, Rejected
from actors.journal.memory import MemoryJournal
from actors.limits import Limits

if TYPE_CHECKING:
    from actors.core.step import Step as CoreStep
    from actors.journal.contract import HistoryPage, Loaded


# Faults


async def test_a_journal_that_fails_is_reported_and_the_reader_goes_on_afterwards() -> None:
    thread = await some_thread()
    subscription = await thread.attached("3.2")
    thread.tail._clear()
    thread.journal.fail()
    with pytest.raises(JournalUnavailable):
        await subscription.pull()
    thread.journal.reopen()
    assert offsets(await drain(subscription)) == list(range(3, thread.state.offset + 1))


async def test_damage_is_reported_and_never_shown_as_an_empty_thread() -> None:
    """W9, I16."""
    thread = await some_thread()
    thread.tail.forget()
    thread.journal.damage("t")
    subscription = thread.subscription()
    with pytest.raises(JournalCorrupt):
        await subscription.attach(None)


async def test_what_was_durable_but_never_published_reaches_who_watches() -> None:
    """I3: a commit whose acknowledgement was lost; the ending still reaches those who stay."""
    thread = await Written.begin()
    await thread.submit()
    subscription = await thread.attached("3.0")
    await drain(subscription)
    subscription.ready = False
    await thread.finish(publish=False)
    assert await drain(subscription) == []
    thread.tail.forget()
    assert subscription.ready
    assert offsets(await drain(subscription)) == [4]
    fresh = await thread.attached()
    (snapshot, _) = await drain(fresh)
    assert isinstance(snapshot, Snapshot)
    assert snapshot.turn is None


async def test_what_was_read_before_an_unpublished_commit_is_not_taken_for_the_head(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """I3: nobody would tell of the difference, as the writer is gone."""
    thread = await Written.begin()
    await thread.submit()
    thread.tail.forget()
    load, late = thread.journal.load, trio.Event()

    async def slow(name: str) -> Loaded:
        loaded = await load(name)
        await late.wait()
        return loaded

    monkeypatch.setattr(thread.journal, "load", slow)
    subscription = thread.subscription()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(subscription.attach, None)
        await trio.testing.wait_all_tasks_blocked()
        await thread.finish(publish=False)
        thread.tail.forget()
        late.set()
    (snapshot, _) = await drain(subscription)
    assert isinstance(snapshot, Snapshot)
    assert (snapshot.position, snapshot.turn) == (thread.state.position, None)


async def test_too_many_viewers_are_refused_and_leave_nothing_behind() -> None:
    """I12."""
    thread = await Written.begin(Limits(subscribers=1))
    first = await thread.attached()
    second = thread.subscription()
    with pytest.raises(Rejected, match="overloaded"):
        await second.attach(None)
    second.close()
    assert thread.tail.watchers == 1
    first.close()
    await thread.attached()


# Snapshots


async def test_a_snapshot_holds_the_window_the_live_turn_and_the_queue() -> None:
    thread = await some_thread()
    (snapshot, _) = await drain(await thread.attached(window=2))
    assert isinstance(snapshot, Snapshot)
    assert [item.item for item in snapshot.items] == ["b.1", "b.2"]
    assert snapshot.before == "b.1"
    assert snapshot.turn is not None
    assert (snapshot.turn.turn, snapshot.turn.attempt) == ("c", 1)
    assert [item.body.get("text") for item in snapshot.turn.items] == [None, "xyz"]
    assert [(each.turn, each.attempt) for each in snapshot.queue] == [("d", 0)]
    older = await thread.journal.history("t", snapshot.before, 10, 1 << 20)
    assert [item.item for item in older.items] == ["a.0", "a.1", "b.0"]


@pytest.mark.parametrize(("window", "items"), [(0, 0), (1, 1), (3, 3), (500, 5), (10_000, 5)])
async def test_the_window_is_what_was_asked_for_and_bounded(window: int, items: int) -> None:
    """I12."""
    thread = await some_thread(Limits(window_items_max=5))
    (snapshot, _) = await drain(await thread.attached(window=window))
    assert isinstance(snapshot, Snapshot)
    assert len(snapshot.items) == items
    assert snapshot.before is None or window < 5


class Interrupted(MemoryJournal):
    """A journal under whose reader something happens, once."""

    during_history: Callable[[], Awaitable[object]] | None = None

    async def history(
        self, thread: str, before: str | int | None, limit: int, limit_bytes: int
    ) -> HistoryPage:
        happens, self.during_history = self.during_history, None
        if happens is not None:
            await happens()
        return await super().history(thread, before, limit, limit_bytes)


async def racing(happens: Callable[[Written], Awaitable[object]]) -> tuple[Written, Snapshot]:
    """Attach to a thread while something happens between the state and the page."""
    journal = Interrupted(3)
    thread = await Written.begin(journal=journal)
    await thread.whole_turn("a", "hello")
    await thread.submit("b")
    await thread.say("now")
    await thread.submit("c")
    await thread.cancel_queued("c")  # settles behind the place of the live turn
    journal.during_history = lambda: happens(thread)
    subscription = await thread.attached()
    batches = await drain(subscription)
    assert isinstance(batches[0], Snapshot)
    assert offsets(batches) == list(range(batches[0].position.offset + 1, thread.state.offset + 1))
    return thread, batches[0]


async def test_a_turn_that_settles_while_the_page_is_read_is_shown_once() -> None:
    """I3: live or settled, and never both."""
    _, snapshot = await racing(lambda thread: thread.finish())
    ids = shown(snapshot)
    assert len(ids) == len(set(ids)), ids
    assert {"b.0", "b.1"} <= set(ids)


async def test_a_turn_that_settles_without_being_published_yet_is_waited_for(
    autojump_clock: object,
) -> None:
    """Durable, and about to be published: the snapshot looks until the two agree."""

    async def happens(thread: Written) -> None:
        step = await thread.finish(publish=False)
        nursery.start_soon(publish_later, thread, step)

    async def publish_later(thread: Written, step: CoreStep) -> None:
        await trio.sleep(1)
        thread.publish(step)

    async with trio.open_nursery() as nursery:
        _, snapshot = await racing(happens)
    ids = shown(snapshot)
    assert len(ids) == len(set(ids)), ids


async def test_a_truncation_while_the_page_is_read_is_in_the_snapshot_or_after_it() -> None:
    async def happens(thread: Written) -> None:
        await thread.finish()
        await thread.truncate("a.0")

    thread, snapshot = await racing(happens)
    if snapshot.position == thread.state.position:
        assert shown(snapshot) == ["a.0"]


async def test_a_deletion_while_the_page_is_read_leaves_nothing_of_it_in_the_snapshot() -> None:
    journal = Interrupted(3)
    thread = await Written.begin(journal=journal)
    await thread.whole_turn("a", "hello")
    journal.during_history = lambda: thread.delete()
    subscription = await thread.attached()
    batches = await drain(subscription)
    assert isinstance(batches[0], Snapshot)
    assert (shown(batches[0]), batches[0].cursor) == ([], "4.0")

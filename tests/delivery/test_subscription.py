"""I3, I5: a subscription is a cursor that pulls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from written_thread import (
    CaughtUp,
    Detached,
    Events,
    Snapshot,
    Written,
    drain,
    kinds,
    offsets,
    shown,
    text_of,
)

from actors.core.commands import Ending
from actors.core.position import Position, parse_cursor
from actors.core.resume import Mode
from actors.core.turn_lifecycle import TurnState
from actors.errors import JournalCorrupt, JournalUnavailable, Rejected
from actors.journal.memory import MemoryJournal
from actors.limits import Limits

if TYPE_CHECKING:
    from actors.core.step import Step as CoreStep
    from actors.delivery.subscription import Subscription
    from actors.journal.contract import HistoryPage, Loaded


async def some_thread(limits: Limits | None = None) -> Written:
    """Two turns that ended, a live one, and one queued; some events are ranges."""
    thread = await Written.begin(limits)
    await thread.whole_turn("a", "hello", "world")
    await thread.submit("b")
    await thread.say("one", "two", "three")
    await thread.finish(Ending(TurnState.CANCELLED, reason="requested"))
    await thread.submit("c")
    await thread.say("x", "y")
    await thread.submit("d")
    await thread.say("z")
    return thread


async def boundaries(thread: Written) -> list[int]:
    rows = await thread.journal.read("t", Position(3, 0), 1 << 30)
    return [0, *(row.to for row in rows)]


# Resume


@pytest.mark.parametrize("from_disk", [False, True])
async def test_resuming_at_every_cursor_gives_what_follows_it_and_nothing_else(
    from_disk: bool,
) -> None:
    """I3."""
    thread = await some_thread()
    if from_disk:
        thread.lose_tail()
    head = thread.state.offset
    for offset in await boundaries(thread):
        cursor = Position(3, offset).cursor()
        subscription = await thread.attached(cursor)
        assert subscription.plan.mode is Mode.RESUME
        assert subscription.position.cursor() == cursor
        batches = await drain(subscription)
        assert offsets(batches) == list(range(offset + 1, head + 1))
        assert kinds(batches).count("CaughtUp") == 1
        assert batches[-1] == CaughtUp("t", thread.state.position)
        subscription.close()


@pytest.mark.parametrize("from_disk", [False, True])
async def test_a_cursor_inside_a_range_gets_a_snapshot_that_says_so(from_disk: bool) -> None:
    """Rule 3 of the protocol."""
    thread = await some_thread()
    if from_disk:
        thread.lose_tail()
    ends = await boundaries(thread)
    inside = [offset for offset in range(thread.state.offset) if offset not in ends]
    assert inside
    for offset in inside:
        subscription = await thread.attached(Position(3, offset).cursor())
        assert (subscription.plan.mode, subscription.plan.reason) == (Mode.SNAPSHOT, "compacted")
        snapshot, caught_up = await drain(subscription)
        assert isinstance(snapshot, Snapshot)
        assert snapshot.reason == "compacted"
        assert snapshot.position == thread.state.position
        assert isinstance(caught_up, CaughtUp)


async def test_compaction_loses_only_the_cursors_inside_what_merged() -> None:
    thread = await Written.begin()
    await thread.whole_turn("a", "one", "two", "three")
    await thread.compact()
    thread.lose_tail()
    ends = await boundaries(thread)
    assert set(range(thread.state.offset + 1)) - set(ends) == {4, 5}
    for offset in range(thread.state.offset + 1):
        subscription = await thread.attached(Position(3, offset).cursor())
        assert (subscription.plan.mode is Mode.RESUME) is (offset in ends)


@pytest.mark.parametrize(
    ("cursor", "reason"),
    [("3.999", "ahead"), ("4.0", "epoch"), ("2.1", "epoch"), ("soup", "unreadable")],
)
async def test_a_cursor_that_was_never_good_gets_a_reset(cursor: str, reason: str) -> None:
    """B5: one ahead of the log as well; it filters nothing."""
    thread = await some_thread()
    subscription = await thread.attached(cursor)
    assert (subscription.plan.mode, subscription.plan.reason) == (Mode.RESET, reason)
    snapshot, caught_up = await drain(subscription)
    assert isinstance(snapshot, Snapshot)
    assert (snapshot.mode, snapshot.reason) == (Mode.RESET, reason)
    assert shown(snapshot) == ["a.0", "a.1", "b.0", "b.1", "b.2", "c.0", "c.1", "d.0"]
    assert isinstance(caught_up, CaughtUp)


async def test_a_cursor_of_a_deleted_life_gets_a_reset_that_says_so() -> None:
    """I13; rule 7 of the protocol."""
    thread = await Written.begin()
    await thread.whole_turn("a", "hello")
    old = thread.state.position.cursor()
    await thread.delete()
    subscription = await thread.attached(old)
    assert (subscription.plan.mode, subscription.plan.reason) == (Mode.RESET, "deleted")
    (snapshot, _) = await drain(subscription)
    assert shown(snapshot) == []
    assert snapshot.cursor == "4.0"


async def test_a_cursor_from_before_a_truncation_gets_a_snapshot() -> None:
    """Rule 10 of the protocol."""
    thread = await Written.begin()
    await thread.whole_turn("a", "hello")
    await thread.whole_turn("b", "gone")
    await thread.truncate("a.1")
    subscription = await thread.attached("3.2")
    assert (subscription.plan.mode, subscription.plan.reason) == (Mode.SNAPSHOT, "truncated")
    (snapshot, _) = await drain(subscription)
    assert shown(snapshot) == ["a.0", "a.1"]


async def test_nothing_at_all_is_an_empty_snapshot_and_stays_nothing() -> None:
    """I5: attaching to what is not there creates nothing."""
    thread = await Written.begin()
    subscription = await thread.attached()
    (snapshot, caught_up) = await drain(subscription)
    assert shown(snapshot) == []
    assert isinstance(caught_up, CaughtUp)
    assert (await thread.journal.summaries(None, 10)).summaries == ()
    assert thread.journal.statistics().appends == 0


async def test_watching_changes_nothing() -> None:
    """W1, I5."""
    thread = await some_thread()
    before, written = thread.state, thread.journal.statistics()
    for cursor in (None, "3.2", "soup"):
        subscription = await thread.attached(cursor)
        await drain(subscription)
        subscription.close()
    assert thread.tail.state is before
    assert thread.journal.statistics() == written
    assert (await thread.journal.load("t")).head == before.head


# Live


async def test_what_comes_live_follows_what_was_replayed() -> None:
    """B1, I3."""
    thread = await some_thread()
    subscription = await thread.attached("3.0")
    batches = await drain(subscription)
    await thread.say("!")
    await thread.finish()
    batches += await drain(subscription)
    assert offsets(batches) == list(range(1, thread.state.offset + 1))
    assert kinds(batches).count("CaughtUp") == 1


async def test_caught_up_is_about_the_head_at_attach_and_comes_once() -> None:
    thread = await some_thread()
    subscription = await thread.attached("3.0")
    head = thread.state.position
    await thread.say("later")
    batches = await drain(subscription)
    at = kinds(batches).index("CaughtUp")
    assert offsets(batches[:at])[-1] >= head.offset
    await thread.say("later still")
    assert "CaughtUp" not in kinds(await drain(subscription))


async def test_a_slow_reader_gets_bigger_batches_and_then_reads_from_disk() -> None:
    """B3, B25: idea 4, I12: nothing is kept for it, and nothing is lost on it."""
    thread = await Written.begin(Limits(tail_bytes=2000, batch_bytes=1000))
    subscription = await thread.attached()
    await drain(subscription)
    await thread.submit()
    for _ in range(5):
        await thread.say("x")
    burst = await drain(subscription)
    assert offsets(burst) == list(range(1, 9))
    assert len(burst) == 1  # eight events, one batch
    for _ in range(100):
        await thread.say("yy")
    assert thread.tail.after(subscription.position) is None
    late = await drain(subscription)
    assert offsets(late) == list(range(9, thread.state.offset + 1))
    assert text_of(late) == "yy" * 100
    for batch in late:
        assert isinstance(batch, Events)
        assert sum(len(row.body) for row in batch.rows[:-1]) < 1000


async def test_a_reader_that_fell_behind_a_truncation_is_shown_the_thread_as_it_is() -> None:
    """Rule 3 of the protocol: a snapshot may come in mid-attachment, and events go on from it."""
    thread = await Written.begin(Limits(tail_bytes=500))
    subscription = await thread.attached()
    await drain(subscription)
    for turn in ("a", "b", "c"):
        await thread.whole_turn(turn, "some text", "and more of it")
    await thread.truncate("a.1")
    await thread.submit("d")
    (snapshot,) = await drain(subscription)
    assert isinstance(snapshot, Snapshot)
    assert (snapshot.mode, snapshot.reason) == (Mode.SNAPSHOT, "truncated")
    assert shown(snapshot) == ["a.0", "a.1", "d.0"]
    await thread.say("on")
    assert offsets(await drain(subscription)) == [thread.state.offset]


async def test_a_reader_that_was_there_for_a_truncation_sees_it_as_an_event() -> None:
    thread = await Written.begin()
    await thread.whole_turn("a", "hello")
    subscription = await thread.attached("3.0")
    await thread.truncate(None)
    batches = await drain(subscription)
    assert offsets(batches) == list(range(1, thread.state.offset + 1))


async def test_a_mid_attachment_snapshot_before_the_goal_still_catches_up_once() -> None:
    thread = await Written.begin(Limits(tail_bytes=500))
    for turn in ("a", "b"):
        await thread.whole_turn(turn, "some text", "and more of it")
    subscription = await thread.attached("3.0")
    await thread.truncate("a.1")
    assert kinds(await drain(subscription)) == ["Snapshot", "CaughtUp"]


# Detaching


@pytest.mark.parametrize("from_disk", [False, True])
async def test_an_ended_thread_lets_its_viewers_go_right_behind_its_last_event(
    from_disk: bool,
) -> None:
    """B11: rule 11 of the protocol; everything up to `thread.ended`, and nothing after it."""
    thread = await Written.begin()
    await thread.whole_turn("a", "hello")
    behind = await thread.attached("3.0")
    level = await thread.attached(thread.state.position.cursor())
    await thread.end()
    place = thread.state.position
    await thread.submit("b")  # opens it again
    if from_disk:
        behind._tail._clear()
    for subscription, first in ((behind, 1), (level, place.offset)):
        batches = await drain(subscription)
        assert offsets(batches) == list(range(first, place.offset + 1))
        assert batches[-1] == Detached("t", place, "ended")
        assert await subscription.pull() is None


async def test_who_comes_later_is_not_detached_by_an_old_ending() -> None:
    thread = await Written.begin()
    await thread.whole_turn("a", "hello")
    await thread.end()
    subscription = await thread.attached("3.0")
    batches = await drain(subscription)
    assert offsets(batches) == list(range(1, thread.state.offset + 1))
    assert "Detached" not in kinds(batches)


async def test_a_deleted_thread_lets_its_viewers_go() -> None:
    """B11, I13."""
    thread = await Written.begin()
    await thread.whole_turn("a", "hello")
    level = await thread.attached(thread.state.position.cursor())
    await drain(level)
    await thread.delete()
    await thread.submit("b")
    batches = await drain(level)
    assert "Detached" in kinds(batches)
    assert not [o for o in offsets(batches) if o > 6]


async def test_a_viewer_sees_the_deletion_itself_where_it_is_quick_enough() -> None:
    thread = await Written.begin()
    await thread.whole_turn("a", "hello")
    level = await thread.attached(thread.state.position.cursor())
    await drain(level)
    await thread.delete()
    batches = await drain(level)
    assert offsets(batches) == [6]
    assert batches[-1] == Detached("t", Position(3, 6), "deleted")


async def test_a_viewer_that_is_too_slow_for_a_deletion_leaves_where_it_stands() -> None:
    """Its rows are gone; the cursor that it leaves with gets a reset, and no other thread's."""
    thread = await Written.begin()
    await thread.whole_turn("a", "hello")
    behind = await thread.attached("3.2")
    await thread.delete()
    behind._tail._clear()
    (detached,) = await drain(behind)
    assert detached == Detached("t", Position(3, 2), "deleted")
    again = await thread.attached(detached.cursor)
    assert again.plan.reason == "deleted"


async def test_a_viewer_whose_journal_is_gone_leaves_rather_than_fails_when_it_is_to_leave() -> (
    None
):
    """I20: at shutdown everybody gets away, with a cursor that is good."""
    thread = await Written.begin()
    await thread.whole_turn("a", "hello")
    behind = await thread.attached("3.2")
    behind._tail.detach_all(thread.state.position, "failed")
    behind._tail._clear()
    thread.journal.fail()
    assert await drain(behind) == [Detached("t", Position(3, 2), "failed")]


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


# Iterating


async def test_iterating_waits_for_news_and_misses_none(autojump_clock: object) -> None:
    thread = await Written.begin()
    await thread.submit()
    seen: list[int] = []
    subscription = await thread.attached("3.0")

    async def watch() -> None:
        async for batch in subscription:
            seen.extend(offsets([batch]))
            if batch.position.offset % 3 == 0:
                await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        for n in range(20):
            await thread.say(str(n))
            if n % 7 == 0:
                await trio.sleep(2)
        await thread.finish()
        await thread.end()
    assert seen == list(range(1, thread.state.offset + 1))


async def test_closing_ends_the_iteration_of_somebody_who_waits() -> None:
    thread = await Written.begin()
    subscription = await thread.attached()
    closed: list[Subscription] = []

    async with trio.open_nursery() as nursery:

        async def watch() -> None:
            async for _ in subscription:
                pass
            closed.append(subscription)

        nursery.start_soon(watch)
        await trio.testing.wait_all_tasks_blocked()
        subscription.close()
    assert closed == [subscription]
    assert thread.tail.watchers == 0


async def test_callers_are_told_once_that_there_is_news_and_once_that_it_is_closed() -> None:
    thread = await Written.begin()
    ready: list[int] = []
    closed: list[int] = []
    subscription = thread.subscription(
        on_ready=lambda _: ready.append(1), on_close=lambda _: closed.append(1)
    )
    await subscription.attach(None)
    await thread.submit()
    await thread.say("x")
    assert len(ready) == 1  # until it is looked at
    subscription.ready = False
    await thread.say("y")
    assert len(ready) == 2
    subscription.close()
    subscription.close()
    subscription.wake()
    assert (len(ready), len(closed)) == (2, 1)


# Everything at once


Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["say", "turn", "pull", "leave", "forget tail", "compact", "truncate"]),
        st.integers(0, 2),
    ),
    max_size=40,
)


@given(STEPS, st.sampled_from([Limits(), Limits(tail_bytes=400, batch_bytes=200)]))
def test_any_reader_sees_a_contiguous_run_or_a_snapshot(steps: list[Step], limits: Limits) -> None:
    """B1, B2, I3: three readers that come, go, pull and rest as they like."""

    async def main() -> None:
        thread = await Written.begin(limits)
        readers = [Reader(thread) for _ in range(3)]
        for number, (step, who) in enumerate(steps):
            if step in ("pull", "leave"):
                await readers[who].do(step)
            elif step == "say":
                await thread.submit(f"t{number}") if thread.state.live is None else None
                await thread.say("x" * 30, "y")
            elif step == "turn":
                await thread.finish() if thread.state.live else await thread.submit(f"t{number}")
            elif step == "forget tail":
                thread.tail._clear()
            elif step == "compact":
                await thread.compact()
            elif thread.state.live is None and thread.state.offset:
                await thread.truncate(None)
        for reader in readers:
            await reader.do("pull")
            assert reader.position == thread.state.position

    trio.run(main)


class Reader:
    """Checks what it is given against where it stood."""

    def __init__(self, thread: Written) -> None:
        self.thread = thread
        self.position: Position | None = None
        self.subscription: Subscription | None = None

    async def do(self, step: str) -> None:
        if step == "leave":
            if self.subscription is not None:
                self.subscription.close()
            self.subscription = None
            return
        if self.subscription is None:
            cursor = None if self.position is None else self.position.cursor()
            self.subscription = await self.thread.attached(cursor)
        for batch in await drain(self.subscription):
            if isinstance(batch, Events):
                assert self.position is not None
                run = offsets([batch])
                first = self.position.offset + 1
                assert run == list(range(first, first + len(run)))
            elif isinstance(batch, CaughtUp):
                assert batch.position == self.position
            elif self.position is not None:
                assert batch.position >= self.position
            self.position = parse_cursor(batch.cursor)

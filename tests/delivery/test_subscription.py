"""I3, I5: a subscription is a cursor that pulls."""

from __future__ import annotations

import pytest
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
    some_thread,
    text_of,
)

from actors.core.position import Position
from actors.core.resume import Mode
from actors.limits import Limits


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
    thread = await Written.begin(Limits(tail_bytes=2000, tail_merged_bytes=1, batch_bytes=1000))
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


async def test_what_is_read_from_disk_ends_where_others_are_told_that_the_thread_is() -> None:
    """I4: a cursor is never ahead of what was published, however much is durable."""
    thread = await some_thread()
    thread.lose_tail()
    subscription = await thread.attached(Position(3, 2).cursor())
    step = await thread.finish(publish=False)
    batches = await drain(subscription)
    assert batches[-1].position == thread.tail.position
    thread.publish(step)
    assert offsets(await drain(subscription))[-1] == thread.state.offset


async def test_a_reader_that_fell_behind_a_truncation_is_shown_the_thread_as_it_is() -> None:
    """Rule 3 of the protocol: a snapshot may come in mid-attachment, and events go on from it."""
    thread = await Written.begin(Limits(tail_bytes=500, tail_merged_bytes=1))
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
    thread = await Written.begin(Limits(tail_bytes=500, tail_merged_bytes=1))
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

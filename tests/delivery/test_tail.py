"""The tail: the newest events, kept once for all who watch."""

from __future__ import annotations

import pytest
from attrs import evolve
from written_thread import THREAD, Written

from actors.core.event_codec import Row
from actors.core.position import Position
from actors.core.thread_state import ThreadState
from actors.delivery.tail import Tail
from actors.errors import InternalError, PositionUnrecoverable, Rejected
from actors.limits import Limits


class Watching:
    """A watcher that counts."""

    def __init__(self) -> None:
        self.woken = 0
        self.detached: list[tuple[Position, str]] = []

    def wake(self) -> None:
        self.woken += 1

    def detach_at(self, position: Position, reason: str) -> bool:
        self.detached.append((position, reason))
        return True


def at(offset: int, epoch: int = 3) -> Position:
    return Position(epoch, offset)


async def test_readers_at_one_place_share_one_batch() -> None:
    """B4: idea 4: encoded once, whoever reads it."""
    thread = await Written.begin()
    await thread.whole_turn("a", "x", "y")
    first = thread.tail.after(at(0))
    assert first is not None
    assert thread.tail.after(at(0)) is first
    made: list[int] = []

    def make(_: object) -> bytes:
        made.append(1)
        return b"frame"

    assert (first.once(make), first.once(make), len(made)) == (b"frame", b"frame", 1)


async def test_a_batch_that_was_shared_is_not_given_out_again_after_news() -> None:
    """I3: a batch ends where the log ended when it was made; the next one has what came since."""
    thread = await Written.begin()
    await thread.submit()
    before = thread.tail.after(at(0))
    await thread.say("x")
    after = thread.tail.after(at(0))
    assert before is not None
    assert after is not None
    assert after.position.offset == before.position.offset + 1


async def test_the_tail_is_bounded_and_drops_its_oldest() -> None:
    """B25, I12."""
    limits = Limits(tail_bytes=2000, tail_merged_bytes=1000)
    thread = await Written.begin(limits)
    await thread.submit()
    for _ in range(200):
        await thread.say("x" * 50)
        rows = thread.tail._rows
        assert sum(len(row.body) for row in rows) <= limits.tail_bytes
        assert sum(len(row.body) for row in rows) == thread.tail._bytes
        assert rows[-1].to == thread.state.offset
        assert thread.tail.merged_size <= limits.tail_merged_bytes
    assert thread.tail.after(at(0)) is None
    assert thread.tail.after(at(thread.state.offset - 1)) is not None


async def test_one_row_larger_than_the_tail_is_still_served() -> None:
    thread = await Written.begin(Limits(tail_bytes=100))
    await thread.submit()
    await thread.say("x" * 5000)
    events = thread.tail.after(at(thread.state.offset - 1))
    assert events is not None
    assert len(events.rows) == 1


async def test_a_place_inside_a_range_cannot_be_resumed_from() -> None:
    """Rule 3 of the protocol."""
    thread = await Written.begin()
    await thread.submit()
    await thread.say("a", "b", "c")  # offsets 4 to 6
    assert thread.tail.after(at(3)) is not None
    for inside in (4, 5):
        with pytest.raises(PositionUnrecoverable, match="compacted"):
            thread.tail.after(at(inside))


async def test_another_life_and_the_head_itself_are_not_reached() -> None:
    thread = await Written.begin()
    await thread.whole_turn("a")
    head = thread.state.offset
    assert thread.tail.after(at(head)) is None
    assert thread.tail.after(at(0, epoch=2)) is None
    assert thread.tail.after(at(0, epoch=4)) is None


async def test_publishing_out_of_order_is_refused() -> None:
    """I3: not even a bug may put a gap before a viewer."""
    thread = await Written.begin()
    await thread.submit()
    rows = thread.tail.after(at(0))
    assert rows is not None
    with pytest.raises(InternalError, match="gap"):
        thread.tail.publish(rows.rows, thread.state)
    with pytest.raises(InternalError, match="gap"):
        Tail(THREAD, Limits()).publish(rows.rows, thread.state)


async def test_everybody_is_woken_by_news_and_by_a_new_activation() -> None:
    thread = await Written.begin()
    watcher = Watching()
    thread.tail.watch(watcher)
    await thread.submit()
    assert watcher.woken == 1
    thread.tail.show(thread.state)
    assert watcher.woken == 2


async def test_an_activation_that_is_where_the_tail_is_keeps_what_is_there() -> None:
    """I14: passivation between two activations is not noticed."""
    thread = await Written.begin()
    await thread.submit()
    thread.tail.show(thread.state)
    assert thread.tail.after(at(0)) is not None


async def test_rows_that_were_durable_but_never_published_are_left_to_the_journal() -> None:
    """I10: after a restart the tail begins behind what its writer did not live to publish."""
    thread = await Written.begin()
    await thread.submit()
    await thread.finish(publish=False)
    thread.tail.show(thread.state)
    assert thread.tail.after(at(0)) is None
    assert thread.tail.position == thread.state.position


async def test_a_forgotten_tail_knows_no_head_until_an_activation_shows_it() -> None:
    thread = await Written.begin()
    watcher = Watching()
    thread.tail.watch(watcher)
    await thread.submit()
    thread.tail.forget()
    assert thread.tail.position is None
    assert watcher.woken == 2
    thread.tail.show(thread.state)
    assert thread.tail.position == thread.state.position


async def test_rows_that_only_a_read_knows_of_leave_no_hole_in_the_tail() -> None:
    """I3: a snapshot read past them, and the next activation goes on where it read to."""
    thread = await Written.begin()
    await thread.whole_turn("a", "x")
    seen = thread.tail.position
    state = thread.tail.state
    assert seen is not None
    assert state is not None
    thread.tail.state = evolve(state, offset=seen.offset + 2)
    offset = seen.offset + 3
    row = Row(offset, offset, b"{}")
    thread.tail.publish((row,), evolve(state, offset=offset))
    assert thread.tail.after(seen) is None
    assert thread.tail.after(at(offset - 1)) is not None


async def test_watchers_are_bounded() -> None:
    """I12."""
    tail = Tail(THREAD, Limits(subscribers=2))
    tail.watch(first := Watching())
    tail.watch(Watching())
    with pytest.raises(Rejected, match="overloaded"):
        tail.watch(Watching())
    tail.unwatch(first)
    tail.unwatch(first)  # a no-op
    tail.watch(Watching())
    assert tail.watchers == 2


async def test_only_those_who_watch_at_that_instant_are_detached() -> None:
    """Rule 11 of the protocol: an old ending detaches nobody who comes later."""
    tail = Tail(THREAD, Limits())
    tail.show(ThreadState(epoch=3))
    tail.watch(early := Watching())
    tail.detach_all(at(5), "ended")
    tail.watch(late := Watching())
    assert early.detached == [(at(5), "ended")]
    assert late.detached == []
    assert tail.watchers == 1


async def test_rows_of_a_deleted_life_are_served_until_the_next_one_begins() -> None:
    """I13: whoever watches sees `thread.deleted`; nothing of it is left in the next life."""
    thread = await Written.begin()
    await thread.whole_turn("a")
    await thread.delete()
    events = thread.tail.after(at(0))
    assert events is not None
    assert events.position == at(5)
    await thread.submit("b")
    assert thread.tail.after(at(0)) is None
    again = thread.tail.after(at(0, epoch=4))
    assert again is not None
    assert again.position == at(3, epoch=4)

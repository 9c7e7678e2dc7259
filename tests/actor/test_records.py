"""Records: an application's own facts, in the log like everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
import trio.testing
from runtime_world import LIMITS, FakeJournal, Holds, Raises, open_world, refused

from actors import (
    Events,
    Item,
    JournalUnavailable,
    Life,
    Recorded,
    Rejected,
    ThreadKind,
    Turn,
    TurnOver,
)

if TYPE_CHECKING:
    from trio.testing import MockClock


@attrs.frozen
class Vote:
    up: int


async def test_the_first_record_makes_the_thread(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        receipt = await world.thread().record("vote", {"up": 1})
        assert (receipt.position.offset, receipt.duplicate) == (2, False)
        page = await world.thread().history()
        assert page.head.life is Life.OPEN
        assert [(i.kind, i.turn, i.body) for i in page.items] == [
            ("record", None, {"record": "vote", "data": {"up": 1}})
        ]


async def test_a_record_is_answered_and_shown_once_it_is_durable(
    autojump_clock: MockClock,
) -> None:
    """I4."""
    journal = FakeJournal()
    journal.on_append = holds = Holds()
    done: list[Any] = []

    async def record() -> None:
        done.append(await world.thread().record("vote", 1))

    async with open_world(journal=journal) as world, trio.open_nursery() as nursery:
        nursery.start_soon(record)
        await trio.testing.wait_all_tasks_blocked()
        assert not done
        assert not (await world.thread().history()).items
        holds.gate.set()
        await trio.testing.wait_all_tasks_blocked()
        assert len(done) == 1


async def test_keys_are_shared_with_submits(autojump_clock: MockClock) -> None:
    """I8: per principal, across a passivation and a restart."""
    journal = FakeJournal()
    async with open_world(journal=journal) as world:
        thread = world.thread()
        first = await thread.record("vote", {"a": 1, "b": 2}, key="k")
        again = await thread.record("vote", {"b": 2, "a": 1}, key="k")
        assert (again.position, again.duplicate) == (first.position, True)
        assert await refused(thread.record("vote", 2, key="k")) == "idempotency_conflict"
        assert await refused(thread.record("tally", {"a": 1, "b": 2}, key="k")) == (
            "idempotency_conflict"
        )
        assert await refused(thread.submit("hi", key="k")) == "idempotency_conflict"
        other = await world.runtime.thread("t", "bob").record("vote", 2, key="k")
        assert not other.duplicate
        turn = await thread.submit("quick", key="s")
        assert await refused(thread.record("quick", None, key="s")) == "idempotency_conflict"
        assert (await thread.submit("quick", key="s")).turn == turn.turn
        await trio.sleep(LIMITS.idle_seconds + 1)
        assert world.runtime.statistics().active == 0
        assert (await thread.record("vote", {"a": 1, "b": 2}, key="k")).duplicate
    journal.reopen()
    async with open_world(journal=journal) as world:
        again = await world.thread().record("vote", {"a": 1, "b": 2}, key="k")
        assert (again.position, again.duplicate) == (first.position, True)
    kinds = [e.kind for e in await journal.events() if isinstance(e, Recorded)]
    assert kinds == ["vote", "vote"]


async def test_a_record_may_come_while_a_turn_runs(autojump_clock: MockClock) -> None:
    """It stands behind the turn in turn order, and a model never sees it (I15)."""
    contexts: list[Any] = []
    go_on = trio.Event()

    async def handler(turn: Turn) -> None:
        contexts.append(turn.messages())
        await turn.write("one ")
        await go_on.wait()
        await turn.write("two")

    async with open_world(handler) as world:
        turn = await world.started("first")
        await world.thread().record("vote", 1)
        async with world.thread().attach() as subscription:
            snapshot = await anext(subscription)
            assert [i.kind for i in snapshot.items] == ["record"]  # type: ignore[union-attr] # begins with one
        go_on.set()
        await world.ends(turn)
        items = (await world.thread().history()).items
        assert [i.kind for i in items] == ["message", "answer", "record"]
        assert items[1].body["text"] == "one two"
        await world.ends(await world.asked("second"))
        assert [m["content"] for m in contexts[1]] == ["first", "one two", "second"]


async def test_a_record_opens_an_ended_thread(autojump_clock: MockClock) -> None:
    """Rule 11: in the same epoch."""
    async with open_world() as world:
        thread = world.thread()
        first = await thread.record("a", 1)
        assert await thread.end()
        second = await thread.record("b", 2)
        assert second.position.epoch == first.position.epoch
        assert (await thread.history()).head.life is Life.OPEN
        assert await thread.end()


async def test_records_outlive_a_truncation(autojump_clock: MockClock) -> None:
    """I13: also the compaction that follows."""
    async with open_world() as world:
        thread = world.thread()
        await world.ends(await world.asked("a"))
        await thread.record("vote", 1)
        await world.ends(await world.asked("b"))
        await thread.truncate(None)
        await world.runtime.compact(everything=True)
        assert [i.kind for i in (await thread.history()).items] == ["record"]


async def test_what_the_kind_does_not_take_is_refused_before_the_mailbox(
    autojump_clock: MockClock,
) -> None:
    """And the thread goes on."""
    kind = ThreadKind(on_turn=nothing, records={"vote": Vote})
    async with open_world(kind=kind) as world:
        thread = world.thread()
        for name, data in (("vote", {"up": "1"}), ("vote", {"up": 1, "x": 2}), ("veto", {"up": 1})):
            assert await refused(thread.record(name, data)) == "bad_request"
        assert await refused(thread.record("vote", "x" * LIMITS.item_bytes)) == "too_large"
        assert world.runtime.statistics().active == 0
        await thread.record("vote", {"up": 1})
        assert len((await thread.history()).items) == 1


async def test_a_kind_that_cannot_be_told_is_an_internal_refusal() -> None:
    def kind_of(thread: str) -> ThreadKind:
        raise KeyError(thread)

    async with open_world(kind_of=kind_of) as world:
        assert await refused(world.thread().record("vote", 1)) == "internal"


async def nothing(turn: Turn) -> None:
    """Say nothing."""


# Records of a handler


async def test_a_handler_records(autojump_clock: MockClock) -> None:
    """Durable on return; beside the turn, whose text goes on where it was."""
    journal = FakeJournal()
    found: list[Any] = []

    async def handler(turn: Turn) -> None:
        await turn.write("be")
        item = await turn.record("vote", {"up": 1})
        found.extend((await journal.history("t", None, 9, 1 << 20)).items)
        await turn.write("hind")
        with pytest.raises(Rejected):
            await turn.record("vote", {"up": "1"})
        with pytest.raises(Rejected):
            await turn.record("veto", {"up": 1})
        assert item != await turn.record("vote", {"up": 2})

    kind = ThreadKind(on_turn=handler, records={"vote": Vote})
    async with open_world(journal=journal, kind=kind) as world:
        assert await world.ends(await world.asked("go")) == "completed"
        items = (await world.thread().history()).items
        assert [i.kind for i in items] == ["message", "answer", "record", "record"]
        assert items[1].body["text"] == "behind"
    assert [_told(item) for item in found] == [{"up": 1}]


async def test_a_turn_that_has_ended_records_nothing_more(autojump_clock: MockClock) -> None:
    """I7: what was accepted before is durable before the terminal event."""
    journal = FakeJournal()
    after: list[str] = []

    async def handler(turn: Turn) -> None:
        await turn.record("before", 1)
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                try:
                    await turn.record("late", 1)
                except TurnOver:
                    after.append("over")

    async with open_world(handler, journal=journal) as world:
        turn = await world.started()
        await world.thread().cancel(turn)
    assert after == ["over"]
    assert [e.kind for e in await journal.events() if isinstance(e, Recorded)] == ["before"]


async def test_what_an_attempt_recorded_stays_and_the_next_may_record(
    autojump_clock: MockClock,
) -> None:
    """Its items are void, its records are facts."""
    journal = FakeJournal()

    async def handler(turn: Turn) -> None:
        await turn.write(f"attempt {turn.attempt}")
        await turn.record("tried", turn.attempt)
        if turn.attempt == 1:
            journal.after_append = Raises(JournalUnavailable("gone"))
            await turn.write("and then")
            await trio.sleep_forever()

    async def opener() -> FakeJournal:
        await trio.lowlevel.checkpoint()
        journal.reopen()
        return journal

    kind = ThreadKind(on_turn=handler, retry=True)
    async with open_world(journal=journal, kind=kind, opener=opener) as world:
        turn = await world.asked("go")
        assert await world.ends(turn) == "completed"
        items = (await world.thread().history()).items
    assert [_told(item) for item in items] == ["go", "attempt 2", 1, 2]


def _told(item: Item) -> Any:
    return item.body.get("content") or item.body.get("text") or item.body.get("data")


async def test_a_viewer_sees_a_record_where_it_stands(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        thread = world.thread()
        first = await thread.record("a", 1)
        async with thread.attach(first.position.cursor()) as subscription:
            await thread.record("b", [2], key="k")
            async for batch in subscription:
                if isinstance(batch, Events):
                    (entry,) = batch.entries
                    assert isinstance(entry.event, Recorded)
                    assert (entry.event.kind, entry.event.data, entry.event.key) == ("b", [2], "k")
                    break

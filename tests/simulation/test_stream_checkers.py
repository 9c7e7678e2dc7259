"""I3: an end detaches those who are there, and compaction leaves what was written."""

from __future__ import annotations

import orjson
import pytest

from actors.core.event_codec import Row
from actors.core.position import Position
from actors.delivery.batches import Detached, Events, Snapshot
from actors.testing.disk_facts import Compacted
from actors.testing.facts import Fault, Rested, Saw, Struck
from tests.simulation.histories import Told, delta, ended, recorded, started, submitted

ENDS = {"ended": "thread.ended", "deleted": "thread.deleted"}


def rows(told: Told, *offsets: int) -> tuple[Row, ...]:
    """Return what is on disk of thread a, in its first epoch."""
    return tuple(told.history().at["a", 1, offset].row for offset in offsets)


def ended_while_watched(reason: str) -> tuple[Told, int]:
    """A subscriber is attached when its thread ends, and sees that."""
    told = Told()
    number = told.attach()
    told.store(recorded("r1"), {"type": ENDS[reason]})
    told.note(Saw(number, Events("a", rows(told, 1, 2), Position(1, 2))))
    return told, number


def test_i3_who_has_not_seen_what_a_failed_actor_wrote_may_be_shown_that_all_is_deleted() -> None:
    told = Told()
    number = told.attach()
    told.store(recorded("r1"))
    told.note(Struck(Fault.ACTOR, "a"))
    told.store({"type": "thread.deleted"})
    told.note(Saw(number, Snapshot(thread="a", position=Position(2, 0), reason="deleted")))
    assert told.broken("I3") == []


def test_i3_who_has_not_seen_a_copy_may_be_shown_that_all_is_deleted() -> None:
    told = Told()
    number = told.attach("b")
    told.fork(to="b")
    told.store({"type": "thread.deleted"}, thread="b")
    told.note(Saw(number, Snapshot(thread="b", position=Position(2, 0), reason="truncated")))
    assert told.broken("I3") == []


@pytest.mark.parametrize("reason", ENDS)
def test_i3_finds_who_goes_on_behind_an_end(reason: str) -> None:
    told, number = ended_while_watched(reason)
    after = told.store(recorded("r2"))
    items = told.history().at["a", after.epoch, after.offset]
    if reason == "deleted":
        batch: Snapshot | Events = Snapshot(thread="a", position=Position(2, 0), reason="deleted")
    else:
        batch = Events("a", (items.row,), after)
    told.note(Saw(number, batch))
    message = f"subscriber 1: went on behind a {ENDS[reason]}, and was to be detached by it"
    assert told.broken("I3") == [message]


@pytest.mark.parametrize("reason", ENDS)
def test_who_is_detached_by_an_end_is_at_its_own(reason: str) -> None:
    told, number = ended_while_watched(reason)
    told.note(Saw(number, Detached("a", Position(1, 2), reason)))
    assert told.broken("I3") == []


def test_a_failure_may_come_between_an_end_and_those_whom_it_detaches() -> None:
    told, number = ended_while_watched("ended")
    told.note(Struck(Fault.ACTOR, "a"))
    after = told.store(recorded("r2"))
    told.note(Saw(number, Events("a", rows(told, 3), after)))
    assert told.broken("I3") == []


def test_i3_finds_a_compaction_that_merges_two_texts() -> None:
    for item in ("t1.1", "t1.2"):
        told = Told()
        told.store(submitted("t1"), started("t1"), delta("t1", "a"))
        told.store({**delta("t1", "b"), "item": item}, ended("t1"))
        merged = {**orjson.loads(rows(told, 3)[0].body), "to": 4, "text": "ab"}
        left = (*rows(told, 1, 2), Row(3, 4, orjson.dumps(merged)), *rows(told, 5))
        told.note(Compacted("a", 1, left))
        message = "compaction left offset 3 of a as it never was"
        assert told.broken("I3") == ([] if item == "t1.1" else [message])


def test_i3_finds_who_is_not_told_while_nobody_has_anything_to_do() -> None:
    told = Told()
    told.attach()
    told.note(Rested())
    assert told.broken("I3") == []
    told.store(recorded("r1"))
    told.note(Saw(1, Events("a", rows(told, 1), Position(1, 1))), Rested())
    assert told.broken("I3") == []
    told.store(recorded("r2"))
    told.note(Rested(), Saw(1, Events("a", rows(told, 2), Position(1, 2))))
    assert told.broken("I3") == ["subscriber 1: stands at 1.1 and never saw 1.2"]

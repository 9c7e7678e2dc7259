"""The checkers of what commands leave, about records and forks among them."""

from __future__ import annotations

import pytest

from actors.core.effects import ForkReceipt, RecordReceipt
from actors.core.items import Item
from actors.core.position import Position
from actors.delivery.batches import Snapshot
from actors.testing.checkers import CHECKERS
from actors.testing.facts import Answered, Refused, Saw
from actors.testing.operations import Attach, Fork, Record, Submit
from tests.simulation.histories import Told, delta, ended, recorded, started, submitted


def test_a_record_and_a_fork_in_their_order_are_right() -> None:
    told = Told()
    told.turn("t1")
    call = told.call(Record(1, "k1"))
    at = told.store(recorded("r1", 1, "k1"))
    told.note(Answered(call, RecordReceipt(at)))
    told.call(Record(1, "k1"), RecordReceipt(at, duplicate=True))
    call = told.call(Fork("c", key="k2"), argument="t1.0")
    made = told.fork(submitted("t1"), started("t1"), ended("t1"), after="t1.0", key="k2")
    told.note(Answered(call, ForkReceipt(made)))
    told.call(Fork("c", key="k2"), ForkReceipt(made, duplicate=True), argument="t1.0")
    told.call(Submit("1 stop", "k2"), Refused("idempotency_conflict"))
    told.call(Fork("c"), Refused("bad_request"), argument="t1.0")
    told.turn("t2")
    for invariant in CHECKERS:
        assert told.broken(invariant) == []


def test_i4_finds_records_and_forks_that_are_not_on_disk() -> None:
    told = Told()
    told.turn("t1")
    told.call(Record(), RecordReceipt(Position(1, 9)))
    told.call(Fork("c"), ForkReceipt(Position(1, 5)))
    assert told.broken("I4") == [
        "a record was acknowledged at 1.9, and is not on disk",
        "c was acknowledged, and is not on disk",
    ]


def test_i8_finds_a_record_of_somebody_else_under_the_same_key() -> None:
    def answered(*owner: str) -> list[str]:
        told = Told()
        call = told.call(Record(1, "k1"))
        mine = recorded("r1", key="k1") | dict.fromkeys(owner and ["author"], *owner)
        told.note(Answered(call, RecordReceipt(told.store(mine))))
        return [message.partition(",")[0] for message in told.broken("I8")]

    assert answered() == answered("local") == []
    assert answered("eve") == ["call 1 got the receipt of another command"]


def test_i8_finds_a_key_that_several_sorts_of_command_share() -> None:
    told = Told()
    told.turn("t1")
    call = told.call(Record(1, "k1"))
    at = told.store(recorded("r1", 1, "k1"))
    told.note(Answered(call, RecordReceipt(at)))
    told.call(Record(2, "k1"), RecordReceipt(at, duplicate=True))
    told.call(Record(1, "k2"), Refused("idempotency_conflict"))
    told.call(Fork("c", key="k1"))
    told.fork(key="k1")
    found = told.broken("I8")
    assert found[0] == "key k1 of a bound twice in life 1"
    assert found[1].startswith("call 3 got the receipt of another command")
    assert found[2] == "call 4 conflicts with nothing"
    assert len(found) == 3


def test_i13_finds_forks_that_lack_something_or_that_nobody_asked_for() -> None:
    told = Told()
    told.turn("t1")
    told.turn("t2")
    call = told.call(Fork("c"), argument="t2.0")
    made = told.fork(submitted("t2"), started("t2"), ended("t2"), after="t2.0")
    told.note(Answered(call, ForkReceipt(made)))
    told.fork(to="d")
    told.call(Fork("e"), Refused("bad_request"))
    assert told.broken("I13, of forks") == [
        "c begins with [('t2.0', 'message', '1 stop')], not with"
        " [('t1.0', 'message', '1 stop'), ('t2.0', 'message', '1 stop')]",
        "nobody forked a to d",
        "call 4 was told that e is there, and it is not",
    ]


def test_i13_a_copy_keeps_what_its_source_has_lost() -> None:
    told = Told()
    told.turn("t1")
    told.fork(submitted("t1"), started("t1"), ended("t1"), after="t1.0")
    told.store({"type": "thread.truncated", "after": None, "items": 0})
    for thread in "ca":
        watching = told.call(Attach(), thread=thread)
        item = Item("t1.0", "message", 0.0, "t1", {"content": "1 stop"})
        shown = Snapshot(thread=thread, position=told.head(thread), items=(item,))
        told.note(Saw(watching, shown))
    (found,) = told.broken("I13")
    assert "is shown t1.0, which is gone since" in found
    assert found.startswith("subscriber 3")


@pytest.mark.parametrize(
    ("after", "items", "broken"),
    [
        (None, {"items": 1}, []),  # the record
        (None, {}, ["a truncation leaves 0 items of a, it says, and 1"]),
        ("t1.0", {"items": 2}, []),
        ("t1.0", {"items": 3}, ["a truncation leaves 3 items of a, it says, and 2"]),
    ],
)
def test_i13_finds_a_truncation_that_miscounts_what_it_leaves(
    after: str | None, items: dict[str, int], broken: list[str]
) -> None:
    told = Told()
    told.store(submitted("t1"), started("t1"), delta("t1", "hello"), recorded("r1"), ended("t1"))
    told.store({"type": "thread.truncated", "after": after, **items})
    assert told.broken("I13") == broken


def test_i18_finds_a_record_of_nobody_and_a_fork_of_a_busy_thread() -> None:
    told = Told()
    told.turn("t1")
    told.store(recorded("r1"))
    told.store(submitted("t2"), started("t2"))
    call = told.call(Fork("c"))
    told.note(Answered(call, ForkReceipt(told.fork())))
    assert told.broken("I18") == [
        "call 2 could not be answered so at any time",
        "nobody submitted the record",
        "nobody submitted t2",
    ]

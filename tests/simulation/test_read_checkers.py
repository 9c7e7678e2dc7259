"""The checkers of reads, and of whom they are shown to, find what they are there for."""

from __future__ import annotations

import math

import pytest

from actors.core.effects import ForkReceipt
from actors.core.items import Item
from actors.core.position import Position
from actors.core.resume import Mode
from actors.delivery.batches import Snapshot
from actors.testing.checkers import CHECKERS, Broken
from actors.testing.facts import Answer, Answered, Attached, Fault, KindGiven, Refused, Saw, Struck
from actors.testing.operations import Attach, Fork, ListThreads, Operation, ReadPage
from actors.testing.read_facts import Line, Listing, Page
from actors.testing.schedule import TICK
from actors.testing.wire_facts import Allowed, Connected, Delivered, Sent, Welcomed
from actors.testing.world import SIMULATION_LIMITS
from tests.simulation.histories import Told, ended, started, submitted


def items(*ids: str) -> tuple[Item, ...]:
    return tuple(Item(each, "message", 0.0, each[:2], {"content": "1 stop"}) for each in ids)


def two_turns() -> Told:
    told = Told()
    told.store({"type": "thread.created"})
    told.turn("t1")
    told.turn("t2")
    return told


def line(told: Told, head: Position, count: int = 2) -> Line:
    """Return a listing's line of thread a, as it was active last."""
    return Line("a", head, count, told.history().logs["a"][-1].raw["at"])


def connected() -> Told:
    """Thread a is ada's, and so is b; eve has neither, and a connection."""
    told = Told()
    for thread in "ab":
        told.store({"type": "thread.created"}, thread=thread)
        told.note(Allowed("eve", thread, False))
    told.note(Connected(1, 0, "eve"), Welcomed(1, "eve", math.inf))
    return told


def ask(told: Told, operation: Operation) -> int:
    call = told.call(operation)
    told.note(Sent(1, call))
    return call


def test_i15_a_page_is_the_history_at_some_time() -> None:
    told = two_turns()
    told.call(ReadPage(), Page(items("t1.0", "t2.0"), None))
    told.call(ReadPage(1), Page(items("t2.0"), "t2.0"))
    assert told.broken("I15, of reads") == []


@pytest.mark.parametrize(
    "page",
    [
        Page((), None),
        Page(items("t2.0"), None),
        Page(items("t1.0"), "t1.0"),
        Page(items("t1.0", "t2.0"), "t1.0"),
        Page(items("t2.0", "t1.0"), None),
    ],
    ids=["empty", "the oldest is missing", "not the newest", "older than all", "out of order"],
)
def test_i15_finds_a_page_that_never_was(page: Page) -> None:
    told = two_turns()
    told.call(ReadPage(), page)
    (found,) = told.broken("I15, of reads")
    assert "which the history never was" in found


def test_i15_a_page_may_show_what_was_or_what_came_while_it_was_read() -> None:
    told = two_turns()
    told.store(submitted("t3"), started("t3"))
    calls = [told.call(ReadPage()) for _ in range(2)]
    told.store(ended("t3"))
    told.note(Answered(calls[0], Page(items("t1.0", "t2.0"), None)))
    told.note(Answered(calls[1], Page(items("t1.0", "t2.0", "t3.0"), None)))
    assert told.broken("I15, of reads") == []


def test_i15_a_page_may_end_before_an_item() -> None:
    told = two_turns()
    told.call(ReadPage(older=True), Page(items("t1.0"), None), argument="t2.0")
    told.call(ReadPage(older=True), Page((), None), argument="t1.0")
    told.call(ReadPage(older=True), Refused("item_not_found"), argument="t3.0")
    assert told.broken("I15, of reads") == []


@pytest.mark.parametrize("page", [Page(items("t1.0", "t2.0"), None), Page((), None)])
def test_i15_finds_a_page_that_ends_elsewhere(page: Page) -> None:
    told = two_turns()
    told.call(ReadPage(older=True), page, argument="t2.0")
    (found,) = told.broken("I15, of reads")
    assert "which the history never was" in found


def test_i15_finds_an_item_that_passes_for_none() -> None:
    told = two_turns()
    call = told.call(ReadPage(older=True), Refused("item_not_found"), argument="t2.0")
    message = f"page {call} is told of no item t2.0, and it was there"
    assert told.broken("I15, of reads") == [message]


def test_i16_finds_a_thread_that_passes_for_none() -> None:
    told = two_turns()
    told.call(ReadPage(), Refused("thread_not_found"), thread="b")
    assert told.broken("I16") + told.broken("I15, of reads") == []
    call = told.call(ReadPage(), Refused("thread_not_found"))
    found = [each.message for each in reads(told)]
    assert found == [f"page {call} is told of no thread, and it was there"]


def test_i4_finds_a_listing_that_is_ahead_of_the_disk() -> None:
    told = two_turns()
    head = told.head()
    told.call(ListThreads(), Listing((line(told, head),), True))
    ahead = Position(head.epoch, head.offset + 1)
    call = told.call(ListThreads(), Listing((line(told, ahead),), True))
    assert [(each.invariant, each.message) for each in reads(told)] == [
        ("I4", f"listing {call} has a at {ahead.cursor()}, where it was not")
    ]


def test_i15_finds_a_listing_that_counts_other_items() -> None:
    told = two_turns()
    told.call(ListThreads(), Listing((line(told, told.head(), 3),), True))
    (found,) = told.broken("I15, of reads")
    assert "3 items of a" in found


def test_i19_finds_a_listing_of_somebody_elses() -> None:
    told = connected()
    call = ask(told, ListThreads())
    told.note(Answered(call, Listing((line(told, told.head(), 0),), True)))
    assert told.broken("I19") == [f"listing {call} shows a, which is not its sender's"]


def test_i16_finds_who_is_told_of_no_thread_where_there_is_one() -> None:
    told = Told()
    told.call(Attach(), Refused("thread_not_found"))
    assert reads(told) == []
    at = told.store({"type": "thread.created"})
    told.call(Attach(), Refused("thread_not_found"))
    assert reads(told) == []  # nobody has been shown it yet
    call = told.call(Attach(), Attached(Mode.SNAPSHOT, None, at))
    told.note(Saw(call, Snapshot(thread="a", position=at)))
    told.call(Attach(), Refused("thread_not_found"))
    assert [each.invariant for each in reads(told)] == ["I16"]


def test_i19_a_listing_may_show_what_is_given_meanwhile() -> None:
    told = connected()
    call = ask(told, ListThreads())
    told.note(Allowed("eve", "a", True), Allowed("eve", "a", False))
    told.note(Answered(call, Listing((line(told, told.head(), 0),), True)))
    assert told.broken("I19") == []


def test_i19_finds_a_page_and_an_attached_of_somebody_elses() -> None:
    told = connected()
    call = ask(told, ReadPage())
    told.note(Answered(call, Page((), None)), Delivered(1, "a", "attached"))
    assert told.broken("I19") == [
        f"call {call}, of a thread that is not its sender's, got {Page((), None)}",
        "attached of a went out on connection 1, and eve may not see that",
    ]


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [(ForkReceipt(Position(1, 1)), 1), (Refused("bad_request"), 1), (Refused("forbidden"), 0)],
    ids=str,
)
def test_i19_finds_a_fork_to_a_thread_of_somebody_elses(answer: Answer, wrong: int) -> None:
    told = connected()
    told.note(Allowed("eve", "a", True))
    call = ask(told, Fork("b"))
    told.note(Answered(call, answer))
    assert len(told.broken("I19")) == wrong


@pytest.mark.parametrize(("overdue", "found"), [(2, 0), (math.inf, 1)])
def test_i1_a_turn_that_was_overdue_may_be_left_as_soon_as_its_actor_fails(
    overdue: float, found: int
) -> None:
    told = Told()
    grace = SIMULATION_LIMITS.cancel_grace_seconds
    told.note(KindGiven("a", False, grace, overdue=overdue * TICK))
    told.store(submitted("t1"), started("t1"))
    told.enter("t1")
    told.note(Struck(Fault.ACTOR, "a"), after=10)
    told.store(ended("t1", "interrupted"), generation=2)
    assert len(told.broken("I1")) == found


def reads(told: Told) -> list[Broken]:
    return list(CHECKERS["I15, of reads"](told.history()))

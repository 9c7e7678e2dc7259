"""Each checker is silent about what may be, and finds what it is there for."""

from __future__ import annotations

from actors.actor.fill import Fill
from actors.core.commands import OnBusy
from actors.core.effects import Cancelled, CancelOutcome, Submitted, Truncated
from actors.core.event_codec import Row
from actors.core.items import Item
from actors.core.position import Position
from actors.delivery.batches import Detached, Events, Snapshot, TurnItems
from actors.testing.checkers import same_trace
from actors.testing.facts import (
    Answered,
    AtRest,
    Closing,
    CutOff,
    Done,
    Drained,
    Fault,
    Filled,
    Killed,
    Opening,
    Read,
    Refused,
    Said,
    Saw,
    Struck,
    Stuck,
    Surprise,
)
from actors.testing.operations import Cancel, Delete, Submit, Truncate
from actors.testing.world import SIMULATION_LIMITS
from tests.simulation.histories import Told, delta, ended, started, submitted


def bug(thread: str = "a") -> Struck:
    return Struck(Fault.ACTOR, thread)


# I10: what fails, fails alone.


def test_i10_an_actor_restarts_and_is_set_aside_when_that_does_not_help() -> None:
    told = Told()
    watching = told.attach()
    for generation in (1, 2):
        told.claim(generation)
        told.call(Submit("1 stop"))
        told.note(bug(), Answered(generation + 1, Refused("internal")))
    told.call(Submit("1 stop"), Refused("thread_failed"))
    told.note(Saw(watching, Detached("a", told.head(), "failed")))
    told.note(Struck(Fault.RELEASED, "a"))
    told.claim(3)
    told.turn("t1")
    told.note(Closing(), Drained(2, ()))
    assert told.broken("I10") == []


def test_i10_finds_a_thread_that_is_started_again_and_again() -> None:
    """But for an actor that breaks while the journal is down, which has ended it already."""
    wrong = ["a was activated once more, although its actor failed too often"]
    for is_down, found in ((0, wrong), (1, [])):
        told = Told()
        for generation in (1, 2, 3):
            told.claim(generation)
            told.note(*[Struck(Fault.JOURNAL)] * is_down, bug())
            told.note(*[Struck(Fault.REOPENED)] * is_down)
        assert told.broken("I10") == found


def test_i10_counts_what_failed_within_the_whole_period_and_nothing_earlier() -> None:
    for ticks, found in ((50, 1), (70, 0)):
        told = Told()
        told.claim(1)
        told.note(bug())
        told.claim(2)
        told.note(bug(), after=ticks)
        told.claim(3)
        assert len(told.broken("I10")) == found


def test_i10_finds_a_bystander_that_is_set_aside_or_refused() -> None:
    told = Told()
    for _ in range(3):
        told.note(bug("a"))
    told.call(Submit("1 stop"), Refused("thread_failed"), thread="b")
    told.call(Submit("1 stop"), Refused("internal"), thread="b")
    told.note(Drained(3, ("a", "b")))
    assert told.broken("I10") == [
        "call 1 was refused, thread_failed, for no reason",
        "call 2 was refused, internal, for no reason",
        "b was set aside, and nothing explains it",
    ]


def test_i10_finds_viewers_who_notice_a_restart() -> None:
    told = Told()
    watching, cut = told.attach(), told.attach()
    told.note(bug(), Saw(watching, Detached("a", told.head(), "failed")), CutOff(cut, "internal2"))
    assert len(told.broken("I10")) == 2


def test_i10_finds_a_failed_turn_that_counts_as_completed_and_needless_restarts() -> None:
    told = Told()
    told.store(submitted("t1"), started("t1"))
    told.enter("t1")
    told.exit("t1", "RuntimeError")
    told.store(ended("t1"))
    told.note(Drained(1, ()), Surprise("the runtime failed"))
    assert len(told.broken("I10")) == 3


def test_i10_finds_a_needless_restart_beside_damage() -> None:
    told = Told()
    told.note(Struck(Fault.DAMAGE, "a"), Drained(1, ("a",)))
    assert told.broken("I10") == []
    told.note(Drained(2, ("a",)))
    assert told.broken("I10") == ["2 actors restarted, and 0 were broken"]


def test_i10_finds_a_journal_that_stays_failed_after_it_was_opened_anew() -> None:
    told = Told()
    told.note(Struck(Fault.JOURNAL))
    told.call(Submit("1 stop"), Refused("journal_unavailable"))
    told.note(Struck(Fault.REOPENED))
    told.turn("t1")
    assert told.broken("I10") == []
    told.note(AtRest())
    assert told.broken("I10") == []
    told.call(Cancel(), Refused("journal_unavailable"))
    assert told.broken("I10") == ["call 3 was refused, journal_unavailable, for no reason"]


def test_i10_finds_a_journal_that_nobody_opens_anew() -> None:
    told = Told()
    told.note(Struck(Fault.JOURNAL), AtRest())
    assert told.broken("I10") == ["the journal failed, and was never opened anew"]


# I12: bounds.


def test_i12_what_is_full_is_within_its_bound() -> None:
    """B25: mailboxes, tails, buffers and queues."""
    told = Told()
    told.turn("t1")
    told.note(shown(told, "t1"))
    told.note(
        Filled(Fill(commands=5, tail_bytes=600, tail_merged_bytes=300, pieces=2, subscribers=10))
    )
    assert told.broken("I12") == []


def test_i12_finds_a_mailbox_a_tail_a_buffer_a_batch_and_a_queue_that_outgrow_it() -> None:
    told = Told()
    call = told.attach()
    rows = tuple(Row(n, n, b"{}" + b" " * 200) for n in (1, 2, 3, 4))
    told.note(Saw(call, Events("a", rows, Position(1, 4))))
    queue = tuple(TurnItems(f"t{n}", 0, ()) for n in range(3))
    told.note(Saw(call, Snapshot(thread="a", position=Position(1, 4), queue=queue)))
    fill = Fill(commands=6, tail_bytes=601, tail_merged_bytes=301, pieces=3, subscribers=10_001)
    told.note(Filled(fill))
    assert [found.partition(":")[0] for found in told.broken("I12")] == [
        "bytes of a batch",
        "turns in the queue",
        "commands in a mailbox",
        "bytes of a tail",
        "merged bytes of a tail",
        "pieces in a turn's buffer",
        "subscribers of a thread",
    ]


# I13: what is gone stays gone.


def item(turn: str, number: int = 0) -> Item:
    return Item(f"{turn}.{number}", "message", 0.0, turn, {"content": "1 stop"})


def shown(told: Told, *turns: str, thread: str = "a") -> Saw:
    call = told.attach(thread)
    items = tuple(map(item, turns))
    return Saw(call, Snapshot(thread=thread, position=told.head(thread), items=items))


def test_i13_a_thread_begins_anew_after_its_deletion() -> None:
    told = Told()
    told.turn("t1")
    told.store({"type": "thread.truncated", "after": None, "items": 0})
    told.turn("t2")
    told.note(shown(told, "t2"))
    told.store({"type": "thread.deleted"})
    told.turn("t3")
    told.note(shown(told, "t3"))
    assert told.broken("I13") == []


def test_i13_finds_what_comes_back() -> None:
    told = Told()
    told.turn("t1")
    told.store({"type": "thread.truncated", "after": None, "items": 0})
    told.note(shown(told, "t1"))
    told.turn("t2")
    told.store({"type": "thread.deleted"})
    told.note(shown(told, "t2"))
    told.call(Submit("1 stop", "k1"), Submitted("t2", Position(1, 5), duplicate=True))
    told.store_at(Position(1, 9), delta("t2", "late"))
    assert told.broken("I13") == [
        "turn.delta was written to epoch 1, which was deleted",
        "subscriber 2 is shown t1.0, which is gone since 1.4",
        "subscriber 4 is shown t2.0, which is gone since 2.0",
        "call 5 got the receipt of a deleted thread",
    ]


# I14: passivation loses nothing.


def test_i14_an_activation_follows_another_one() -> None:
    told = Told()
    told.claim(1)
    told.turn("t1")
    told.claim(2)
    told.store(submitted("t2"), started("t2"))
    told.note(bug())
    told.claim(3)
    told.store(ended("t2", "interrupted"))
    told.claim(4)
    assert told.broken("I14") == []


def test_i14_finds_a_turn_that_is_left_behind_and_a_viewer_who_is_sent_away() -> None:
    told = Told()
    watching = told.attach()
    told.claim(1)
    told.store(submitted("t1"), started("t1"))
    told.note(Saw(watching, Detached("a", told.head(), "passivated")))
    told.claim(2)
    assert told.broken("I14") == [
        "subscriber 1 was sent away, passivated",
        "a is activated anew, and its last activation left t1 open",
    ]


# I15: context.

TALK = ({"role": "user", "content": "1 stop"}, {"role": "assistant", "content": "hello"})


def two_turns() -> Told:
    """Tell two turns, of which the second was queued while the first one ran."""
    told = Told()
    told.store(submitted("t1"), started("t1"), submitted("t2", "2 stop"))
    told.store(delta("t1", "hello"), ended("t1"), started("t2"))
    return told


def test_i15_a_handler_is_given_what_ended_before_it_in_turn_order() -> None:
    told = two_turns()
    told.note(Read("a", "t2", 1, (*TALK, {"role": "user", "content": "2 stop"})))
    assert told.broken("I15") == []


def test_i15_finds_a_context_in_the_order_of_the_log_and_one_without_its_history() -> None:
    told = two_turns()
    own = {"role": "user", "content": "2 stop"}
    told.note(Read("a", "t2", 1, (TALK[0], own, TALK[1])))
    told.note(Read("a", "t2", 1, (own,)))
    assert len(told.broken("I15")) == 2


# I16: damage.


def test_i16_a_damaged_thread_is_set_aside_until_it_is_mended() -> None:
    told = Told()
    told.turn("t1")
    told.note(Struck(Fault.DAMAGE, "a"))
    told.call(Submit("1 stop"), Refused("thread_failed"))
    told.turn("t2", thread="b")
    told.note(Drained(1, ("a",)))
    told.note(Struck(Fault.MENDED, "a"))
    told.claim(2)
    told.turn("t3")
    assert told.broken("I16") == []


def test_i16_finds_a_damaged_thread_that_is_used_and_others_that_suffer() -> None:
    told = Told()
    told.turn("t1")
    told.note(Struck(Fault.DAMAGE, "a"))
    call = told.attach("a")
    told.note(Saw(call, Snapshot(thread="a", position=Position(1, 0))))
    told.claim(2)
    told.call(Submit("1 stop"), Refused("thread_failed"))
    told.call(Submit("1 stop"), Refused("thread_failed"), thread="b")
    told.note(Drained(0, ()))
    told.note(Killed())
    told.opened(serving=False)
    assert told.broken("I16") == [
        "a is damaged, and shown as empty",
        "a went on, although its rows are damaged",
        "call 4 was refused, and b is not damaged",
        "a is damaged and not set aside",
        "life 2 never began to serve",
    ]


# I17: the same trace.


def test_i17_finds_where_two_runs_part() -> None:
    told, other = Told(), Told()
    told.turn("t1")
    other.turn("t1")
    assert list(same_trace(told.records, other.records)) == []
    other.turn("t2")
    (found,) = same_trace(told.records, other.records)
    assert (found.invariant, found.index) == ("I17", len(told.records))


# I18: one order.


def receipt(turn: str, offset: int, *, again: bool = False) -> Submitted:
    return Submitted(turn, Position(1, offset), again)


def test_i18_calls_that_overlap_may_be_answered_in_any_order() -> None:
    told = Told()
    told.store({"type": "thread.created"})
    first = told.call(Submit("1 stop", "k1"))
    second = told.call(Cancel(), client=1)
    third = told.call(Submit("1 stop"), client=2)
    told.store(submitted("t1", key="k1"), started("t1"))
    told.note(Answered(third, Refused("turn_in_progress", "t1")))
    told.note(Answered(second, Cancelled(None, CancelOutcome.NOTHING_RUNNING, Position(1, 1))))
    told.note(Answered(first, receipt("t1", 2)))
    told.call(Submit("1 stop", "k1"), receipt("t1", 2, again=True))
    told.call(Submit("2 stop", "k1"), Refused("idempotency_conflict"))
    told.call(Submit("3 stop"))  # lost, and not without effect
    told.store(ended("t1"), submitted("t2", "3 stop"))
    assert told.broken("I18") == []


def test_i18_finds_an_answer_that_was_never_right() -> None:
    told = Told()
    told.store({"type": "thread.created"})
    told.turn("t1")
    told.call(Submit("1 stop"), Refused("turn_in_progress", "t1"))
    told.call(Submit("1 stop", "k1"), Refused("idempotency_conflict"))
    told.call(Cancel(), Refused("thread_not_found"))
    told.call(Cancel(), Refused("turn_not_found"), argument="t1")
    told.call(Truncate(), Truncated(Position(1, 4)))
    told.call(Delete(), Done(True))
    told.store(submitted("t2"))
    assert told.broken("I18") == [
        *(f"call {number} could not be answered so at any time" for number in range(2, 8)),
        "nobody submitted t2",
    ]


def test_i18_finds_one_clients_commands_out_of_order() -> None:
    told = Told()
    told.store({"type": "thread.created"})
    first = told.call(Submit("1 stop", waits=False))
    second = told.call(Submit("2 stop", on_busy=OnBusy.QUEUE, waits=False))
    told.store(submitted("t2", "2 stop"), submitted("t1"))
    told.note(Answered(second, receipt("t2", 2)), Answered(first, receipt("t1", 3)))
    assert told.broken("I18") == [
        "call 2 could not be answered so behind those that its client had sent before"
    ]


# I20: everything comes to its end.


def test_i20_finds_what_is_stuck() -> None:
    told = Told()
    told.note(Stuck("one task is left"))
    assert told.broken("I20") == ["one task is left"]


def test_i20_finds_pieces_that_wait_for_something_else_than_the_disk() -> None:
    told = Told()
    told.note(Opening(SIMULATION_LIMITS, slowest=4))
    told.store(submitted("t1"), started("t1"))
    told.enter("t1")
    told.note(Said("a", "t1", 1, "soon"))
    told.store(delta("t1", "soon"))
    assert told.broken("I20, in time") == []
    told.note(Said("a", "t1", 1, "late"))
    told.note(AtRest(), after=20)
    told.store(delta("t1", "late"))
    assert told.broken("I20, in time") == ["what t1 said took 21 ticks to the disk"]

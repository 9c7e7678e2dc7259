"""`apply`: what each event does, and the entries that it refuses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from core_shell import EPOCH, CoreShell, queue, running, submit, text

from actors.core.apply import apply
from actors.core.commands import End, Ending, OnBusy, Recover
from actors.core.events import (
    Entry,
    Event,
    Recorded,
    ThreadDeleted,
    TurnEnded,
    TurnItem,
    TurnStarted,
    UnknownEvent,
)
from actors.core.head import Life
from actors.core.thread_state import ThreadState
from actors.core.turn_lifecycle import TurnState
from actors.errors import InternalError

S = TurnState


def next_entry(state: ThreadState, event: Event, width: int = 1) -> Entry:
    return Entry(state.offset + 1, state.offset + width, 5000.0, event)


def done() -> CoreShell:
    shell = running()
    shell.exits()
    return shell


REFUSED: dict[str, tuple[Callable[[], CoreShell], Event]] = {
    "a start of a turn that was never submitted": (done, TurnStarted("x", 1)),
    "a start of an ended turn": (done, TurnStarted("a", 2)),
    "a start beside the live turn": (lambda: running(queue("q")), TurnStarted("q", 1)),
    "a delta of no turn": (done, text("a", 1, "late")),
    "a delta of a queued turn": (lambda: running(queue("q")), text("q", 1, "early")),
    "an item of another turn": (running, TurnItem("b", "b.1", "note", 1)),
    "a second ending": (done, TurnEnded("a", S.COMPLETED)),
    "an ending of nobody": (running, TurnEnded("x", S.COMPLETED)),
    "a queued turn that completes": (
        lambda: running(queue("q")),
        TurnEnded("q", S.COMPLETED),
    ),
    "a queued turn that times out": (
        lambda: running(queue("q")),
        TurnEnded("q", S.TIMED_OUT),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_entry_that_cannot_follow_is_refused(name: str) -> None:
    """I2, I7: the fold itself is the last to let a turn end twice or speak after its end."""
    shell, event = REFUSED[name]
    state = shell().state
    with pytest.raises(InternalError):
        apply(state, next_entry(state, event))


@pytest.mark.parametrize("offset", [0, 1, 3, 5])
def test_a_gap_or_a_repeat_is_refused(offset: int) -> None:
    """I3: offsets rise by one."""
    state = running().state
    assert state.offset == 3
    with pytest.raises(InternalError, match="cannot follow"):
        apply(state, Entry(offset, offset, 0.0, text("a", 1, "x")))


def test_a_range_moves_the_head_to_its_last_offset() -> None:
    state = running().state
    assert apply(state, next_entry(state, text("a", 1, "wide"), width=4)).offset == 7


def test_an_unknown_event_counts_for_its_offset_alone() -> None:
    """A log that a newer version wrote is still read."""
    state = running().state
    after = apply(state, next_entry(state, UnknownEvent("turn.waiting", {"turn": "a"})))
    assert after.offset == state.offset + 1
    assert (after.live, after.queue) == (state.live, state.queue)


def test_a_deletion_begins_the_next_life() -> None:
    """I13: absent, empty, in a new epoch."""
    state = done().state
    assert apply(state, next_entry(state, ThreadDeleted())) == ThreadState(epoch=EPOCH + 1)


def test_a_record_is_an_item_of_settled_history() -> None:
    state = done().state
    after = apply(state, next_entry(state, Recorded("r.0", "note", 1)))
    assert after.transcript_items == state.transcript_items + 1
    assert after.settled == after.offset


def test_an_interruption_does_not_touch_the_listing() -> None:
    """Maintenance must not reorder the list of threads."""
    shell = running()
    before = shell.state.active_at
    shell.do(Recover())
    assert shell.state.active_at == before
    shell.do(submit("b"))
    assert shell.state.active_at > before


def test_a_submit_opens_an_ended_thread_in_the_same_epoch() -> None:
    """Rule 11 of the protocol."""
    shell = done()
    shell.do(End())
    assert shell.state.life is Life.ENDED
    shell.do(submit("b"))
    assert (shell.state.life, shell.state.epoch) == (Life.OPEN, EPOCH)


@pytest.mark.parametrize(
    ("ending", "items"),
    [
        (Ending(S.COMPLETED), 2),  # the message and the answer
        (Ending(S.CANCELLED, reason="requested"), 3),  # and a marker
        (Ending(S.CANCELLED, reason="requested", rolled_back=True), 0),
    ],
)
def test_items_are_counted_as_they_settle(ending: Ending, items: int) -> None:
    shell = running()
    shell.say(text("a", 1, "hello"))
    assert shell.state.transcript_items == 0
    shell.exits(ending)
    assert shell.state.transcript_items == items


def test_another_attempt_voids_what_the_one_before_said() -> None:
    """The ids go on, since a viewer has seen the earlier ones."""
    shell = running()
    shell.say(text("a", 1, "half"), TurnItem("a", "a.2", "note", 1))
    shell.do(Recover(retry=True))
    assert shell.state.live is not None
    assert [item.item for item in shell.state.live.view.items()] == ["a.0"]
    assert shell.state.live.view.numbered == 3
    assert shell.state.live.attempt == 2


def test_turn_order_is_by_start_and_a_retry_keeps_its_place() -> None:
    """I15: a queued message lies among the deltas of the turn before it, and comes after it."""
    shell = running(queue("q"))
    shell.say(text("a", 1, "x"))
    place = shell.state.live.place if shell.state.live else 0
    shell.do(Recover(retry=True))
    shell.exits()
    shell.exits()
    assert [part.owner for part in shell.parts] == ["a", "q"]
    assert shell.parts[0].place == place
    assert shell.parts[1].first < shell.parts[0].last < shell.parts[1].place


def test_a_turn_cancelled_in_the_queue_stands_where_it_ended() -> None:
    shell = running(queue("q"), submit("i", on_busy=OnBusy.INTERRUPT))
    shell.do(submit("j", on_busy=OnBusy.INTERRUPT))  # supersedes `i`, which never ran
    (part,) = shell.parts
    assert part.owner == "i"
    assert part.place == part.last

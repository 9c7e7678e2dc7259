"""Services, leases, casts and projections: each checker is silent about what may be, and finds what
it is there for."""

from __future__ import annotations

from typing import Any

import pytest

from actors import Fact, OnExit, Overflow, Projection
from actors.core.position import Position
from actors.delivery.batches import Snapshot
from actors.testing.checkers import CHECKERS
from actors.testing.facts import (
    Answered,
    AtRest,
    Called,
    Closed,
    Closing,
    Done,
    Drained,
    Fault,
    Killed,
    KindGiven,
    Refused,
    Saw,
    Struck,
)
from actors.testing.operations import Cast, End, Record, Submit
from actors.testing.service_facts import (
    Counted,
    Held,
    LeaseReturned,
    LeaseTaken,
    LetGo,
    Noted,
    ServiceEntered,
    ServiceExited,
    Took,
)
from actors.testing.world import SIMULATION_LIMITS
from tests.simulation.histories import Told, ended, recorded, started, submitted

ENDED = {"type": "thread.ended"}
# Ticks after which a service that does not stop is left to itself.
GRACE = 80


def served(on_exit: OnExit, overflow: Overflow = Overflow.REFUSE, **more: Any) -> Told:
    """Begin a history in which thread a is open and has a service."""
    told = Told()
    told.note(KindGiven("a", False, 0.0, on_exit=on_exit, overflow=overflow, **more))
    told.call(Record())
    told.claim(1)
    told.store({"type": "thread.created"}, recorded("r1"))
    told.note(ServiceEntered("a", 1))
    return told


def found(told: Told, checker: str) -> list[str]:
    return [f"{each.invariant}: {each.message}" for each in CHECKERS[checker](told.history())]


# I5 and I6: who may end a thread.


def ended_with_its_turn(on_exit: OnExit, error: str | None) -> Told:
    told = served(on_exit)
    told.store(submitted("t1"), started("t1"))
    told.note(ServiceExited("a", 1, error))
    told.store(ended("t1", "cancelled"), ENDED)
    return told


def test_a_service_that_is_over_may_end_its_thread_and_the_turn() -> None:
    told = ended_with_its_turn(OnExit.END_THREAD, "RuntimeError")
    assert found(told, "I5") == []
    assert found(told, "I6") == []


@pytest.mark.parametrize(
    ("on_exit", "error"), [(OnExit.END_THREAD, "Cancelled"), (OnExit.RESTART, "RuntimeError")]
)
def test_i5_and_i6_find_a_thread_that_ends_without_a_reason(
    on_exit: OnExit, error: str | None
) -> None:
    told = ended_with_its_turn(on_exit, error)
    assert found(told, "I5") == [
        "I5: t1 ended as turn.cancelled, which nobody caused",
        "I5: a ended, and nobody ended it",
    ]
    assert found(told, "I6") == ["I6: t1 was cancelled by a command for another turn"]


def test_i5_finds_a_second_end_of_one_service() -> None:
    told = served(OnExit.END_THREAD)
    told.note(ServiceExited("a", 1, None))
    told.store(ENDED)
    told.store(recorded("r2"), ENDED)
    assert found(told, "I5") == ["I5: a ended, and nobody ended it"]


# I1: one service at a time.


def test_i1_finds_two_services_of_a_thread_and_an_end_that_is_answered_too_early() -> None:
    told = served(OnExit.LEAVE)
    told.note(ServiceEntered("a", 2))
    told.call(End(), Done(existed=True))
    assert found(told, "I1, of services") == [
        "I1: two services of a run side by side",
        "I11: a was ended before its service was gone",
    ]


@pytest.mark.parametrize(("taken_over", "wrong"), [(True, 0), (False, 1)])
def test_i11_a_service_whose_grace_was_running_may_be_left_while_an_end_waits(
    taken_over: bool, wrong: int
) -> None:
    told = served(OnExit.LEAVE)
    call = told.call(End())
    if taken_over:
        told.claim(2)
    told.note(Answered(call, Done(existed=True)))
    wrongly = ["I11: a was ended before its service was gone"]
    assert found(told, "I1, of services") == wrongly * wrong


# I10: services that fail.


def failures(*ticks: int) -> Told:
    """Have the service fail at these distances, and be begun anew each time."""
    told = served(OnExit.RESTART)
    for run, after in enumerate(ticks, 1):
        told.note(ServiceExited("a", run, "RuntimeError"), after=after)
        told.note(ServiceEntered("a", run + 1))
    return told


def test_i10_a_service_that_fails_now_and_then_is_begun_anew() -> None:
    period = int(SIMULATION_LIMITS.restart_period_seconds * 1024)
    often = [1] * SIMULATION_LIMITS.restart_intensity
    assert found(failures(*often, period + 1, *often[1:]), "I10") == []


def test_i10_a_service_that_is_over_is_begun_anew_by_the_next_activation() -> None:
    for policy, error in ((OnExit.LEAVE, "RuntimeError"), (OnExit.RESTART, None)):
        told = served(policy)
        told.note(ServiceExited("a", 1, error))
        told.claim(2)
        told.note(ServiceEntered("a", 2))
        assert found(told, "I10, of services") == []
    assert found(failures(1), "I10, of services") == []


def test_i10_finds_a_service_that_is_begun_anew_where_it_is_over() -> None:
    for policy, error in ((OnExit.LEAVE, "RuntimeError"), (OnExit.RESTART, None)):
        told = served(policy)
        told.note(ServiceExited("a", 1, error), ServiceEntered("a", 2))
        message = "I10: the service of a was over, and was begun once more"
        assert found(told, "I10, of services") == [message]


def test_i10_finds_a_service_that_is_begun_again_and_again() -> None:
    told = failures(*[1] * (SIMULATION_LIMITS.restart_intensity + 1))
    message = "the service of a was begun anew, although it failed too often"
    assert found(told, "I10") == [f"I10: {message}"]


def test_i10_a_thread_is_set_aside_for_its_service_and_for_no_other() -> None:
    told = served(OnExit.RESTART)
    told.note(ServiceExited("a", 1, "RuntimeError"), Struck(Fault.SERVICE, "a"))
    told.call(Submit("1 stop"), Refused("thread_failed"))
    told.note(Closing(), Drained(1, ("a",)))
    assert found(told, "I10") == found(told, "I16") == []
    told.note(Drained(2, ("a", "b")))
    assert found(told, "I10") == [
        "I10: 2 actors restarted, and 0 were broken",
        "I10: b was set aside, and nothing explains it",
    ]


# I11: one lease at a time.


def test_i11_a_service_has_one_lease_and_then_another() -> None:
    told = served(OnExit.RESTART)
    for run, lease in ((1, "gpu-1"), (2, "gpu-2")):
        told.note(LeaseTaken("a", lease), Held("a", run, lease), LetGo("a", run, lease))
        told.note(LeaseReturned(lease))
    told.note(LeaseTaken("a", "gpu-3"))  # it comes too late for anybody
    told.note(LeaseTaken("a", "gpu-4"), Held("a", 3, "gpu-4"))
    told.note(LeaseReturned("gpu-3"))
    told.note(LeaseReturned("gpu-4"), after=GRACE)  # from one that does not stop
    assert found(told, "I11") == []


def test_i11_finds_leases_side_by_side_and_ones_that_nobody_lent() -> None:
    told = served(OnExit.RESTART)
    told.note(LeaseTaken("a", "gpu-1"), Held("a", 1, "gpu-1"), LetGo("a", 1, "gpu-1"))
    told.note(LeaseTaken("a", "gpu-2"), Held("a", 2, "gpu-2"), Held("b", 3, "gpu-2"))
    told.note(Held("a", 4, "gpu-9"))
    assert found(told, "I11") == [
        "I11: a has gpu-2 and gpu-1 at a time",
        "I11: gpu-2 was lent to a second service",
        "I11: a service has gpu-9, which nobody lent",
    ]


def test_i11_finds_a_lease_that_is_taken_from_a_service_at_work() -> None:
    told = served(OnExit.RESTART)
    told.note(LeaseTaken("a", "gpu-1"), Held("a", 1, "gpu-1"), LeaseReturned("gpu-1"))
    assert found(told, "I11") == ["I11: gpu-1 was given back under the service that has it"]


# I14: casts.

TAKEN, DROPPED, REFUSED = Done(existed=True), Done(existed=False), Refused("overloaded")


def cast(told: Told, *wishes: str, times: int = 1, answer: Any = TAKEN) -> None:
    for wish in wishes:
        for _ in range(times):
            told.call(Cast(wish, times), answer)


def test_i14_casts_are_taken_in_order_and_are_gone_with_their_thread() -> None:
    told = served(OnExit.LEAVE)
    cast(told, "x", "y")
    told.note(Took("a", 1, "x"), Took("a", 1, "y"))
    cast(told, "z")
    told.call(End(), Done(existed=True))
    told.store(ENDED)
    told.note(AtRest())
    assert found(told, "I14, of casts") == []


def test_i14_finds_casts_that_are_taken_twice_or_out_of_order_or_never() -> None:
    told = served(OnExit.LEAVE)
    cast(told, "x", "y")
    told.note(Took("a", 1, "y"), Took("a", 1, "y"))
    cast(told, "z")
    told.note(AtRest())
    assert found(told, "I14, of casts") == [
        "I14: a took a cast, and not the one before it",
        "I14: a took 'y', and no such cast waited",
        "I14: what was cast to a was never taken",
    ]


def test_i14_finds_a_cast_that_outlives_its_thread() -> None:
    told = served(OnExit.LEAVE)
    cast(told, "x")
    told.store(ENDED, recorded("r2"))
    told.note(ServiceEntered("a", 2), Took("a", 2, "x"))
    assert found(told, "I14, of casts") == ["I14: a took 'x', and no such cast waited"]


def test_what_was_cast_outlives_an_end_whose_activation_breaks_before_it_drops_it() -> None:
    told = served(OnExit.END_THREAD)
    told.call(Cast("x"), Done(existed=True))
    told.store(ENDED)
    told.note(Struck(Fault.ACTOR, "a"))
    told.claim(2)
    told.note(ServiceEntered("a", 2), Took("a", 2, "x"))
    assert found(told, "I14, of casts") == []
    told.note(Took("a", 2, "x"))
    assert found(told, "I14, of casts") == ["I14: a took 'x', and no such cast waited"]


def test_i14_finds_a_cast_that_found_no_room_where_there_was_some() -> None:
    told = served(OnExit.LEAVE)
    cast(told, "x", answer=Refused("overloaded"))
    assert found(told, "I14, of casts") == ["I14: call 2 found no room, and there was some"]


@pytest.mark.parametrize(
    ("overflow", "told"),
    [
        (Overflow.DROP_OLDEST, Done(existed=False)),
        (Overflow.DROP_OLDEST, Refused("overloaded")),
        (Overflow.DROP_NEWEST, Refused("overloaded")),
        (Overflow.REFUSE, Done(existed=False)),
    ],
    ids=str,
)
def test_i14_finds_an_inbox_with_another_policy(overflow: Overflow, told: Any) -> None:
    flood = flooded(overflow, TAKEN, TAKEN, told)
    assert "which is not the thread's policy" in found(flood, "I14, of casts")[0]


def flooded(overflow: Overflow, *answers: Any) -> Told:
    """Cast four times in a row, where two have room."""
    told = served(OnExit.LEAVE, overflow)
    for number, answer in enumerate(answers):
        told.note(Called(10 + number, 0, "a", Cast(f"x{number}", 4), None))
        told.note(Answered(10 + number, answer))
    return told


@pytest.mark.parametrize(
    ("overflow", "beyond", "taken"),
    [
        (Overflow.REFUSE, REFUSED, ("x0", "x1")),
        (Overflow.DROP_NEWEST, DROPPED, ("x0", "x1")),
        (Overflow.DROP_OLDEST, TAKEN, ("x2", "x3")),
    ],
)
def test_i12_a_full_inbox_follows_its_policy(
    overflow: Overflow, beyond: Any, taken: tuple[str, ...]
) -> None:
    told = flooded(overflow, TAKEN, TAKEN, beyond, beyond)
    told.note(*(Took("a", 1, wish) for wish in taken), AtRest())
    assert found(told, "I14, of casts") == []


def test_i12_finds_an_inbox_that_outgrows_its_bound() -> None:
    told = flooded(Overflow.REFUSE, TAKEN, TAKEN, TAKEN)
    assert found(told, "I14, of casts") == [
        "I12: call 12: more casts wait than there is room for",
    ]
    told = flooded(Overflow.DROP_OLDEST, TAKEN, TAKEN, TAKEN)
    told.note(Took("a", 1, "x0"))
    assert found(told, "I14, of casts") == ["I14: a took 'x0', and no such cast waited"]


# I15: projections.


def summed(sum_so_far: int, fact: Fact) -> int:
    if fact.data == 13:
        raise ValueError("no")
    return sum_so_far + int(fact.data)


SUM = {"sum": Projection(0, summed, public=True)}


def shown(told: Told, value: int) -> Saw:
    call = told.call(Record())
    return Saw(call, Snapshot(thread="a", position=told.head(), attributes={"sum": value}))


def test_i15_a_projection_is_the_sum_of_the_records() -> None:
    told = served(OnExit.LEAVE, projections=SUM)
    told.note(shown(told, 1))
    told.store(recorded("r2", data=13), recorded("r3", data=4))
    told.note(shown(told, 5), Noted("a", 1, Position(1, 3)))
    told.note(*(Counted("a", 1, {"sum": value}) for value in (1, 5)))
    told.store({"type": "thread.deleted"})
    told.note(shown(told, 0))
    assert found(told, "I15, of records") == []


def test_i15_finds_a_record_that_is_counted_twice_and_one_that_is_missing() -> None:
    told = served(OnExit.LEAVE, projections=SUM)
    told.note(shown(told, 2))
    told.store(recorded("r2", data=4))
    told.note(Noted("a", 1, told.head()), Counted("a", 1, {"sum": 1}))
    assert found(told, "I15, of records") == [
        "I15: sum of a at 1.2 is 1, and is shown as 2",
        "I15: service 1 of a is told that sum is 1, which it is not",
    ]


def test_i4_finds_a_record_that_a_service_was_told_of_and_that_is_not_on_disk() -> None:
    told = served(OnExit.LEAVE, projections=SUM)
    told.note(Noted("a", 1, Position(1, 3)))
    message = "a service was told of a record at 1.3, which is not on disk"
    assert found(told, "I15, of records") == [f"I4: {message}"]


# I11: leases.


def test_i11_a_lease_is_given_back_once_unless_the_process_is_killed() -> None:
    told = Told()
    told.note(LeaseTaken("a", "gpu-1"), LeaseReturned("gpu-1"), LeaseTaken("a", "gpu-2"), Killed())
    told.opened()
    told.note(LeaseTaken("a", "gpu-3"), LeaseReturned("gpu-3"), Closed(()))
    assert told.broken("I11") == []


def test_i11_finds_leases_that_leak_or_come_back_twice() -> None:
    told = Told()
    told.note(LeaseTaken("a", "gpu-1"), LeaseTaken("a", "gpu-2"))
    told.note(LeaseReturned("gpu-2"), LeaseReturned("gpu-2"), Closed(()))
    assert told.broken("I11") == [
        "gpu-2 was given back, and nobody had it",
        "gpu-1 was never given back",
    ]

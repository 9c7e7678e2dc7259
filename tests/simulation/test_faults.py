"""Faults: which append each strikes, and what an operator does between two phases."""

from __future__ import annotations

import pytest

from actors.testing import BreakActor, Mend, Moment, Run, Scenario, Step, Submit, scripted, simulate
from actors.testing.facts import Fault, Rested
from actors.testing.operations import Cancel, Crash, FailJournal, Operation, ReadPage, Revoke
from actors.testing.read_facts import Page
from actors.testing.wire_facts import Delivered
from transport.testing import simulate_wire


def run(*phases: tuple[Operation, ...], threads: str = "a") -> Run:
    """Run phases in which every step is done to each of the threads in turn."""
    steps = [tuple(Step(0, t, does) for does in phase for t in threads) for phase in phases]
    return simulate(Scenario(tuple(steps)), scripted)


def struck(run: Run, fault: Fault) -> list[str | None]:
    """Return the threads that a fault struck."""
    return [blow.thread for blow in run.history.struck if blow.fault is fault]


def stored(run: Run) -> list[str]:
    """Return the types of what is on disk, life by life."""
    return [event.type for log in run.history.logs.values() for event in log]


@pytest.mark.parametrize(
    ("fault", "last"),
    [
        (BreakActor(settling=True), "turn.interrupted"),
        (FailJournal(settling=True), "turn.interrupted"),
        (Crash(Moment.BEFORE, settling=True), "turn.interrupted"),
        (Crash(Moment.AFTER, settling=True), "turn.completed"),
    ],
    ids=str,
)
def test_what_waits_for_an_append_that_settles_something_lets_the_earlier_ones_pass(
    fault: Operation, last: str
) -> None:
    done = run((fault, Submit("2 stop")))
    assert stored(done)[:3] == ["thread.created", "turn.submitted", "turn.started"]
    assert stored(done)[-1] == last
    done.check()


def test_a_cancel_meets_the_failure_of_the_append_that_would_answer_it() -> None:
    done = run((BreakActor(settling=True), Cancel(), Submit("1 flush"), Cancel()))
    assert struck(done, Fault.ACTOR) == ["a"]
    done.check()


def test_what_breaks_any_actor_breaks_whichever_come_to_append_next() -> None:
    broken = run((BreakActor(times=2, anywhere=True), Submit("1 stop")), threads="ab")
    assert sorted(map(str, struck(broken, Fault.ACTOR))) == ["a", "b"]
    mended = run((BreakActor(times=2, anywhere=True), Mend(), Submit("1 stop")))
    assert struck(mended, Fault.ACTOR) == []


def test_between_two_phases_an_operator_releases_what_breaks_once_more() -> None:
    talk = (Submit("1 stop"), Submit("1 stop"))
    done = run((BreakActor(times=3), *talk), talk)
    blows = [blow.fault for blow in done.history.struck]
    assert blows == [Fault.ACTOR, Fault.ACTOR, Fault.RELEASED, Fault.ACTOR]
    assert stored(done)[-1] == "turn.completed"
    done.check()


def test_every_other_time_nobody_has_anything_to_do_for_long() -> None:
    rested = [*run(*[(Submit("1 stop"),)] * 4).history.of(Rested)]
    assert len(rested) == 2


@pytest.mark.parametrize(("looks", "shown"), [(0, 0), (1, 0), (20, 3)])
def test_a_thread_is_taken_away_amid_a_look_at_it(looks: int, shown: int) -> None:
    """A page that was read by then is not shown; one that is shown counts as delivered.

    Whose thread is to be taken away amid a look looks at it once more.
    """
    steps = [Submit("1 stop"), Revoke(looks), ReadPage(), ReadPage()]
    scenario = Scenario((tuple(Step(0, "a", does) for does in steps),))
    done = simulate_wire(scenario, scripted).check()
    pages = [c.answer for c in done.history.calls.values() if isinstance(c.operation, ReadPage)]
    assert sum(isinstance(page, Page) for page in pages) == shown
    told = [record.fact for _, record in done.history.of(Delivered)]
    replies = [fact for fact in told if isinstance(fact, Delivered) and fact.what == "reply"]
    assert len(replies) == shown

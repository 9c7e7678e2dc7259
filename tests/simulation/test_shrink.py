"""Making a failing case small: what has to be there for something else, and what only was there."""

from __future__ import annotations

from random import Random

from actors.core.commands import OnBusy
from actors.testing import Scenario, Schedule, Step, sample_schedule, shrink
from actors.testing.operations import Attach, Cast, Compact, Delete, End, Operation, Submit
from actors.testing.shrink import fewest_steps


def scenario(*phases: tuple[Operation, ...]) -> Scenario:
    return Scenario(tuple(tuple(Step(0, "a", each) for each in phase) for phase in phases))


def operations(scenario: Scenario) -> list[Operation]:
    return [step.operation for phase in scenario.phases for step in phase]


def test_a_phase_whose_steps_do_nothing_is_left_empty_where_its_place_counts() -> None:
    filled = scenario((Attach(),), (Compact(), Attach()), (Delete(), Attach()))

    def fails(tried: Scenario, schedule: Schedule) -> bool:
        third = tried.phases[2] if len(tried.phases) > 2 else ()
        return any(step.operation == Delete() for step in third)

    small, _ = shrink((filled, Schedule()), fails)
    assert operations(small) == [Delete()]
    assert small.phases[:2] == ((), ())


def test_steps_that_are_there_for_each_others_sake_go_together() -> None:
    filled = scenario((Attach(), Compact(), Attach(), Delete()), (Attach(), End(), Attach()))

    def fails(tried: Scenario, schedule: Schedule) -> bool:
        # None of the seven can go by itself.
        return operations(tried) in (operations(filled), [Delete(), End()])

    case = filled, sample_schedule(Random(1))
    assert fewest_steps(case, fails) == 2


def test_what_no_step_can_leave_is_left_for_fewer_of_the_first_steps() -> None:
    filled = scenario((Attach(), Delete(), Attach(), Attach()), (Attach(), End(), Attach()))

    def fails(tried: Scenario, schedule: Schedule) -> bool:
        # Step by step the way goes down to four that stay; these two were others.
        done = operations(tried)
        return done.count(Attach()) > 3 or done == [Delete(), End()]

    case = filled, sample_schedule(Random(1))
    assert fewest_steps(case, fails) == 2


def test_a_case_is_made_small_within_its_tries() -> None:
    tried = []

    def fails(each: Scenario, schedule: Schedule) -> bool:
        tried.append(each)
        return len(operations(each)) > 1

    case = scenario((Attach(),) * 30), sample_schedule(Random(1))
    assert 2 < fewest_steps(case, fails, tries=10) < 30
    assert len(tried) == 10
    tried.clear()
    assert fewest_steps(case, fails) == 2
    assert len(tried) <= 1000


def test_a_case_that_is_short_enough_is_made_no_shorter() -> None:
    def fails(each: Scenario, schedule: Schedule) -> bool:
        return len(operations(each)) > 1

    case = scenario((Attach(),) * 30), sample_schedule(Random(1))
    assert fewest_steps(case, fails, enough=9) in range(2, 10)
    assert fewest_steps(case, lambda *_: False, enough=30) == 30


def test_what_is_done_by_several_steps_is_done_as_often_by_one() -> None:
    filled = scenario((Cast("record"), Attach(), Cast("record")), (Compact(), Cast("end", times=2)))

    def fails(tried: Scenario, schedule: Schedule) -> bool:
        return sum(each.times for each in operations(tried) if isinstance(each, Cast)) >= 4

    small, _ = shrink((filled, sample_schedule(Random(1))), fails)
    assert operations(small) == [Cast("record", times=4)]


def test_what_is_said_to_one_thread_and_with_less_may_do_the_same() -> None:
    said = Submit("1 hang", key="k1", on_busy=OnBusy.QUEUE)
    steps = Step(0, "a", Attach()), Step(1, "b", said), Step(2, "a", Attach()), Step(0, "a", End())

    def fails(tried: Scenario, schedule: Schedule) -> bool:
        # Three stay, and none of their two does it; a plain message and an end do, on one thread.
        done = [step for phase in tried.phases for step in phase]
        messages = [step.operation for step in done if isinstance(step.operation, Submit)]
        plain = messages == [Submit("1 hang", on_busy=OnBusy.ROLLBACK)]
        ends = any(step.operation == End() for step in done)
        return len(done) > 2 or (plain and ends and len({step.thread for step in done}) == 1)

    case = Scenario((steps,)), sample_schedule(Random(1))
    assert fewest_steps(case, fails, tries=3000) == 2


def test_what_is_done_one_after_the_other_may_do_the_same_at_once() -> None:
    filled = scenario((Submit("1 stop"),), (Attach(), End()))

    def fails(tried: Scenario, schedule: Schedule) -> bool:
        # None of the three can go, unless the message and the attachment are at once.
        done = operations(tried)
        at_once = len(tried.phases) == 1 and Attach() in done and End() not in done
        return len(done) > 2 or (at_once and len(done) == 2)

    case = filled, sample_schedule(Random(1))
    assert fewest_steps(case, fails) == 2

"""Each explorer finds what the others cannot, and says what it did not try."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
import trio

from actors.testing import (
    Explorer,
    Scenario,
    Schedule,
    Step,
    World,
    explore,
    read_case,
    replay,
    scripted,
    simulate,
    write_case,
)
from actors.testing.operations import Attach, Cancel, Operation, Submit, Target
from actors.testing.schedulers.exhaustive import following
from actors.testing.schedulers.gate import Gate
from actors.testing.tape import Tape
from actors.testing.virtual_clock import READINGS, VirtualClock

if TYPE_CHECKING:
    from actors import Turn
    from actors.actor.kinds import Handler


def phase(*operations: Operation) -> Scenario:
    """Return a scenario in which each client does one thing, all at once."""
    return Scenario((tuple(Step(n, "a", each) for n, each in enumerate(operations)),))


RACE = phase(Submit("1 stop"), Cancel(Target.RUNNING))


@pytest.mark.parametrize("explorer", Explorer)
def test_a_schedule_carries_its_explorer(explorer: Explorer) -> None:
    schedule = Schedule(bytes([1, 2, 3]), explorer=explorer)
    assert read_case(write_case(RACE, schedule)) == (RACE, schedule)


def test_an_older_case_is_one_of_virtual_delays() -> None:
    case = write_case(RACE, Schedule()).replace(',"explorer":"delays"', "")
    assert read_case(case) == (RACE, Schedule())


def test_all_orders_of_a_tiny_scenario_are_run() -> None:
    explored = explore(RACE, scripted)
    assert explored.complete
    assert explored.broken is None
    assert explored.runs > 150
    assert explored.traces > 15


def test_a_bound_on_deviations_is_complete_within_it() -> None:
    scenario = phase(Submit("1 stop"), Cancel(Target.RUNNING), Attach())
    one = explore(scenario, scripted, deviations=1)
    assert one.complete
    assert one.runs < 100
    assert not explore(scenario, scripted, most=20).complete


def test_what_the_exhaustive_explorer_finds_can_be_played_again() -> None:
    explored = explore(RACE, careless)
    assert explored.broken is not None
    again = replay(explored.broken.case, careless)
    assert again.trace == explored.broken.trace
    assert again.broken()


def careless(world: World) -> Handler:
    """Return a handler that keeps the loop busy for long where it is cancelled at its port."""

    async def on_turn(turn: Turn) -> None:
        try:
            await world.pause()
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                for _ in range(2 * READINGS):
                    await trio.lowlevel.checkpoint()
            raise

    return on_turn


def test_depth_first_goes_through_every_list_of_choices_once() -> None:
    seen: list[tuple[int, ...]] = []
    choices: list[int] | None = []
    while choices is not None:
        made = tuple([*choices, 0, 0, 0][:3])
        seen.append(made)
        choices = following(choices, (2, 3, 2), None)
    assert len(seen) == len(set(seen)) == 12


def test_the_gate_lets_one_through_at_a_time_by_label() -> None:
    passed: list[str] = []

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for label in ("c", "a", "b"):
                nursery.start_soon(through, label)
            await gate.quiet()

    async def through(label: str) -> None:
        await gate.step(label)
        passed.append(label)

    gate = Gate(Tape(bytes([2])))
    trio.run(main, clock=VirtualClock(gate))
    assert passed == ["c", "a", "b"]
    assert gate.choices == [3, 2]


def test_what_only_the_step_explorer_finds_is_called_latent() -> None:
    found = simulate(RACE, scripted, schedule=Schedule(explorer=Explorer.STEP))
    assert "latent" in found.story()
    assert "latent" not in simulate(RACE, scripted).story()


def test_a_task_that_swallows_every_cancellation_ends_the_run_nevertheless() -> None:
    async def deaf(turn: Turn) -> None:
        while True:
            with contextlib.suppress(trio.Cancelled):
                await trio.sleep(1)

    run = simulate(phase(Submit("hello")), lambda world: deaf)
    assert "I20" in {broken.invariant for broken in run.broken()}
    assert "stuck" in run.story()


def test_tasks_that_keep_each_other_busy_are_given_up() -> None:
    async def busy(turn: Turn) -> None:
        while True:
            await trio.lowlevel.checkpoint()

    run = simulate(phase(Submit("hello")), lambda world: busy)
    assert "I20" in {broken.invariant for broken in run.broken()}


@pytest.mark.parametrize("readings", [1, 2])
def test_tasks_that_heed_no_cancellation_are_broken_off_whoever_reads_the_clock(
    readings: int,
) -> None:
    async def deaf(turn: Turn) -> None:
        while True:
            with contextlib.suppress(trio.Cancelled):
                await trio.lowlevel.checkpoint()
            for _ in range(readings):
                trio.current_time()

    run = simulate(phase(Submit("hello")), lambda world: deaf)
    assert "heeds no cancellation" in run.story()

"""What is drawn: few things at a time, time that passes, and cuts amid what comes next."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
import trio

from actors.testing import (
    LetTimePass,
    Scenario,
    Schedule,
    Step,
    Submit,
    World,
    read_case,
    sample_scenario,
    scripted,
    simulate,
    submit,
    write_case,
)
from actors.testing.facts import Claimed
from actors.testing.operations import CutConnection, Record
from actors.testing.scenario import everything, let_time_pass, restart
from transport.link import LinkClosed
from transport.testing.network import SimulatedNetwork

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.testing import Operation
    from transport.link import Link

DRAWN = 300


def drawn(*sorts: tuple[Operation, ...]) -> Iterator[list[Step]]:
    for number in range(DRAWN):
        scenario = sample_scenario(Random(number), *sorts, phases=4, steps=8)
        yield [step for phase in scenario.phases for step in phase]


def test_some_scenarios_keep_to_few_operations_and_others_have_many() -> None:
    long = [steps for steps in drawn(*everything()) if len(steps) >= 16]
    different = [len({step.operation for step in steps}) for steps in long]
    assert min(different) <= 4
    assert max(different) >= 12


def test_some_scenarios_are_of_one_thread_or_one_client_and_others_of_all() -> None:
    long = [steps for steps in drawn(*everything()) if len(steps) >= 16]
    assert {len({step.thread for step in steps}) for steps in long} == {1, 2}
    assert {len({step.client for step in steps}) for steps in long} == {1, 2, 3}


def test_what_is_repeated_under_a_key_may_say_something_else() -> None:
    for first in (Submit("1 stop", "k1"), Record(1, "k1")):
        said = {step.operation for steps in drawn((first,)) for step in steps}
        assert len(said) > 1
        assert {each.key for each in said if isinstance(each, Submit | Record)} == {"k1"}
    said = {step.operation for steps in drawn((Submit("1 stop", "k1"),)) for step in steps}
    assert len({each.first for each in said if isinstance(each, Submit)}) == 3


def test_the_first_sort_may_always_be_drawn() -> None:
    firsts = [any(isinstance(s.operation, Submit) for s in steps) for steps in drawn(*everything())]
    assert sum(firsts) > 0.7 * DRAWN


def test_a_single_sort_is_enough() -> None:
    assert all(steps for steps in drawn(submit("1 stop")))


@pytest.mark.parametrize(("between", "activations"), [((), 1), ((LetTimePass(16),), 2)])
def test_an_idle_thread_goes_while_a_client_lets_time_pass(
    between: tuple[LetTimePass, ...], activations: int
) -> None:
    said = (Submit("1 stop"), *between, Submit("1 stop"))
    run = simulate(Scenario((tuple(Step(0, "a", each) for each in said),)), scripted)
    run.check()
    assert sum(isinstance(record.fact, Claimed) for record in run.records) == activations


def test_time_that_passes_is_told_and_kept() -> None:
    steps = tuple(Step(0, "a", each) for each in (*let_time_pass(), *restart()))
    scenario = Scenario((steps,))
    assert read_case(write_case(scenario, Schedule()))[0] == scenario
    run = simulate(scenario, scripted)
    assert "client 0, thread a: let 192 ticks pass" in run.story()


@pytest.mark.parametrize("after", [1, 2])
def test_a_connection_is_cut_when_so_many_more_messages_were_taken(after: int) -> None:
    taken: list[object] = []

    async def take_all(link: Link) -> None:
        while True:
            taken.append(await link.receive())

    async def main() -> None:
        world = World(Schedule(bytes([4] * 32)))  # no delays, and a cut loses all that is under way
        async with trio.open_nursery() as nursery:
            network = SimulatedNetwork(world.delays, nursery, world.limits)
            connection = network.pair()
            connection.cut(after)
            for number in range(3):
                await connection.server.send_text(f"{number}")
            with trio.fail_after(5), pytest.raises(LinkClosed):
                await take_all(connection.client)

    trio.run(main)
    assert taken == ["0", "1"][:after]


def test_an_older_cut_is_one_of_now() -> None:
    scenario = Scenario(((Step(0, "a", CutConnection()),),))
    case = write_case(scenario, Schedule())
    assert read_case(case.replace('"after":0,', "")) == (scenario, Schedule())
    assert '"after":0,' in case

"""Everything races everything over a network that is late, cuts and stalls.

python -m tests.simulation.wire --runs 2000
python -m tests.simulation.wire --replay FILE
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from attrs import evolve

from actors.testing import (
    Run,
    Scenario,
    Schedule,
    read_case,
    sample_scenario,
    sample_schedule,
    scripted,
    shrink,
)
from actors.testing.operations import Leave
from actors.testing.scenario import PHASES
from tests.simulation.campaign import keep
from tests.simulation.kinds import has, kind
from transport.testing import simulate_wire, wire_everything

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors import Handler, ThreadKind


# In one phase, at most: a connection takes some of them, before anything can befall it.
STEPS = 10
# Most scenarios leave most things out: over a network, few things are quick enough to meet.
SWARMS = 0.75


def may(principal: str, thread: str) -> bool:
    """Ada may do everything; Eve is a stranger to thread b."""
    return principal == "ada" or thread == "a"


def present(thread: str, handler: Handler) -> ThreadKind:
    """Who is attached to thread b is told who is."""
    return everywhere(thread, handler) if thread == "b" else kind(thread, handler)


def everywhere(thread: str, handler: Handler) -> ThreadKind:
    """Who is attached is told who is, on every thread."""
    return evolve(kind(thread, handler), presence=True)


def race(scenario: Scenario, schedule: Schedule) -> Run:
    """Run one case, with the handler that follows the scripts in the messages.

    Where people leave, they are told of each other everywhere; it makes streams slower to send.
    """
    told = everywhere if has(scenario, Leave) else present
    return simulate_wire(scenario, scripted, schedule=schedule, authorise=may, kind=told)


def sample(random: Random, phases: int = PHASES, steps: int = STEPS) -> Scenario:
    """Return a scenario of a random generator; of so many phases and steps in each, at most."""
    operations = wire_everything()
    return sample_scenario(random, *operations, phases=phases, steps=steps, swarms=SWARMS)


def runs(seed: int) -> Iterator[Run]:
    """Yield runs without end; the seed decides which."""
    for number in count():
        random = Random(f"wire {seed}/{number}")
        yield race(sample(random), sample_schedule(random))


def smallest(run: Run) -> Run:
    """Return a smaller run that breaks the same invariant."""
    invariant = run.broken()[0].invariant
    fails: Callable[[Scenario, Schedule], bool] = lambda scenario, schedule: any(  # noqa: E731 - one expression
        each.invariant == invariant for each in race(scenario, schedule).broken()
    )
    return race(*shrink((run.scenario, run.schedule), fails, tries=600))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 where nothing broke."""
    parser = argparse.ArgumentParser(description="Everything races everything, over the wire.")
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0, help="decides what is drawn")
    parser.add_argument("--replay", type=Path, help="a case to run again")
    chosen = parser.parse_args(arguments)
    if chosen.replay is not None:
        run = race(*read_case(chosen.replay.read_text()))
        print(run.story(run.broken()))
        return 1 if run.broken() else 0
    began = time.process_time()
    for run in islice(runs(chosen.seed), chosen.runs):
        if run.broken():
            small = smallest(run)
            print(small.story(small.broken()))
            print(f"or: python -m tests.simulation.wire --replay {keep(small)}")
            return 1
    each = (time.process_time() - began) / chosen.runs
    print(f"{chosen.runs} runs; none broke an invariant; {1 / each:.0f} a second.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""I17: the same scenario and schedule give the same trace, byte for byte."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from actors.testing import (
    Explorer,
    Run,
    Scenario,
    World,
    assert_deterministic,
    sample_scenario,
    sample_schedule,
    simulate,
)
from actors.testing.operations import Submit
from actors.testing.scenario import Step
from tests.simulation import wire
from tests.simulation.campaign import race, runs

if TYPE_CHECKING:
    from actors import Turn
    from actors.actor.kinds import Handler

CASES = 40
# So often is one seed run; the long target asks for 1,000.
TIMES = int(os.environ.get("HOLDFAST_TIMES", "60"))
ROOT = Path(__file__).parent.parent.parent
# Interpreters beside this one, each with what the simulation needs: paths, as in PATH.
OTHERS = [path for path in os.environ.get("HOLDFAST_PYTHONS", "").split(os.pathsep) if path]


@pytest.mark.parametrize("explorer", Explorer)
def test_a_case_gives_the_same_trace_every_time(explorer: Explorer) -> None:
    for number in range(CASES // 2):
        random = Random(number)
        case = sample_scenario(random), sample_schedule(random, explorer)
        assert_deterministic(lambda case=case: race(*case), times=3)


def test_one_seed_gives_the_same_trace_many_times() -> None:
    random = Random("many times")
    case = sample_scenario(random), sample_schedule(random)
    assert_deterministic(lambda: race(*case), times=TIMES)


def test_what_comes_from_outside_the_world_is_named() -> None:
    numbers = count()

    def with_a_number(world: World) -> Handler:
        async def on_turn(turn: Turn) -> None:
            await turn.write(f"{next(numbers)}")

        return on_turn

    def run() -> Run:
        steps = (Step(0, "a", Submit("hello")),)
        return simulate(Scenario((steps,)), with_a_number)

    with pytest.raises(AssertionError, match=r"run 2 differs.*\n.* says '0'\n.*\n.* says '1'"):
        assert_deterministic(run)


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_the_trace_does_not_depend_on_the_process(hash_seed: str) -> None:
    here = cases()
    assert digests(sys.executable, here, hash_seed) == [digest(run) for run in here]


def test_the_trace_of_the_wire_does_not_depend_on_the_process() -> None:
    here = [*islice(wire.runs(17), CASES)]
    for python in (sys.executable, *OTHERS):
        assert digests(python, here, "1", "wire") == [digest(run) for run in here], python


@pytest.mark.skipif(not OTHERS, reason="HOLDFAST_PYTHONS names no other interpreter")
def test_the_trace_does_not_depend_on_the_version_of_python() -> None:
    here = cases()
    for python in OTHERS:
        assert digests(python, here, "0") == [digest(run) for run in here], python


def cases() -> list[Run]:
    explorers = [run for explorer in Explorer for run in islice(runs(17, explorer), CASES // 4)]
    return [*islice(runs(17), CASES // 4), *explorers]


def digest(run: Run) -> str:
    return hashlib.sha256(run.trace).hexdigest()


def digests(python: str, these: list[Run], hash_seed: str, *over: str) -> list[str]:
    told = subprocess.run(
        [python, "-m", "tests.simulation.trace_digests", *over],
        input="\n".join(run.case for run in these),
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return told.stdout.split()

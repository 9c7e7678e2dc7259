"""I17: the same scenario and schedule give the same trace, byte for byte."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from actors.testing import sample_scenario, sample_schedule
from tests.simulation.campaign import race, runs

CASES = 40
ROOT = Path(__file__).parent.parent.parent


def test_a_case_gives_the_same_trace_every_time() -> None:
    for number in range(CASES):
        random = Random(number)
        case = sample_scenario(random), sample_schedule(random)
        first = race(*case).trace
        assert all(race(*case).trace == first for _ in range(3))


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_the_trace_does_not_depend_on_the_process(hash_seed: str) -> None:
    here = list(islice(runs(seed=17), CASES))
    told = subprocess.run(
        [sys.executable, "-m", "tests.simulation.trace_digests"],
        input="\n".join(run.case for run in here),
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert told.stdout.split() == [hashlib.sha256(run.trace).hexdigest() for run in here]

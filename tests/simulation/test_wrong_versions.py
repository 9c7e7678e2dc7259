"""Wrong versions of the runtime, and that the default mix finds each of them out."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.simulation import mix
from tests.zoo import apply as zoo

if TYPE_CHECKING:
    from pathlib import Path

# A seed under which none of them takes long.
SEED, EXAMPLES = 1, 1000

# What a diff may change at the most.
LINES = 15


@pytest.fixture(scope="session")
def told() -> dict[str, str]:
    """Hunt for all of them under one seed, and return what is told of each."""
    command = [sys.executable, "-m", "tests.zoo", "--stories", "0"]
    command += [
        "--seed",
        str(SEED),
        "--seeds",
        "1",
        "--examples",
        str(EXAMPLES),
        "--jobs",
        str(min(2, os.cpu_count() or 1)),
    ]
    done = subprocess.run(command, cwd=zoo.ROOT, check=False, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert len(lines) == len(zoo.names()), done.stderr
    return {line.split()[1]: line for line in lines}


@pytest.mark.parametrize("name", zoo.names())
def test_a_diff_is_short_and_fits(name: str) -> None:
    mutant = zoo.read_mutant(name)
    assert mutant.changed <= LINES
    assert zoo.wrong_texts(mutant)


@pytest.mark.parametrize("name", zoo.names())
def test_a_wrong_version_is_found_out(name: str, told: dict[str, str]) -> None:
    assert "NOT FOUND" not in told[name], told[name]


def test_the_true_runtime_breaks_nothing_in_the_mix() -> None:
    _, example = mix.hunt(seed=0, most=200)
    assert example.found == []


def test_a_diff_that_no_longer_fits_is_refused(tmp_path: Path) -> None:
    mutant = zoo.read_mutant(zoo.names()[0])
    for hunk in mutant.hunks:
        path = tmp_path / hunk.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("# something else stands here by now\n")
    with pytest.raises(zoo.DoesNotApply):
        zoo.wrong_texts(mutant, tmp_path)

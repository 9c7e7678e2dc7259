"""Wrong versions of the runtime, and that the default mix finds each of them out."""

from __future__ import annotations

import builtins
import os
import subprocess
import sys
from dis import get_instructions
from importlib import import_module
from types import CodeType
from typing import TYPE_CHECKING

import pytest

from tests.simulation import mix
from tests.zoo import apply as zoo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A quick hunt: few examples for each, which found 46 of 66 under this seed when it was looked at.
# It tells of a mix or a checker that has lost its teeth, and not of a single version that is not
# found any more: `make zoo` does that.
SEED, EXAMPLES = 2, 50
MOST = 0.6

# What a diff may change at the most.
LINES = 15


@pytest.mark.parametrize("name", zoo.names())
def test_a_diff_is_short_and_fits(name: str) -> None:
    mutant = zoo.read_mutant(name)
    assert mutant.changed <= LINES
    for path, text in zoo.wrong_texts(mutant).items():
        assert not unknown_names(path, text)


def unknown_names(path: str, text: str) -> set[str]:
    """Return what functions of a wrong version use and its module does not have any more."""
    wrong = compile(text, path, "exec", dont_inherit=True)
    right = compile((zoo.ROOT / path).read_text(), path, "exec", dont_inherit=True)
    module = import_module(path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    known = {*vars(module), *vars(builtins), *(stored_in(wrong) - stored_in(right))}
    return {*used_in(wrong)} - known


def stored_in(code: CodeType) -> set[str]:
    return {each.argval for each in get_instructions(code) if each.opname == "STORE_NAME"}


def used_in(code: CodeType) -> Iterator[str]:
    yield from (each.argval for each in get_instructions(code) if each.opname == "LOAD_GLOBAL")
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from used_in(inner)


def test_most_wrong_versions_are_found_out_by_a_few_examples() -> None:
    command = [sys.executable, "-m", "tests.zoo", "--stories", "0", "--seeds", "1"]
    command += ["--seed", str(SEED), "--examples", str(EXAMPLES)]
    command += ["--jobs", str(min(2, os.cpu_count() or 1))]
    done = subprocess.run(command, cwd=zoo.ROOT, check=False, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert len(lines) == len(zoo.names()), done.stderr
    missed = [line for line in lines if "NOT FOUND" in line]
    assert len(missed) <= (1 - MOST) * len(lines), missed


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

"""The same race, run against wrong versions of the runtime, finds each of them out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.zoo import apply as zoo

if TYPE_CHECKING:
    from pathlib import Path

# More than ten times what any of them took when it was written.
RUNS = 400


@pytest.mark.parametrize("name", zoo.names())
def test_a_wrong_version_is_found_out(name: str) -> None:
    mutant = zoo.read_mutant(name)
    assert mutant.changed <= 15
    found = zoo.hunt(mutant, seed=0, runs=RUNS)
    assert mutant.invariant in {invariant for invariant, _ in found["broken"]}


def test_a_diff_that_no_longer_fits_is_refused(tmp_path: Path) -> None:
    mutant = zoo.read_mutant(zoo.names()[0])
    for hunk in mutant.hunks:
        path = tmp_path / hunk.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("# something else stands here by now\n")
    with pytest.raises(zoo.DoesNotApply):
        zoo.apply(mutant, tmp_path)

"""Programs that bring a class of bug back, which the type checker refuses, line by line.

Each line that has to be refused says so: `# wrong: CODE`, the checker's code of the error.
"""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = sorted(p for p in Path(__file__).parent.glob("*.py") if not p.stem.startswith("test_"))
_MARK = re.compile(r"# wrong: ([\w-]+)$")
_ERROR = re.compile(r"^(.*?):(\d+): error: .*\[([\w-]+)\]$")

Found = set[tuple[str, int, str]]


@cache
def refused() -> Found:
    """Return where the type checker finds what, in one run over all programs."""
    command = [sys.executable, "-m", "mypy", "--no-error-summary", *map(str, PROGRAMS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, ""), done.stdout + done.stderr
    matches = map(_ERROR.match, done.stdout.splitlines())
    return {(Path(m[1]).stem, int(m[2]), m[3]) for m in matches if m is not None}


def marked(program: Path) -> Found:
    """Return what a program says about itself."""
    lines = enumerate(program.read_text(encoding="utf-8").splitlines(), 1)
    return {
        (program.stem, number, mark[1]) for number, line in lines if (mark := _MARK.search(line))
    }


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_a_wrong_program_is_refused(program: Path) -> None:
    wrong = marked(program)
    assert wrong
    assert {found for found in refused() if found[0] == program.stem} == wrong


def test_what_is_partial_has_no_way_to_be_saved() -> None:
    """W2, B19: a summary, a page and a snapshot are refused where a writer's step belongs."""
    wrong = {program for program, _, code in refused() if code == "arg-type"}
    assert wrong >= {"summary_is_saved", "stub_is_made_whole"}


def test_a_cancel_names_a_thread_and_a_connection_has_none() -> None:
    """B15, B17: what would end a stranger's turn does not pass the type checker."""
    wrong = {program for program, _, _ in refused()}
    assert wrong >= {"cancel_without_a_thread", "connection_has_threads"}

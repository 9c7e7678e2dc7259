"""An incident of a wrong version breaks in its replay what the version breaks, and is clean when
that is put right.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.zoo.apply import read_mutant, wrong_texts

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "tests" / "incident" / "bug_program.py"


def run(root: Path, what: str, folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, str(PROGRAM), what, str(folder)]
    return subprocess.run(
        command, cwd=folder, env=environment, check=True, capture_output=True, text=True
    ).stdout


def replayed(root: Path, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(root, "replay", folder))
    assert found["actors"].startswith(str(root))
    return found


@pytest.mark.parametrize("name", ["keys_are_everybodys", "late_cancel_hits_the_next"])
def test_a_replay_breaks_what_the_incident_broke(name: str, tmp_path: Path) -> None:
    mutant = read_mutant(name)
    wrong, folder = tmp_path / "wrong", tmp_path / "incident"
    shutil.copytree(ROOT / "actors", wrong / "actors", ignore=shutil.ignore_patterns("__pycache__"))
    for path, text in wrong_texts(mutant).items():
        (wrong / path).write_text(text)
    folder.mkdir()
    run(wrong, "record", folder)

    found = replayed(wrong, folder)
    assert mutant.invariant in found["broken"]
    assert found["differences"] == []

    found = replayed(ROOT, folder)
    assert found["broken"] == []
    assert len(found["differences"]) == 1

"""The bug zoo: wrong versions of the runtime, as diffs against the code that is shipped.

    python tests/zoo/apply.py NAME [--seed N] [--runs N]

Each file says in a sentence what is wrong and which invariant has to catch it. A diff has to fit
the code as it stands: where that moved on, applying fails, and the diff wants a look.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

ZOO = Path(__file__).parent
ROOT = ZOO.parent.parent
CAMPAIGN = ROOT / "tests" / "simulation" / "campaign.py"


class DoesNotApply(Exception):
    """The code that a diff is against has moved on."""


@frozen
class Hunk:
    """Lines to be found in a file, and what stands there in the wrong version."""

    path: str
    old: str
    new: str


@frozen
class Mutant:
    """A wrong version.

    Args:
        name: the file's name without its ending.
        wrong: what is wrong, in a sentence.
        invariant: the one that has to catch it.
        hunks: how the shipped code becomes it.
    """

    name: str
    wrong: str
    invariant: str
    hunks: tuple[Hunk, ...]

    @property
    def changed(self) -> int:
        """How many lines the diff changes."""
        text = (ZOO / f"{self.name}.diff").read_text()
        body = text.partition("\n@@")[2]
        return sum(line[:1] in ("+", "-") for line in body.splitlines())


def names() -> list[str]:
    """Return the names of all wrong versions."""
    return sorted(path.stem for path in ZOO.glob("*.diff"))


def read_mutant(name: str) -> Mutant:
    """Read one.

    Raises:
        ValueError: where the file is none.
    """
    text = (ZOO / f"{name}.diff").read_text()
    head, _, diff = text.partition("\n--- ")
    caught = re.search(r"^Caught by (I\d+)\.$", head, re.MULTILINE)
    if caught is None:
        raise ValueError(f"{name} does not say what catches it")
    return Mutant(name, head.splitlines()[0], caught[1], tuple(_hunks(f"--- {diff}")))


def _hunks(diff: str) -> Iterator[Hunk]:
    for part in re.split(r"^(?=--- )", diff, flags=re.MULTILINE):
        lines = part.splitlines(keepends=True)
        if len(lines) < 2:
            continue
        path = lines[1].removeprefix("+++ b/").strip()
        for body in re.split(r"^@@.*\n", "".join(lines[2:]), flags=re.MULTILINE)[1:]:
            yield Hunk(path, _side(body, "-"), _side(body, "+"))


def _side(body: str, mark: str) -> str:
    lines = body.splitlines(keepends=True)
    return "".join(line[1:] for line in lines if line[:1] in (" ", mark) or line == "\n")


def apply(mutant: Mutant, root: Path) -> None:
    """Turn the package below `root` into the wrong version.

    Raises:
        DoesNotApply: where the lines of a hunk do not stand there exactly once.
    """
    for hunk in mutant.hunks:
        path = root / hunk.path
        text = path.read_text()
        if text.count(hunk.old) != 1:
            raise DoesNotApply(f"{mutant.name}: {hunk.path} has moved on")
        path.write_text(text.replace(hunk.old, hunk.new))


def hunt(mutant: Mutant, seed: int, runs: int) -> dict[str, Any]:
    """Run the race test against a wrong version, and return what it found after how many runs.

    Raises:
        DoesNotApply: where the diff does not fit.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for package in ("actors", "transport"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / package, root / package, ignore=ignored)
        apply(mutant, root)
        command = [sys.executable, str(CAMPAIGN), "--seed", str(seed), "--hunt", str(runs)]
        command += ["--invariant", mutant.invariant]
        path = os.pathsep.join((folder, str(ROOT)))  # the tests from here, the package from there
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            command, cwd=folder, env=environment, check=True, capture_output=True, text=True
        )
        found: dict[str, Any] = json.loads(done.stdout)
        if not found["actors"].startswith(str(root)):
            raise DoesNotApply(f"the race ran against {found['actors']}")
        return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 where every version was found out."""
    parser = argparse.ArgumentParser(description="Run the race test against wrong versions.")
    parser.add_argument("names", nargs="*", help="which; all where none is named")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=int, default=1000)
    chosen = parser.parse_args(arguments)
    missed = 0
    for name in chosen.names or names():
        mutant = read_mutant(name)
        found = hunt(mutant, chosen.seed, chosen.runs)
        invariants = sorted({invariant for invariant, _ in found["broken"]})
        missed += mutant.invariant not in invariants
        print(f"{name:28} {found['runs']:5} runs  {', '.join(invariants) or 'NOT FOUND'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

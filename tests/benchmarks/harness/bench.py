"""What a row is given to measure with: a folder, how large to be, and a place for progress."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from attrs import define, field

from .figures import median
from .processes import Child, Server
from .report import Goal, Result

T = TypeVar("T")

HOLDFAST = "holdfast"
RELAXED = "holdfast, relaxed"
MICRO = 1e6
MILLI = 1e3
KIB = 1024
# Files that a server may open while it is watched, without a viewer being left: of its database.
FILES_TO_SPARE = 3


@define
class Bench:
    """One run.

    Args:
        folder: of the run; every server gets a fresh one in it.
        quick: small sizes and one repeat: shows that all works, and roughly how fast.
    """

    folder: Path
    quick: bool
    _began: float = field(factory=time.monotonic)

    def size(self, full: T, quick: T) -> T:
        """Return one of two sizes."""
        return quick if self.quick else full

    @property
    def repeats(self) -> int:
        """How often each figure is taken."""
        return self.size(3, 1)

    @property
    def ours(self) -> tuple[str, ...]:
        """Holdfast, and in the full mode Holdfast with `durability="relaxed"` as well."""
        return self.size((HOLDFAST, RELAXED), (HOLDFAST,))

    def scratch(self) -> Path:
        """Return a new folder."""
        return Path(tempfile.mkdtemp(dir=self.folder))

    def tell(self, text: str) -> None:
        """Show how far it is."""
        print(f"{time.monotonic() - self._began:6.1f} s  {text}", file=sys.stderr, flush=True)

    def repeat(self, what: str, measure: Callable[[], T]) -> list[T]:
        """Measure as often as is due, and show each."""
        taken = []
        for n in range(self.repeats):
            self.tell(f"{what}, {n + 1} of {self.repeats}")
            taken.append(measure())
        return taken


@define
class Seen:
    """What a crowd of viewers saw in one run, and what that cost the server.

    Args:
        tokens: tokens that were said, once for each thread.
        deliveries: tokens by viewers.
        seconds: from the order to the last delivery.
        cpu: seconds of CPU that the server's processes used.
        raw: what the viewers' process counted.
    """

    tokens: int
    deliveries: int
    seconds: float
    cpu: float
    raw: dict[str, Any]


def watch(server: Server, order: dict[str, Any], *, tokens: int, deliveries: int) -> Seen:
    """Have a crowd of viewers follow a server, as `order` says; see `load.viewers`."""
    files = server.files()
    with Child("-m", "tests.benchmarks.load.viewers") as crowd:
        crowd.say({"port": server.port, "timed": False, **order})
        assert crowd.heard()["ready"]
        before = server.cpu_seconds()
        crowd.say("go")
        raw = crowd.heard()
        cpu = server.cpu_seconds() - before
    server.wait_alone(files + FILES_TO_SPARE)
    if raw["deliveries"] < deliveries:
        raise RuntimeError(f"{raw['deliveries']} deliveries where {deliveries} were due")
    return Seen(tokens, deliveries, raw["seconds"], cpu, raw)


def flat_results(
    row: str, case: str, subject: str, runs: Sequence[Seen], **goals: Any
) -> list[Result]:
    """Return deliveries a second and CPU per delivery of runs flat out.

    Args:
        row, case, subject: as of `Result`.
        runs: one for each repeat.
        goals: further arguments of the first result; `cpu_goal` is the second one's goal.
    """
    cpu_goal = goals.pop("cpu_goal", Goal())
    rates = [run.deliveries / run.seconds for run in runs]
    costs = [run.cpu / run.deliveries * MICRO for run in runs]
    frames = median([run.raw["frames"] for run in runs])
    idle = median([run.raw["client_cpu"] / run.seconds for run in runs])
    notes = f"{frames:,.0f} frames; the viewers' own process used {idle:.0%} of a core"
    return [
        Result(row, case, subject, "deliveries/s", "", rates, notes=notes, **goals),
        Result(row, case, subject, "CPU per delivery", "µs", costs, goal=cpu_goal),
    ]

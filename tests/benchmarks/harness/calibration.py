"""Whether the machine and the baselines are what they usually are; a crippled one voids its row.

The usual CPU figures were taken on a machine whose bare loop is known as well, so they scale with
it. SQLite's bare commit is told beside them: a slow disk is no fault of a baseline's.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from attrs import frozen

from ..baselines import sqlite_alone
from .figures import median

if TYPE_CHECKING:
    from pathlib import Path

    from .report import Result

# Where the usual figures come from: microseconds of a step of the loop below.
USUAL_LOOP: Final = 0.035
# A baseline may cost this many times its usual figure before its row is void.
TOLERANCE: Final = 1.5
USUAL_CPU: Final = {
    # (row, case, subject): microseconds of CPU per delivery, told of each of them in issue and docs
    ("fan-out", "100 viewers", "websockets + uvloop"): 3.2,
    ("fan-out", "100 viewers", "trio-websocket"): 21.0,
    ("fan-out", "100 viewers", "python-socketio"): 20.0,
    ("many threads", "200 × 1", "websockets + uvloop"): 8.2,
    ("many threads", "200 × 1", "trio-websocket"): 27.0,
    ("many threads", "200 × 1", "python-socketio"): 49.0,
}


@frozen
class Machine:
    """How fast the machine is: microseconds of a step of a bare loop, and of a bare commit."""

    loop: float
    commit: float


def bare_loop(steps: int = 200_000) -> float:
    """Return the microseconds that a step of plain Python takes, the best of five."""
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        _spin(steps)
        best = min(best, time.process_time() - began)
    return best / steps * 1e6


def _spin(steps: int) -> int:
    total = 0
    for step in range(steps):
        total += step & 7
    return total


def calibrate(folder: Path, commits: int) -> Machine:
    """Measure the machine; `folder` is on the disk that the servers write to."""
    return Machine(bare_loop(), sqlite_alone.commit_seconds(folder, commits) * 1e6)


def typical(machines: Iterable[Machine]) -> Machine:
    """Return the median of several calibrations of one run."""
    seen = list(machines)
    return Machine(median(m.loop for m in seen), median(m.commit for m in seen))


def void_crippled(results: Sequence[Result], machine: Machine) -> None:
    """Mark all figures of a baseline, in the case where it costs more than it usually does."""
    for result in results:
        key = (result.row, result.case, result.subject)
        usual = USUAL_CPU.get(key)
        if usual is None or result.metric != "CPU per delivery":
            continue
        expected = usual * machine.loop / USUAL_LOOP
        if result.value > TOLERANCE * expected:
            why = f"took {result.value:.3g} µs where {expected:.3g} is usual here"
            for each in results:
                if (each.row, each.case, each.subject) == key:
                    each.void = why

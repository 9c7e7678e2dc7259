"""Everything races everything, at drawn schedules, and never breaks I1 to I9.

    python -m tests.simulation.campaign --traces 20000
    python -m tests.simulation.campaign --replay FILE

It prints how many distinct traces there were (a trace is what could be seen from outside, in its
order, without the times) and which operations overlapped in how many of them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import actors
from actors import ThreadKind
from actors.testing import (
    DEADLINE,
    Overlaps,
    Run,
    Scenario,
    Schedule,
    read_case,
    sample_scenario,
    sample_schedule,
    scripted,
    shrink,
    simulate,
)

if TYPE_CHECKING:
    from actors.actor.kinds import Handler

# Where a case that broke something is kept.
FAILURES = Path(".hypothesis", "race")


def kind(thread: str, handler: Handler) -> ThreadKind:
    """Thread b has a turn retried that a crash cut short; the others do not."""
    return ThreadKind(on_turn=handler, deadline=DEADLINE, no_progress=None, retry=thread == "b")


def race(scenario: Scenario, schedule: Schedule) -> Run:
    """Run one case, with the handler that follows the scripts in the messages."""
    return simulate(scenario, scripted, schedule=schedule, kind=kind)


def runs(seed: int) -> Iterator[Run]:
    """Yield runs without end; the seed decides which."""
    for number in count():
        random = Random(f"{seed}/{number}")
        yield race(sample_scenario(random), sample_schedule(random))


class Campaign:
    """Runs and counts until there are enough distinct traces."""

    def __init__(self) -> None:
        self.shapes: set[str] = set()
        self.overlaps = Overlaps()
        self.runs = 0
        self._told = self._began = time.perf_counter()
        self._cpu = time.process_time()

    def run(self, traces: int, seed: int) -> Run | None:
        """Run until there are so many distinct traces; returns a run that broke something."""
        for run in runs(seed):
            if run.broken():
                return run
            self._count(run)
            if len(self.shapes) >= traces:
                break
        return None

    def report(self) -> str:
        """Return the counts and the matrix."""
        wall = time.perf_counter() - self._began
        cpu = time.process_time() - self._cpu
        missing = ", ".join(" and ".join(pair) for pair in self.overlaps.missing)
        return "\n".join(
            [
                "Runs in which two of them were under way together, on one thread:",
                "",
                self.overlaps.matrix(),
                "",
                f"Pairs that never met: {missing or 'none'}.",
                "",
                f"{len(self.shapes)} distinct traces in {self.runs} runs; none broke an invariant.",
                f"{wall:.0f} s: {self.runs / wall:.0f} schedules/s,"
                f" {self.runs / cpu:.0f} a second of processor time.",
            ]
        )

    def _count(self, run: Run) -> None:
        self.runs += 1
        self.shapes.add(run.shape)
        self.overlaps.add(run.history)
        if time.perf_counter() - self._told > 10:
            self._told = time.perf_counter()
            print(f"{self.runs} runs, {len(self.shapes)} distinct traces …", file=sys.stderr)


def smallest(run: Run) -> Run:
    """Return a smaller run that breaks the same invariant."""
    invariant = run.broken()[0].invariant

    def fails(scenario: Scenario, schedule: Schedule) -> bool:
        return any(each.invariant == invariant for each in race(scenario, schedule).broken())

    return race(*shrink((run.scenario, run.schedule), fails))


def hunt(seed: int, most: int, invariant: str | None = None) -> dict[str, object]:
    """Look for a failure in at most so many runs, and say what was found after how many.

    Args:
        invariant: go on until this one is broken; without it, until any is.
    """
    for number, run in enumerate(runs(seed), 1):
        broken = run.broken()
        sought = [each for each in broken if invariant in (None, each.invariant)]
        if sought or number == most:
            found = [[each.invariant, each.message] for each in broken]
            return {"actors": actors.__file__, "runs": number, "broken": found}
    raise AssertionError("there is no end of runs")


def keep(run: Run) -> Path:
    """Write a case down, and return where."""
    FAILURES.mkdir(parents=True, exist_ok=True)
    path = FAILURES / f"{run.shape}.json"
    path.write_text(run.case + "\n")
    return path


def play_again(path: Path) -> int:
    """Run a kept case, and tell its story."""
    run = race(*read_case(path.read_text()))
    print(run.story(run.broken()))
    return 1 if run.broken() else 0


def compete(traces: int, seed: int) -> int:
    """Run the campaign, and print what came of it."""
    campaign = Campaign()
    failed = campaign.run(traces, seed)
    if failed is None:
        print(campaign.report())
        return 0
    print(f"run {campaign.runs + 1} of seed {seed} broke something; making it small …", flush=True)
    small = smallest(failed)
    print(small.story(small.broken()))
    print(f"or: python -m tests.simulation.campaign --replay {keep(small)}")
    return 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 where nothing broke."""
    parser = argparse.ArgumentParser(description="Everything races everything.")
    parser.add_argument("--traces", type=int, default=20_000, help="distinct traces to reach")
    parser.add_argument("--seed", type=int, default=0, help="decides what is drawn")
    parser.add_argument("--replay", type=Path, help="a case to run again")
    parser.add_argument("--hunt", type=int, help="runs in which to look for a failure; prints JSON")
    parser.add_argument("--invariant", help="the one to look for, where not any will do")
    chosen = parser.parse_args(arguments)
    if chosen.replay is not None:
        return play_again(chosen.replay)
    if chosen.hunt is not None:
        print(json.dumps(hunt(chosen.seed, chosen.hunt, chosen.invariant)))
        return 0
    return compete(chosen.traces, chosen.seed)


if __name__ == "__main__":
    sys.exit(main())

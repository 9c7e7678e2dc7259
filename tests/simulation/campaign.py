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
from collections.abc import Callable, Sequence
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import actors
from actors import ThreadKind
from actors.actor.kinds import Handler
from actors.testing import (
    DEADLINE,
    Broken,
    InvariantBroken,
    Overlaps,
    Run,
    Scenario,
    Schedule,
    read_case,
    scenarios,
    schedules,
    scripted,
    simulate,
)

# Where a case that broke something is kept.
FAILURES = Path(".hypothesis", "race")
# Schedules tried of each scenario: drawing a scenario costs as much as a short run.
SCHEDULES = 4
# Scenarios drawn from one seed; what Hypothesis remembers of them is dropped after that.
BATCH = 250


def kind(thread: str, handler: Handler) -> ThreadKind:
    """Threads of name b retry a turn that a crash cut short; the others do not."""
    return ThreadKind(
        on_turn=handler, deadline=DEADLINE, no_progress=None, retry=thread.startswith("b")
    )


def race(scenario: Scenario, schedule: Schedule) -> Run:
    """Run one case, with the handler that follows the scripts in the messages."""
    return simulate(scenario, scripted, schedule=schedule, kind=kind)


def explore(
    look: Callable[[Run], None], number: int, *, scenarios_drawn: int, phases: Sequence[Phase]
) -> None:
    """Run the cases that a seed gives, and have each looked at.

    Args:
        look: what to do with a run; what it raises ends the exploration.
        number: the seed.
        scenarios_drawn: how many scenarios, each run on `SCHEDULES` schedules.
        phases: Hypothesis's; with `Phase.shrink` a failure is made as small as it can be.
    """

    @seed(number)
    @settings(
        max_examples=scenarios_drawn,
        phases=phases,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(scenarios(), st.lists(schedules(), min_size=SCHEDULES, max_size=SCHEDULES))
    def cases(scenario: Scenario, tried: list[Schedule]) -> None:
        for schedule in tried:
            look(race(scenario, schedule))

    cases()


class Campaign:
    """Counts what was run.

    Args:
        traces: how many distinct ones are wanted.
        number: the first seed; each batch takes the next.
    """

    def __init__(self, traces: int, number: int) -> None:
        self.shapes: set[str] = set()
        self.overlaps = Overlaps()
        self.runs = 0
        self._traces = traces
        self._number = number
        self._told = self._began = time.perf_counter()
        self._cpu = time.process_time()

    def run(self) -> None:
        """Run until there are enough.

        Raises:
            InvariantBroken: where a run broke something, made as small as it can be.
        """
        while len(self.shapes) < self._traces:
            phases = (Phase.generate, Phase.shrink)
            explore(self._look, self._number, scenarios_drawn=BATCH, phases=phases)
            self._number += 1

    def report(self) -> str:
        """Return the counts and the matrix."""
        wall = time.perf_counter() - self._began
        cpu = time.process_time() - self._cpu
        missing = ", ".join(" + ".join(pair) for pair in self.overlaps.missing)
        return "\n".join(
            [
                f"{self.runs} runs, {len(self.shapes)} distinct traces, none broke an invariant",
                f"{wall:.0f} s, {self.runs / wall:.0f} schedules/s"
                f" ({self.runs / cpu:.0f} a second of processor time)",
                "",
                "Runs in which two of them were under way together, on one thread:",
                "",
                self.overlaps.matrix(),
                "",
                f"Pairs that never met: {missing or 'none'}",
            ]
        )

    def _look(self, run: Run) -> None:
        run.check()
        self.runs += 1
        self.shapes.add(run.shape)
        self.overlaps.add(run.history)
        if time.perf_counter() - self._told > 10:
            self._told = time.perf_counter()
            print(f"{self.runs} runs, {len(self.shapes)} distinct traces …", file=sys.stderr)


class Found(Exception):
    """A wrong version was found out; `broken` is what the checkers say."""

    def __init__(self, broken: tuple[Broken, ...]) -> None:
        super().__init__(broken)
        self.broken = broken


def hunt(number: int, runs: int) -> dict[str, object]:
    """Look for a failure in at most so many runs, and say what was found after how many."""
    seen = 0

    def look(run: Run) -> None:
        nonlocal seen
        seen += 1
        broken = run.broken()
        if broken:
            raise Found(broken)

    found: tuple[Broken, ...] = ()
    try:
        explore(look, number, scenarios_drawn=runs // SCHEDULES, phases=(Phase.generate,))
    except Found as exc:
        found = exc.broken
    return {
        "actors": actors.__file__,
        "runs": seen,
        "broken": [[each.invariant, each.message] for each in found],
    }


def keep(run: Run) -> Path:
    """Write a case down, and return where."""
    FAILURES.mkdir(parents=True, exist_ok=True)
    path = FAILURES / f"{run.shape}.json"
    path.write_text(run.case + "\n")
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 where nothing broke."""
    parser = argparse.ArgumentParser(description="Everything races everything.")
    parser.add_argument("--traces", type=int, default=20_000, help="distinct traces to reach")
    parser.add_argument("--seed", type=int, default=0, help="of the first batch")
    parser.add_argument("--replay", type=Path, help="a case to run again")
    parser.add_argument("--hunt", type=int, help="runs in which to look for a failure; prints JSON")
    chosen = parser.parse_args(arguments)
    if chosen.replay is not None:
        return play_again(chosen.replay)
    if chosen.hunt is not None:
        print(json.dumps(hunt(chosen.seed, chosen.hunt)))
        return 0
    campaign = Campaign(chosen.traces, chosen.seed)
    try:
        campaign.run()
    except InvariantBroken as exc:
        print(exc)
        print(f"or: python -m tests.simulation.campaign --replay {keep(exc.run)}")
        return 1
    print(campaign.report())
    return 0


def play_again(path: Path) -> int:
    """Run a kept case, and tell its story."""
    run = race(*read_case(path.read_text()))
    broken = run.broken()
    print(run.story(broken))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())

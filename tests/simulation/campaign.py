"""Everything races everything, at drawn schedules, and never breaks an invariant.

    python -m tests.simulation.campaign --runs 100000 --jobs 2 --profiles all --explorers all
    python -m tests.simulation.campaign --replay FILE

It prints how many schedules a second that was, how many distinct traces there were (a trace is what
could be seen from outside, in its order, without the times), and which operations overlapped in
how many runs.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import Final

from attrs import Factory, define, evolve, frozen

import actors
from actors.testing import (
    SIMULATION_LIMITS,
    Explorer,
    Overlaps,
    Run,
    Scenario,
    Schedule,
    read_case,
    sample_schedule,
    scripted,
    scripted_service,
    shrink,
    simulate,
)
from tests.simulation.kinds import has_casts, has_records, kind, recording, served
from tests.simulation.profiles import DEFAULT, PROFILES, Profile

# A turn that says much, and notes a tool's call, has no bytes left for what that returns.
LIMITS: Final = evolve(SIMULATION_LIMITS, turn_output_bytes=88)
# Where a case that broke something is kept.
FAILURES: Final = Path(".hypothesis", "race")
# Runs that a process does before it says how far it is.
SLICE: Final = 500


def race(scenario: Scenario, schedule: Schedule) -> Run:
    """Run one case, with the handler that follows the scripts in the messages.

    Threads have a service where anything is cast: what has to do without stays a short story.
    """
    if not has_casts(scenario):
        plain = recording if has_records(scenario) else kind
        return simulate(scenario, scripted, schedule=schedule, kind=plain, limits=LIMITS)
    return simulate(
        scenario,
        scripted,
        schedule=schedule,
        kind=served,
        limits=LIMITS,
        make_service=scripted_service,
    )


def runs(
    seed: int, *explorers: Explorer, profile: Profile = DEFAULT, first: int = 0
) -> Iterator[Run]:
    """Yield runs without end; the seed decides which.

    Args:
        explorers: one of which is drawn for each; virtual delays where none is given.
        profile: what scenarios are drawn from.
        first: the number of the first run; each depends on its own alone.
    """
    for number in count(first):
        random = Random(f"{seed}/{number}")
        yield race(profile.sample(random), sample_schedule(random, *explorers))


@frozen
class Slice:
    """A part of a campaign that one process does in one go."""

    seed: int
    profile: str
    explorer: Explorer
    first: int
    runs: int

    def cases(self) -> Iterator[Run]:
        """Yield its runs."""
        every = runs(self.seed, self.explorer, profile=PROFILES[self.profile], first=self.first)
        return islice(every, self.runs)


@define
class Tally:
    """What came of some slices."""

    runs: int = 0
    cpu: float = 0.0
    shapes: set[str] = Factory(set)
    overlaps: Overlaps = Factory(Overlaps)
    failed: str | None = None

    def count(self, run: Run) -> None:
        """Count one run that broke nothing."""
        self.runs += 1
        self.shapes.add(run.shape)
        self.overlaps.add(run.history)

    def add(self, other: Tally) -> None:
        """Count all that another one counted."""
        self.runs += other.runs
        self.cpu += other.cpu
        self.shapes |= other.shapes
        self.overlaps.counts.update(other.overlaps.counts)
        self.failed = self.failed or other.failed

    def report(self, wall: float) -> str:
        """Return the counts and the matrix.

        Args:
            wall: seconds that it took.
        """
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
                f" {self.runs / self.cpu:.0f} a second of processor time.",
            ]
        )


def tally(part: Slice) -> Tally:
    """Do a slice, up to the first run that breaks something."""
    found = Tally()
    began = time.process_time()
    for run in part.cases():
        if run.broken():
            found.failed = run.case
            break
        found.count(run)
    found.cpu = time.process_time() - began
    return found


def slices(
    runs: int, seed: int, profiles: Sequence[str], explorers: Sequence[Explorer]
) -> Iterator[Slice]:
    """Yield the parts of a campaign: each profile under each explorer, in turn, from the front."""
    places = [(profile, explorer) for profile in profiles for explorer in explorers]
    each = -(-runs // len(places))
    for first in range(0, each, SLICE):
        for profile, explorer in places:
            yield Slice(seed, profile, explorer, first, min(SLICE, each - first))


def compete(parts: Sequence[Slice], jobs: int) -> Tally:
    """Do all slices, spread over so many processes, up to the first failure."""
    total = Tally()
    told = time.perf_counter()
    # Started afresh: a copy of a process that ran trio would share its descriptors.
    with multiprocessing.get_context("spawn").Pool(jobs, initializer=_settle_down) as pool:
        for done in pool.imap(tally, parts):
            total.add(done)
            if total.failed is not None:
                break
            if time.perf_counter() - told > 10:
                told = time.perf_counter()
                print(f"{total.runs} runs, {len(total.shapes)} distinct traces …", file=sys.stderr)
    return total


def _settle_down() -> None:
    # What was imported stays; without this, each collection would look at it again.
    gc.collect()
    gc.freeze()


def smallest(run: Run) -> Run:
    """Return a smaller run that breaks the same invariant."""
    invariant = run.broken()[0].invariant

    def fails(scenario: Scenario, schedule: Schedule) -> bool:
        return any(each.invariant == invariant for each in race(scenario, schedule).broken())

    return race(*shrink((run.scenario, run.schedule), fails))


def hunt(seed: int, most: int, invariant: str | None = None) -> dict[str, object]:
    """Look for a failure in at most so many examples of the whole mix, and say what was found.

    Args:
        invariant: go on until this one is broken; without it, until any is.
    """
    from tests.simulation import mix  # it is made of this

    number, example = mix.hunt(seed, most, invariant)
    return {"actors": actors.__file__, "runs": number, "broken": [*map(list, example.found)]}


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


def tell_failure(case: str) -> None:
    """Make a failing case small, keep it, and tell its story."""
    print("something broke; making it small …", flush=True)
    small = smallest(race(*read_case(case)))
    print(small.story(small.broken()))
    print(f"or: python -m tests.simulation.campaign --replay {keep(small)}")


def arguments_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Everything races everything.")
    profiles, explorers = ["all", *PROFILES], ["all", *Explorer]
    parser.add_argument("--runs", type=int, default=20_000, help="schedules in all")
    parser.add_argument("--seed", type=int, default=0, help="decides what is drawn")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at work")
    parser.add_argument("--profiles", nargs="+", choices=profiles, default=[DEFAULT.name])
    parser.add_argument("--explorers", nargs="+", choices=explorers, default=["delays"])
    parser.add_argument("--replay", type=Path, help="a case to run again")
    parser.add_argument("--hunt", type=int, help="runs in which to look for a failure; prints JSON")
    parser.add_argument("--invariant", help="the one to look for, where not any will do")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 where nothing broke."""
    chosen = arguments_of(arguments)
    if chosen.replay is not None:
        return play_again(chosen.replay)
    if chosen.hunt is not None:
        print(json.dumps(hunt(chosen.seed, chosen.hunt, chosen.invariant)))
        return 0
    profiles = list(PROFILES) if "all" in chosen.profiles else chosen.profiles
    explorers = list(Explorer) if "all" in chosen.explorers else map(Explorer, chosen.explorers)
    began = time.perf_counter()
    total = compete([*slices(chosen.runs, chosen.seed, profiles, [*explorers])], chosen.jobs)
    if total.failed is not None:
        tell_failure(total.failed)
        return 1
    print(total.report(time.perf_counter() - began))
    return 0


if __name__ == "__main__":
    sys.exit(main())

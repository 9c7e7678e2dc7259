"""Hunts for wrong versions of the runtime, and tells after how many examples each was found.

python -m tests.zoo --seeds 20 --jobs 2 --table docs/explanation/the-bug-zoo.generated.md
python -m tests.zoo NAME… | FILE.diff… --seeds 5
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.zoo.apply import names, read_mutant
from tests.zoo.hunting import Bag, Prey, hunt_all, verdict


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 where every version was found as it has to be."""
    chosen = arguments_of(arguments)
    bags: dict[str, Bag] = {}
    wanting = 0
    seeds = tuple(range(chosen.seed, chosen.seed + chosen.seeds))
    wanted = chosen.examples, chosen.stories, chosen.shorter
    preys = [Prey(name, seeds, *wanted) for name in chosen.names or names()]
    for number, bag in enumerate(hunt_all(preys, chosen.jobs), 1):
        wrong = verdict(bag, read_mutant(bag.name), chosen.seeds)
        wanting += wrong is not None
        bags[bag.name] = bag
        print(f"{number}/{len(preys)}", told(bag), f"<- {wrong}" if wrong else "", flush=True)
    if chosen.table is not None:
        chosen.table.write_text(table([bags[name] for name in sorted(bags)]))
    return 1 if wanting else 0


def arguments_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Hunt for wrong versions of the runtime.")
    parser.add_argument("names", nargs="*", help="which, or paths of other diffs; without any, all")
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    parser.add_argument("--seeds", type=int, default=20, help="how many")
    parser.add_argument("--examples", type=int, default=1000, help="under each seed, at most")
    parser.add_argument("--stories", type=int, default=2, help="seeds whose finds are made small")
    parser.add_argument(
        "--shorter", action="store_true", help="look for stories shorter than the shortest known"
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes at work")
    parser.add_argument("--table", type=Path, help="write the table there")
    return parser.parse_args(arguments)


def told(bag: Bag) -> str:
    """Return a line about one."""
    mutant = read_mutant(bag.name)
    after = " ".join(map(str, bag.found)) or "NOT FOUND"
    others = f" also {', '.join(sorted(bag.others))}" if bag.others else ""
    stories = f" stories {bag.stories}/{mutant.shortest}" if bag.stories else ""
    return f"{mutant.name:32} {mutant.invariant:4} {after};{stories}{others}"


def table(bags: Sequence[Bag]) -> str:
    """Return what was found as a table in Markdown."""
    head = ("wrong version", "caught by", "examples, median", "at most", "story", "shortest known")
    rows = [" | ".join(_row(bag)) for bag in bags]
    lines = [" | ".join(head), " | ".join("---" for _ in head), *rows]
    return "\n".join(f"| {line} |" for line in lines) + "\n"


def _row(bag: Bag) -> Sequence[str]:
    mutant = read_mutant(bag.name)
    missed = len(bag.examples) - len(bag.found)
    worst = f"{max(bag.found, default=0)}" + (f", {missed} missed" if missed else "")
    story = str(max(bag.stories)) if bag.stories else "—"
    return (
        f"**{bag.name.replace('_', ' ')}**: {mutant.wrong}",
        mutant.invariant,
        f"{bag.middle:g}",
        worst,
        story,
        str(mutant.shortest or "—"),
    )


if __name__ == "__main__":
    sys.exit(main())

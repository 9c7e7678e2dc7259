"""Hunts: every wrong version under many seeds, each in a process of its own that it alone is in."""

from __future__ import annotations

import importlib
import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from math import ceil
from statistics import median
from typing import Any, Final

from attrs import define, field, frozen

from tests.zoo.apply import Mutant, import_with, read_mutant, wrong_texts
from tests.zoo.grafting import DoesNotGraft, graft

MIX: Final = "tests.simulation.mix"
# What a hunt may take at the most of a processor, for each seed.
SECONDS: Final = 60


class OutOfTime(BaseException):
    """A hunt took too long; not to be caught by whatever runs."""


@frozen
class Prey:
    """What one process looks for.

    Args:
        name: the wrong version's.
        seeds: under which one after the other.
        most: examples under each.
        stories: under how many of the seeds what was found is made small.
        shorter: whether a story is sought that is shorter than the shortest one known.
    """

    name: str
    seeds: tuple[int, ...]
    most: int
    stories: int = 0
    shorter: bool = False


@define
class Bag:
    """What became of a hunt.

    Args:
        name: the wrong version's.
        examples: under each seed, the number of the first example that the invariant caught it in;
            None where none did.
        others: the other invariants that those examples break.
        stories: the steps that are left of some of them.
    """

    name: str
    examples: list[int | None] = field(factory=list)
    others: set[str] = field(factory=set)
    stories: list[int] = field(factory=list)

    @property
    def found(self) -> list[int]:
        """The numbers of the examples, without the seeds that found nothing."""
        return [number for number in self.examples if number is not None]

    @property
    def middle(self) -> float:
        """The median of them; a seed that found nothing counts as endless."""
        return median(float("inf") if number is None else number for number in self.examples)

    def add(self, other: Bag) -> None:
        """Add the seeds of another hunt for the same one."""
        self.examples += other.examples
        self.others |= other.others
        self.stories += other.stories


def hunt(prey: Prey) -> Bag:
    """Hunt in this process, which is spoilt for anything else afterwards."""
    bag = Bag(prey.name)
    signal.signal(signal.SIGPROF, _end)
    signal.setitimer(signal.ITIMER_PROF, SECONDS * len(prey.seeds))
    try:
        _hunt(prey, bag)
    except* OutOfTime:  # a wrong version may go round in circles without trio's knowing
        bag.examples += [None] * (len(prey.seeds) - len(bag.examples))
    return bag


def _end(signal: int, frame: object) -> None:
    raise OutOfTime


def _hunt(prey: Prey, bag: Bag) -> None:
    mutant = read_mutant(prey.name)
    mix = _with(mutant)
    enough = 1 if prey.shorter else mutant.shortest or 1
    for number, seed in enumerate(prey.seeds):
        after, example = mix.hunt(seed, prey.most, mutant.invariant)
        caught = example.breaks(mutant.invariant)
        bag.examples.append(after if caught else None)
        bag.others |= {invariant for invariant, _ in example.found} - {mutant.invariant}
        if caught and number < prey.stories:
            bag.stories.append(example.smaller(mutant.invariant, enough))


def _with(mutant: Mutant) -> Any:
    """Return the mix, run by the wrong version."""
    mix = importlib.import_module(MIX)
    try:
        graft(wrong_texts(mutant))
    except DoesNotGraft:
        return import_with(mutant, MIX)
    return mix


def hunt_all(preys: Sequence[Prey], jobs: int) -> Iterator[Bag]:
    """Hunt for all, and yield what became of each as it comes."""
    context = multiprocessing.get_context("forkserver")
    # Each process is forked from one that has imported all of it, and never run any.
    context.set_forkserver_preload([MIX])
    with context.Pool(jobs, maxtasksperchild=1) as pool:
        yield from pool.imap_unordered(hunt, preys, chunksize=1)


def verdict(bag: Bag, mutant: Mutant, seeds: int) -> str | None:
    """Say in what a hunt falls short of what is asked, or None."""
    missed = seeds - len(bag.found)
    if missed * 20 > seeds:
        return f"found under {len(bag.found)} of {seeds} seeds"
    if bag.middle > MEDIAN:
        return f"the median is {bag.middle:g} examples"
    if bag.stories and mutant.shortest and max(bag.stories) > ceil(LONGER * mutant.shortest):
        return f"a story of {max(bag.stories)} steps, and one of {mutant.shortest} is known"
    return None


# Examples at most, as the median of the seeds.
MEDIAN: Final = 200
# A story may be so much longer than the shortest one known, in whole steps.
LONGER: Final = 1.5

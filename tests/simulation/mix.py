"""The default profile: one mix of all that is simulated, whatever is sought.

Of twenty examples, six race everything against everything in an embedded runtime, four give the
threads services, nine go over a simulated network, and one cuts the power under the journal's file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from random import Random
from traceback import format_exception
from typing import Final

from attrs import frozen

from actors.testing import Run, Scenario, Schedule, sample_scenario, sample_schedule
from actors.testing.checkers import Broken
from actors.testing.shrink import fewest_steps
from tests.journal import power_loss
from tests.simulation import campaign, lifetimes, profiles, services, wire

# What an example found: the invariant, or the name of an exception, and what was seen.
Found = tuple[str, str]

# The sorts of twenty examples, by their first letters; the dearest one is the last.
ORDER: Final = "wsewweswewwsewewsewp"
# Longer scenarios than a campaign draws, which is for many orders of few steps: what one finds
# grows with the pairs of its steps, and what it costs with their number. At most, and by sort:
PHASES: Final = 5
STEPS: Final = {"e": 13, "s": 10, "w": 15}
# Cases that are tried to make a failing one smaller; each costs as much as an example.
TRIES: Final = 8000


@frozen
class Sort:
    """One sort of simulation: how its cases are drawn, run and judged."""

    sample: Callable[[Random], Scenario]
    race: Callable[[Scenario, Schedule], Run]
    judge: Callable[[Run], Sequence[Broken]]

    def found(self, scenario: Scenario, schedule: Schedule) -> list[Found]:
        """Run a case, and say what it breaks; the kit itself, where the name is an exception's."""
        try:
            broken = self.judge(self.race(scenario, schedule))
        except Exception as exc:  # whatever it is, it is what the example has found
            return [(type(exc).__name__, "".join(format_exception(exc)))]
        return [(each.invariant, each.message) for each in broken]


@frozen
class Example:
    """One example of the mix, run.

    Args:
        found: what it breaks.
        smaller: returns how many steps are left of it when it is made as small as may be, still
            breaking that invariant, or as small as so many; a loss of power is one.
    """

    found: Sequence[Found]
    smaller: Callable[[str, int], int]

    def breaks(self, invariant: str | None) -> bool:
        """Say whether it breaks an invariant: this one, or any."""
        return any(invariant in (None, each) for each, _ in self.found)


def _everything(random: Random) -> Scenario:
    operations = profiles.DEFAULT.operations
    drawn = sample_scenario(random, *operations, phases=PHASES, steps=STEPS["e"])
    return lifetimes.sparing(random, lifetimes.finalising(random, drawn))


def _services(random: Random) -> Scenario:
    return lifetimes.finalising(random, services.sample(random, PHASES, STEPS["s"]))


def _wire(random: Random) -> Scenario:
    return wire.sample(random, PHASES, STEPS["w"])


SORTS: Final = {
    "e": Sort(_everything, campaign.race, Run.broken),
    "s": Sort(_services, services.race, lambda run: [*services.broken_in(run)]),
    "w": Sort(_wire, wire.race, Run.broken),
}


def examples(seed: int) -> Iterator[Example]:
    """Yield examples without end; the seed decides which."""
    power = power_loss.states(seed, "full")
    for number in count():
        sort = ORDER[number % len(ORDER)]
        if sort == "p":
            found = [(each.invariant, each.message) for each in next(power)]
            yield Example(found, lambda _, __: 1)
        else:
            yield _simulated(SORTS[sort], Random(f"mix {seed}/{number}"))


def _simulated(sort: Sort, random: Random) -> Example:
    case = sort.sample(random), sample_schedule(random)
    return Example(sort.found(*case), partial(_steps_left, sort, case))


def _steps_left(sort: Sort, case: tuple[Scenario, Schedule], invariant: str, enough: int) -> int:
    def fails(scenario: Scenario, schedule: Schedule) -> bool:
        return any(each == invariant for each, _ in sort.found(scenario, schedule))

    return fewest_steps(case, fails, TRIES, enough)


def hunt(seed: int, most: int, invariant: str | None = None) -> tuple[int, Example]:
    """Look for an example that breaks something, among so many.

    Args:
        invariant: what it has to break; any will do without it.

    Returns:
        Its number, from 1, or `most`; and the example.
    """
    for number, example in enumerate(examples(seed), 1):
        if number == most or example.breaks(invariant):
            return number, example
    raise AssertionError("there is no end of examples")

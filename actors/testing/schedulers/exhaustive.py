"""The exhaustive explorer: every order in which the gate can let the steps of a scenario through.

For tiny scenarios: the number of orders grows with the factorial of that of the steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from attrs import frozen

from ..run import Run
from ..schedule import Explorer, Schedule
from ..simulation import KindOf, MakeHandler, simulate_in, with_deadline
from ..world import SIMULATION_LIMITS, World

if TYPE_CHECKING:
    from ...limits import Limits
    from ..scenario import Scenario
    from .gate import Gate


@frozen
class Explored:
    """What came of it.

    Args:
        runs: how many orders were run.
        traces: how many of them looked different from outside.
        complete: whether that is all of them, within the bound on deviations.
        broken: the first run that broke an invariant; None where none did.
    """

    runs: int
    traces: int
    complete: bool
    broken: Run | None


def explore(
    scenario: Scenario,
    make_handler: MakeHandler,
    *,
    most: int = 10_000,
    deviations: int | None = None,
    kind: KindOf = with_deadline,
    limits: Limits = SIMULATION_LIMITS,
) -> Explored:
    """Run a scenario in every order, depth first, until one breaks an invariant.

    Args:
        scenario, make_handler, kind, limits: as for `simulate`.
        most: runs at most.
        deviations: how often at most an order may depart from the plain one; without it, as often
            as it can. Most races need one or two.

    Returns:
        What was found, and whether anything was left out. `broken.case` plays it again.
    """
    shapes: set[str] = set()
    choices: list[int] = []
    for number in range(1, most + 1):
        schedule = Schedule(bytes(choices), explorer=Explorer.GATE)
        world = World(schedule, limits)
        run = simulate_in(world, scenario, make_handler, schedule, kind)
        shapes.add(run.shape)
        if run.broken():
            return Explored(number, len(shapes), complete=False, broken=run)
        others = following(choices, cast("Gate", world.delays).choices, deviations)
        if others is None:
            return Explored(number, len(shapes), complete=True, broken=None)
        choices = others
    return Explored(most, len(shapes), complete=False, broken=None)


def following(
    choices: Sequence[int], among: Sequence[int], deviations: int | None
) -> list[int] | None:
    """Return the next choices, depth first; None where there are none left.

    Args:
        choices: the last ones; what is missing of them is nought.
        among: how many there were at each place.
        deviations: how many of them may be anything but nought.
    """
    made = [*choices, *[0] * (len(among) - len(choices))]
    for place in range(len(among) - 1, -1, -1):
        departed = sum(choice > 0 for choice in made[:place]) + 1
        if made[place] + 1 < among[place] and (deviations is None or departed <= deviations):
            return [*made[:place], made[place] + 1]
    return None

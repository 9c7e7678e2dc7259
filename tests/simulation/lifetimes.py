"""The ends of threads: some scenarios finalise one, or delete one unless it is in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import evolve

from actors.testing import Scenario, Step
from actors.testing.operations import Cancel, Crash, Delete, Finalise, Restart
from actors.testing.scenario import THREADS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random

    from actors.testing.operations import Operation

# How many scenarios finalise a thread, and how many more steps do so in one of them, at most.
FINALISED: Final = 0.3
# How many delete one unless it is in use.
SPARED: Final = 0.3
_ASKED: Final = 3
# What comes right behind: what is finalised is the next start's to go on with.
_BEHIND: Final = ((), (), (Restart(),), (Crash(),), (Cancel(),), (Finalise(),))


def finalising(random: Random, scenario: Scenario) -> Scenario:
    """Return some scenarios with steps that finalise the first thread, which is not deleted then.

    A turn's id is what it goes by in a history, and all that finalise have the same one: so it is
    that of one life of one thread.
    """
    if random.random() >= FINALISED:
        return scenario
    phases = [[_kept(step) for step in phase] for phase in scenario.phases]
    return _amid(random, phases, THREADS[0], lambda: (Finalise(), *random.choice(_BEHIND)))


def sparing(random: Random, scenario: Scenario) -> Scenario:
    """Return some scenarios with steps that delete the second thread unless it is in use."""
    if random.random() >= SPARED:
        return scenario
    phases = [[*phase] for phase in scenario.phases]
    return _amid(random, phases, THREADS[1], lambda: (Delete(unless_used=True),))


def _amid(
    random: Random, phases: list[list[Step]], thread: str, asked: Callable[[], Iterable[Operation]]
) -> Scenario:
    """Return phases amid which one of their clients asks for something, now and then."""
    for _ in range(random.randint(1, _ASKED)):
        phase = random.choice(phases)
        place = random.randrange(len(phase) + 1)
        client = random.choice(phase).client
        phase[place:place] = [Step(client, thread, each) for each in asked()]
    return Scenario(tuple(map(tuple, phases)))


def _kept(step: Step) -> Step:
    if step.thread == THREADS[0] and isinstance(step.operation, Delete):
        return evolve(step, operation=Finalise())
    return step

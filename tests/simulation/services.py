"""Services and what they lease, raced against everything else that may happen to their thread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from attrs import evolve

from actors import Handler, OnExit, Passivate, ThreadKind
from actors.testing import (
    CHECKERS,
    SIMULATION_LIMITS,
    Run,
    Scenario,
    Schedule,
    Step,
    break_actor,
    cancel,
    casts,
    crash,
    delete,
    end,
    fail_journal,
    restart,
    sample_scenario,
    scripted,
    simulate,
    submit,
    with_deadline,
)
from actors.testing.operations import Submit
from actors.testing.scenario import PHASES, STEPS
from actors.testing.scripted_service import brief_service

if TYPE_CHECKING:
    from random import Random

    from actors.testing.checkers import Broken

# Services fail as often as they are told to; what that leads to is not what is tested here.
LIMITS: Final = evolve(SIMULATION_LIMITS, restart_intensity=50)
# What passivates would be active for ever otherwise, which the kit takes for stuck.
LIFETIME: Final = Passivate(idle=LIMITS.idle_seconds)
POLICIES: Final = {"a": OnExit.END_THREAD, "b": OnExit.RESTART}

OPERATIONS: Final = (
    submit("1 stop", "1 hang"),
    casts(),
    casts(),
    end(),
    end(),
    cancel(),
    delete(),
)
# Threads that are there, so that their services are at work, or about to be.
OPENING: Final = tuple(
    Step(number, thread, Submit("1 stop")) for number, thread in enumerate(POLICIES)
)
FAULTS: Final = (crash(), restart(), (*break_actor(), *fail_journal()))


def kind(thread: str, handler: Handler) -> ThreadKind:
    """A service that is over ends thread a, and is started again on thread b."""
    plain = with_deadline(thread, handler)
    return evolve(plain, on_finalise=handler, on_exit=POLICIES[thread], lifetime=LIFETIME)


def race(scenario: Scenario, schedule: Schedule) -> Run:
    """Run one case, with a service on every thread that does as it is cast."""
    return simulate(
        scenario,
        scripted,
        schedule=schedule,
        kind=kind,
        limits=LIMITS,
        make_service=brief_service,
    )


def sample(random: Random, phases: int = PHASES, steps: int = STEPS) -> Scenario:
    """Return a scenario of a random generator; of so many phases and steps in each, at most."""
    return opened(sample_scenario(random, *OPERATIONS, *FAULTS, phases=phases, steps=steps))


def opened(scenario: Scenario) -> Scenario:
    """Return the scenario on threads that are there."""
    first, *others = scenario.phases
    return Scenario(((*OPENING, *first), *others))


def broken_in(run: Run, *invariants: str) -> Iterator[Broken]:
    """Hold a run against these invariants, by default against all."""
    for name in invariants or CHECKERS:
        yield from CHECKERS[name](run.history)

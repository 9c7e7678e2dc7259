"""The kinds of the threads in a race: with a service where anything is cast, else without."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from attrs import evolve

from actors import OnExit, Overflow, Passivate, Projection, ThreadKind
from actors.testing import DEADLINE, SIMULATION_LIMITS, Scenario
from actors.testing.operations import Cast, Record
from actors.testing.scenario import FORKED
from actors.testing.schedule import TICK

if TYPE_CHECKING:
    from actors import Fact
    from actors.actor.kinds import Handler


def _with_one_more(counts: Mapping[str, int], fact: Fact) -> Mapping[str, int]:
    key = str(fact.data)
    return {**counts, key: counts.get(key, 0) + 1}


# By thread: what it means that a service is over, and what becomes of a cast that does not fit.
POLICIES: Final = {
    "a": (OnExit.END_THREAD, Overflow.REFUSE),
    "b": (OnExit.RESTART, Overflow.DROP_OLDEST),
    FORKED: (OnExit.LEAVE, Overflow.DROP_NEWEST),
}
# Counts of what was recorded: of all of it, and by what it was.
PROJECTIONS: Final = {
    "count": Projection(0, lambda count, _: count + 1, public=True),
    "by_data": Projection({}, _with_one_more, public=True),
}


# Seconds without a word after which a turn is stopped: longer than a slow one takes over each.
SILENCE: Final = 128 * TICK
# Of thread b, whose activations outlive many of its commands: what they keep is of use, or stale.
STAYS: Final = Passivate(idle=64 * TICK)


def kind(thread: str, handler: Handler) -> ThreadKind:
    """Thread b stays active, and has a turn retried that a crash cut short; the others do not.

    Nor do they wait for ever for the next word of a turn.
    """
    plain = ThreadKind(on_turn=handler, on_finalise=handler, deadline=DEADLINE, no_progress=SILENCE)
    if thread != "b":
        return plain
    return evolve(plain, retry=True, lifetime=STAYS, no_progress=None)


def recording(thread: str, handler: Handler) -> ThreadKind:
    """Add what its records come to."""
    return evolve(kind(thread, handler), projections=PROJECTIONS)


def served(thread: str, handler: Handler) -> ThreadKind:
    """Add a service; what becomes of one that is over, and of casts, differs by thread."""
    on_exit, overflow = POLICIES.get(thread, POLICIES[FORKED])
    return evolve(
        kind(thread, handler),
        on_exit=on_exit,
        overflow=overflow,
        lifetime=Passivate(idle=SIMULATION_LIMITS.idle_seconds),
        projections=PROJECTIONS,
    )


def has_casts(scenario: Scenario) -> bool:
    """Say whether anything is cast to a service."""
    return has(scenario, Cast)


def has_records(scenario: Scenario) -> bool:
    """Say whether a client records anything."""
    return has(scenario, Record)


def has(scenario: Scenario, sort: type) -> bool:
    """Say whether an operation of a sort is in it."""
    return any(isinstance(step.operation, sort) for phase in scenario.phases for step in phase)

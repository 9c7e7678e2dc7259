"""The kinds of the threads in a race: with a service where anything is cast, else without."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from attrs import evolve

from actors import OnExit, Overflow, Passivate, Projection, ThreadKind
from actors.testing import DEADLINE, SIMULATION_LIMITS, Scenario
from actors.testing.operations import Cast, Record
from actors.testing.scenario import FORKED

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


def kind(thread: str, handler: Handler) -> ThreadKind:
    """Thread b has a turn retried that a crash cut short; the others do not."""
    return ThreadKind(on_turn=handler, deadline=DEADLINE, no_progress=None, retry=thread == "b")


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
    return _has(scenario, Cast)


def has_records(scenario: Scenario) -> bool:
    """Say whether a client records anything."""
    return _has(scenario, Record)


def _has(scenario: Scenario, sort: type) -> bool:
    return any(isinstance(step.operation, sort) for phase in scenario.phases for step in phase)

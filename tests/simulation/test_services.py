"""Services and what they lease, while everything else happens: I11, and one service at a time."""

from __future__ import annotations

from collections import Counter

from attrs import evolve
from hypothesis import HealthCheck, given, settings

from actors import Handler, OnExit, Passivate, ThreadKind
from actors.testing import (
    SIMULATION_LIMITS,
    Run,
    Scenario,
    Schedule,
    break_actor,
    cancel,
    casts,
    crash,
    delete,
    end,
    fail_journal,
    restart,
    scenarios,
    schedules,
    scripted,
    scripted_service,
    simulate,
    submit,
    with_deadline,
)
from actors.testing.checkers.one_service import one_service_at_a_time
from actors.testing.facts import LeaseReturned, LeaseTaken, ServiceExited

# Services fail as often as they are told to; what that leads to is not what is tested here.
LIMITS = evolve(SIMULATION_LIMITS, restart_intensity=50)
# What passivates would be active for ever otherwise, which the kit takes for stuck.
LIFETIME = Passivate(idle=LIMITS.idle_seconds)
POLICIES = {"a": OnExit.END_THREAD, "b": OnExit.RESTART, "c": OnExit.LEAVE}

OPERATIONS = (submit("1 stop", "1 hang"), casts(), casts(), end(), end(), cancel(), delete())
FAULTS = (crash(), restart(), (*break_actor(), *fail_journal()))


def kind(thread: str, handler: Handler) -> ThreadKind:
    plain = with_deadline(thread, handler)
    return evolve(plain, on_exit=POLICIES[thread], lifetime=LIFETIME)


def run(scenario: Scenario, schedule: Schedule) -> Run:
    return simulate(
        scenario,
        scripted,
        schedule=schedule,
        kind=kind,
        limits=LIMITS,
        make_service=scripted_service,
    )


def check(run: Run) -> None:
    run.check()
    assert list(one_service_at_a_time(run.history)) == []


SEEN: Counter[str] = Counter()


@settings(
    max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
@given(scenarios(*OPERATIONS, *FAULTS, threads="abc", phases=2, steps=5), schedules())
def test_no_schedule_leaks_a_lease_or_gives_one_back_twice(
    scenario: Scenario, schedule: Schedule
) -> None:
    found = run(scenario, schedule)
    check(found)
    for record in found.records:
        if isinstance(record.fact, LeaseTaken | LeaseReturned | ServiceExited):
            SEEN[type(record.fact).__name__] += 1

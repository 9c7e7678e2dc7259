"""Services and what they lease, while everything else happens: I11, and one service at a time."""

from __future__ import annotations

from collections import Counter
from random import Random

from attrs import evolve
from hypothesis import HealthCheck, given, settings

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
    sample_schedule,
    scenarios,
    schedules,
    scripted,
    scripted_service,
    simulate,
    submit,
    with_deadline,
)
from actors.testing.checkers.one_service import one_service_at_a_time
from actors.testing.facts import ServiceExited
from actors.testing.operations import Cast, End, Submit

# Services fail as often as they are told to; what that leads to is not what is tested here.
LIMITS = evolve(SIMULATION_LIMITS, restart_intensity=50)
# What passivates would be active for ever otherwise, which the kit takes for stuck.
LIFETIME = Passivate(idle=LIMITS.idle_seconds)
POLICIES = {"a": OnExit.END_THREAD, "b": OnExit.RESTART}

OPERATIONS = (submit("1 stop", "1 hang"), casts(), casts(), end(), end(), cancel(), delete())
# Threads that are there, so that their services are at work, or about to be.
OPENING = tuple(Step(number, thread, Submit("1 stop")) for number, thread in enumerate(POLICIES))
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


# A service may end its thread, and with it a turn, without any client's doing.
COMMON = [name for name in CHECKERS if name not in ("I5", "I6", "I18")]


def check(run: Run, *invariants: str) -> None:
    """Hold a run against these invariants, by default against all that services leave alone."""
    checkers = [CHECKERS[name] for name in invariants or COMMON]
    found = [b for checker in (*checkers, one_service_at_a_time) for b in checker(run.history)]
    assert found == [], run.story(tuple(found))


def opened(scenario: Scenario) -> Scenario:
    first, *others = scenario.phases
    return Scenario(((*OPENING, *first), *others))


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
@given(scenarios(*OPERATIONS, *FAULTS, phases=2, steps=4), schedules())
def test_services_race_everything(scenario: Scenario, schedule: Schedule) -> None:
    check(run(opened(scenario), schedule))


def test_a_thousand_schedules_leak_no_lease_and_give_none_back_twice() -> None:
    seen: Counter[str] = Counter()
    for seed in range(1000):
        random = Random(seed)
        scenario = opened(sample_scenario(random, *OPERATIONS, *FAULTS))
        found = run(scenario, sample_schedule(random))
        check(found, "I2", "I7", "I11", "I20")
        for record in found.records:
            seen[type(record.fact).__name__] += 1
            if isinstance(record.fact, ServiceExited):
                seen[f"exit {record.fact.error}"] += 1
    assert seen["LeaseTaken"] > seen["LeaseReturned"] > 1500  # a killed process returns nothing
    assert min(seen[f"exit {how}"] for how in ("Cancelled", "RuntimeError", None)) > 40


@given(schedules())
@settings(max_examples=50, deadline=None, database=None)
def test_a_service_that_heeds_no_cancellation_keeps_no_lease(schedule: Schedule) -> None:
    phases = (OPENING[:1], (Step(0, "a", Cast("deaf")),), (Step(1, "a", End()),))
    check(run(Scenario(phases), schedule))

"""Services and what they lease, while everything else happens: I11, and one service at a time."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings

from actors.testing import (
    Run,
    Scenario,
    Schedule,
    Step,
    read_case,
    sample_schedule,
    scenarios,
    schedules,
)
from actors.testing.operations import Cast, End
from actors.testing.service_facts import ServiceExited
from tests.simulation.services import FAULTS, OPENING, OPERATIONS, broken_in, opened, race, sample

KEPT = sorted(Path(__file__).parent.glob("service_cases/*.json"))


def check(run: Run, *invariants: str) -> None:
    """Hold a run against these invariants, by default against all."""
    found = [*broken_in(run, *invariants)]
    assert found == [], run.story(tuple(found))


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
@given(scenarios(*OPERATIONS, *FAULTS, phases=2, steps=4), schedules())
def test_services_race_everything(scenario: Scenario, schedule: Schedule) -> None:
    check(race(opened(scenario), schedule))


def test_a_thousand_schedules_leak_no_lease_and_give_none_back_twice() -> None:
    seen: Counter[str] = Counter()
    for seed in range(1000):
        random = Random(seed)
        found = race(sample(random), sample_schedule(random))
        check(found, "I1, of services", "I2", "I7", "I11", "I20")
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
    check(race(Scenario(phases), schedule))


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_what_once_broke_stays_mended(path: Path) -> None:
    check(race(*read_case(path.read_text())))

"""Everything races everything; see `campaign`, which does the same for longer."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from actors.testing import Scenario, Schedule, read_case, scenarios, schedules
from tests.simulation.campaign import Campaign, race

KEPT = sorted(Path(__file__).parent.glob("cases/*.json"))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(scenarios(), schedules())
def test_no_race_breaks_an_invariant(scenario: Scenario, schedule: Schedule) -> None:
    race(scenario, schedule).check()


def test_a_short_campaign_reaches_nearly_every_pair() -> None:
    campaign = Campaign()
    assert campaign.run(traces=600, seed=1) is None
    # A detachment takes no time, so two on one thread never meet; little else is missing.
    missing = set(campaign.overlaps.missing) - {("detach", "detach")}
    # Faults are rare, and most are over at once.
    with_faults = {pair for pair in missing if {*pair} & {"journal failure", "actor bug", "damage"}}
    assert len(missing - with_faults) <= 5
    assert len(with_faults) <= 25
    assert len(campaign.shapes) > 0.9 * campaign.runs
    assert "600 distinct traces" in campaign.report()


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_what_once_broke_stays_mended(path: Path) -> None:
    race(*read_case(path.read_text())).check()

"""Everything races everything; see `campaign`, which does the same for longer."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from actors.testing import Explorer, Scenario, Schedule, read_case, scenarios, schedules
from tests.simulation.campaign import Slice, compete, race, slices, tally
from tests.simulation.profiles import DEFAULT, PROFILES

KEPT = sorted(Path(__file__).parent.glob("cases/*.json"))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(scenarios(), schedules())
def test_no_race_breaks_an_invariant(scenario: Scenario, schedule: Schedule) -> None:
    """W3, B1, B13, B14: a start that races a cleanup, and all that is like it."""
    race(scenario, schedule).check()


def test_a_short_campaign_reaches_nearly_every_pair() -> None:
    done = tally(Slice(1, DEFAULT.name, Explorer.DELAYS, 0, 900))
    assert done.failed is None
    # Detachments and casts take no time, so two on one thread never meet, and services may not.
    never = {("detach", "detach"), ("detach", "cast"), ("cast", "cast"), ("service", "service")}
    missing = set(done.overlaps.missing) - never
    # Faults and casts are rare, and most are over at once.
    sudden = {"journal failure", "actor bug", "damage", "cast"}
    with_sudden = {pair for pair in missing if {*pair} & sudden}
    assert len(missing - with_sudden) <= 5
    assert len(with_sudden) <= 25
    assert len(done.shapes) > 0.9 * done.runs
    assert "in 900 runs" in done.report(wall=1.0)


@pytest.mark.parametrize("explorer", Explorer)
@pytest.mark.parametrize("profile", PROFILES)
def test_no_profile_breaks_an_invariant_under_any_explorer(
    profile: str, explorer: Explorer
) -> None:
    assert tally(Slice(2, profile, explorer, 0, 30)).failed is None


def test_a_campaign_is_spread_over_processes_and_goes_through_it_all() -> None:
    parts = [*slices(48, 3, list(PROFILES), list(Explorer))]
    assert {(part.profile, part.explorer) for part in parts} == {*product(PROFILES, Explorer)}
    done = compete(parts[:4], jobs=2)
    assert (done.runs, done.failed) == (8, None)
    assert done.shapes == set.union(*(tally(part).shapes for part in parts[:4]))


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_what_once_broke_stays_mended(path: Path) -> None:
    race(*read_case(path.read_text())).check()

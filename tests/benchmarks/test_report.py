"""The report: verdicts, ratios, crippled baselines, JSON and the table."""

from __future__ import annotations

import pytest
from attrs import evolve

from .harness.calibration import TOLERANCE, USUAL_LOOP, Machine, void_crippled
from .harness.report import Goal, Report, Result
from .harness.table import table

OURS = Result("fan-out", "100 viewers", "holdfast", "CPU per delivery", "µs", [0.4, 0.3, 0.5])
THEIRS = evolve(OURS, subject="websockets + uvloop", values=[3.2])
USUAL = Machine(loop=USUAL_LOOP, commit=300)


def _report(*results: Result) -> Report:
    return Report({"cores": 2}, list(results))


@pytest.mark.parametrize(
    ("goal", "ratio_goal", "verdict"),
    [
        (Goal(most=0.4), Goal(), "reached"),
        (Goal(most=0.39), Goal(), "short"),
        (Goal(least=0.4), Goal(), "reached"),
        (Goal(least=0.41), Goal(), "short"),
        (Goal(), Goal(most=0.2), "reached"),
        (Goal(), Goal(most=0.1), "short"),
        (Goal(most=0.4), Goal(most=0.1), "short"),
        (Goal(most=0.3), Goal(most=0.2), "short"),
        (Goal(), Goal(), "–"),
    ],
)
def test_a_verdict_needs_both_goals(goal: Goal, ratio_goal: Goal, verdict: str) -> None:
    ours = evolve(OURS, goal=goal, against=THEIRS.subject, ratio_goal=ratio_goal)
    assert _report(ours, THEIRS).verdict(ours) == verdict


def test_a_ratio_is_of_medians() -> None:
    ours = evolve(OURS, against=THEIRS.subject)
    assert _report(ours, THEIRS).ratio(ours) == pytest.approx(0.4 / 3.2)
    assert _report(ours).ratio(ours) is None


def test_a_ratio_to_nobody_is_no_success() -> None:
    ours = evolve(OURS, against=THEIRS.subject, ratio_goal=Goal(most=1))
    assert _report(ours).verdict(ours) == "void"


def test_a_crippled_baseline_voids_the_row() -> None:
    slow = evolve(THEIRS, values=[3.2 * TOLERANCE * 1.01])
    ours = evolve(OURS, goal=Goal(most=1), against=slow.subject, ratio_goal=Goal(most=1))
    void_crippled([ours, slow], USUAL)
    assert "usual" in slow.void
    assert not ours.void
    assert _report(ours, slow).verdict(ours) == "void"
    assert "void, took 4.85 µs where 3.2 is usual" in table(_report(ours, slow))


def test_a_crippled_baseline_voids_its_other_figures_too() -> None:
    slow = evolve(THEIRS, values=[10.0])
    rate = evolve(THEIRS, metric="deliveries/s", values=[70_000.0])
    elsewhere = evolve(rate, case="500 viewers")
    void_crippled([rate, slow, elsewhere], USUAL)
    assert rate.void
    assert not elsewhere.void
    ours = evolve(OURS, metric="deliveries/s", against=rate.subject, ratio_goal=Goal(least=1))
    assert _report(ours, rate).verdict(ours) == "void"


def test_a_baseline_may_be_slow_on_a_slow_machine() -> None:
    slow = evolve(THEIRS, values=[6.4])
    void_crippled([slow], evolve(USUAL, loop=2 * USUAL_LOOP))
    assert not slow.void


def test_a_baseline_at_its_usual_figure_stands() -> None:
    fine = evolve(THEIRS)
    void_crippled([fine], USUAL)
    assert not fine.void


def test_a_report_survives_json() -> None:
    ours = evolve(OURS, goal=Goal(most=1.0), against=THEIRS.subject, ratio_goal=Goal(least=2.0))
    report = _report(ours, THEIRS)
    report.failures["growth"] = "the server hung up"
    assert Report.from_json(report.to_json()) == report


def test_the_table_has_a_line_for_each_result() -> None:
    ours = evolve(OURS, goal=Goal(most=1.0), against=THEIRS.subject, notes="much | merged")
    report = _report(ours, THEIRS)
    report.failures["growth"] = "the server hung up"
    lines = table(report).splitlines()
    cells = "| fan-out | 100 viewers | holdfast | CPU per delivery | 0.400 µs | ≤ 1.00 |"
    assert f"{cells} 0.125 × websockets + uvloop | – | reached |" in lines
    assert "- growth: not measured, the server hung up" in lines
    assert len({line.count(" | ") for line in lines if line.startswith("| ")}) == 1

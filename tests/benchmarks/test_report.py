"""The report: verdicts, ratios, crippled baselines, JSON and the table."""

from __future__ import annotations

import pytest
from attrs import evolve

from .harness.calibration import TOLERANCE, USUAL_LOOP, Machine, void_crippled
from .harness.expected import EXPECTED, missing
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
        (Goal(most=0.4), Goal(), "met"),
        (Goal(most=0.39), Goal(), "short"),
        (Goal(least=0.4), Goal(), "met"),
        (Goal(least=0.41), Goal(), "short"),
        (Goal(), Goal(most=0.2), "met"),
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


def test_the_table_has_a_line_for_each_goal_and_for_each_figure() -> None:
    ours = evolve(OURS, goal=Goal(most=0.32), against=THEIRS.subject, notes="much | merged")
    report = _report(ours, THEIRS)
    report.failures["growth"] = "the server hung up"
    lines = table(report).splitlines()
    found = "| fan-out | 100 viewers | CPU per delivery | 0.400 µs | ≤ 0.320 |"
    assert f"{found} 0.125 × websockets + uvloop | – | **short** by 25% |" in lines
    assert (
        "| fan-out | 100 viewers | websockets + uvloop | CPU per delivery | 3.20 µs | – | – |"
        in (lines)
    )
    assert "Of 1 goals: 0 met, 1 short, 0 void, 1 not measured." in lines
    assert "- growth: not measured, the server hung up" in lines
    assert {line.count(" | ") for line in lines if line.startswith("| ")} == {6, 7}


def test_a_verdict_says_by_how_much_the_worse_goal_is_missed() -> None:
    least = evolve(OURS, goal=Goal(least=0.5), against=THEIRS.subject, ratio_goal=Goal(most=0.1))
    assert _report(least, THEIRS).told_verdict(least) == "**short** by 25%"
    assert _report(OURS).told_verdict(OURS) == "–"
    far = evolve(OURS, goal=Goal(most=0.1))
    assert _report(far).told_verdict(far) == "**short**: 4.00 times it"


def test_a_void_verdict_says_why_and_what_the_figure_is_by_itself() -> None:
    slow = evolve(THEIRS, void="took 9 µs where 3 is usual here")
    ours = evolve(OURS, goal=Goal(most=1), against=slow.subject, ratio_goal=Goal(most=1))
    why = "void: websockets + uvloop took 9 µs where 3 is usual here"
    assert _report(ours, slow).told_verdict(ours) == f"{why}; the figure by itself is met"
    alone = evolve(ours, goal=Goal())
    assert _report(alone, slow).told_verdict(alone) == why


def test_a_full_run_misses_a_goal_that_no_row_judges() -> None:
    row, case, metric = EXPECTED[0]
    judged = [evolve(OURS, row=r, case=c, metric=m, goal=Goal(most=1)) for r, c, m in EXPECTED[1:]]
    told_only = evolve(OURS, row=row, case=case, metric=metric)
    assert missing(_report(told_only, *judged)) == [f"{row}, {case}, {metric}"]

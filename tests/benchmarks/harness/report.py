"""What a run found, as values: each result of a row, its goal, and whether it was reached."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

import attrs
from attrs import define, field, frozen

from .figures import median, ratio, readable, spread

Verdict: TypeAlias = Literal["met", "short", "void", "–"]


@frozen
class Goal:
    """A bound for a figure, and where it comes from.

    Args:
        most, least: the bound; one of them, or neither where the figure is only told.
    """

    most: float | None = None
    least: float | None = None

    def holds(self, value: float) -> bool:
        """Say whether a figure is within it."""
        return not (
            (self.most is not None and value > self.most)
            or (self.least is not None and value < self.least)
        )

    def missed_by(self, value: float) -> float:
        """Return how far a figure is outside it, as a share of the bound; 0 within it."""
        if self.holds(value):
            return 0.0
        return abs(value / self.bound - 1) if self.bound else math.inf

    @property
    def bound(self) -> float | None:
        """The figure, whichever side of it is the good one."""
        return self.most if self.most is not None else self.least

    def __str__(self) -> str:
        if self.most is not None:
            return f"≤ {readable(self.most)}"
        return f"≥ {readable(self.least)}" if self.least is not None else "–"


@define
class Result:
    """One figure of one subject.

    Args:
        row: which row of the table, as `fan-out`.
        case: what of it, as `100 viewers`.
        subject: whose it is: `holdfast`, or a baseline.
        metric: what is measured, as `deliveries/s`.
        unit: its unit, empty where the metric says it.
        values: one for each repeat, at least one.
        goal: what it is to reach.
        against: the subject that it is compared with; its figure of the same row, case, metric.
        ratio_goal: what the ratio of the two is to reach.
        notes: whatever helps to read it.
    """

    row: str
    case: str
    subject: str
    metric: str
    unit: str
    values: list[float]
    goal: Goal = field(factory=Goal)
    against: str | None = None
    ratio_goal: Goal = field(factory=Goal)
    notes: str = ""
    void: str = ""

    @property
    def value(self) -> float:
        """The median of the repeats."""
        return median(self.values)


@define
class Report:
    """All results of a run, and what the machine was like meanwhile."""

    machine: dict[str, Any] = field(factory=dict)
    results: list[Result] = field(factory=list)
    failures: dict[str, str] = field(factory=dict)

    def add(self, results: Iterable[Result]) -> None:
        """Take the results of a row."""
        self.results += results

    def ratio(self, result: Result) -> float | None:
        """Return the result by that of the subject that it is held beside; None without one."""
        other = self._other(result)
        return None if other is None else ratio(result.value, other.value)

    def verdict(self, result: Result) -> Verdict:
        """Say whether the goals were met; a row with a crippled baseline says nothing."""
        if result.goal == Goal() and result.ratio_goal == Goal():
            return "–"
        if self._why_void(result):
            return "void"
        return "short" if self.short_by(result) else "met"

    def told_verdict(self, result: Result) -> str:
        """Return the verdict in words: by how much it is short, or why it is void."""
        verdict = self.verdict(result)
        if verdict == "short":
            by = self.short_by(result)
            return (
                f"**short** by {by:.0%}" if by <= 1 else f"**short**: {readable(1 + by)} times it"
            )
        if verdict != "void":
            return verdict
        alone = "the figure by itself is " + ("met" if result.goal.holds(result.value) else "short")
        return f"void: {self._why_void(result)}" + (f"; {alone}" if result.goal != Goal() else "")

    def short_by(self, result: Result) -> float:
        """Return how far the worse of figure and ratio is from its goal, as a share of that."""
        beside = self.ratio(result)
        by_ratio = 0.0 if beside is None else result.ratio_goal.missed_by(beside)
        return max(result.goal.missed_by(result.value), by_ratio)

    def judged(self) -> list[Result]:
        """Return the results that have a goal."""
        return [each for each in self.results if self.verdict(each) != "–"]

    def _why_void(self, result: Result) -> str:
        other = self._other(result)
        if result.void or (other is not None and other.void):
            crippled = result if other is None or result.void else other
            return f"{crippled.subject} {crippled.void}"
        if result.ratio_goal != Goal() and other is None:
            return f"{result.against or 'what it is to be held beside'} was not measured"
        return ""

    def to_json(self) -> str:
        """Return everything, with the repeats, as JSON."""
        results = [
            {
                **attrs.asdict(result),
                "median": result.value,
                "spread": spread(result.values),
                "ratio": self.ratio(result),
                "verdict": self.verdict(result),
            }
            for result in self.results
        ]
        whole = {"machine": self.machine, "failures": self.failures, "results": results}
        return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Read a report back."""
        raw = json.loads(text)
        names = {a.name for a in attrs.fields(Result)}
        results = []
        for each in raw["results"]:
            known = {name: value for name, value in each.items() if name in names}
            known["goal"], known["ratio_goal"] = Goal(**known["goal"]), Goal(**known["ratio_goal"])
            results.append(Result(**known))
        return cls(raw["machine"], results, raw["failures"])

    def _other(self, result: Result) -> Result | None:
        if result.against is None:
            return None
        wanted = (result.row, result.case, result.against, result.metric)
        found = (r for r in self.results if (r.row, r.case, r.subject, r.metric) == wanted)
        return next(found, None)

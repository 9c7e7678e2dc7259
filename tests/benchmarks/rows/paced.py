"""Paced: 200 threads at 50 tokens a second, each piece with the time at which it was written."""

from __future__ import annotations

from collections.abc import Iterator

from ..harness.bench import HOLDFAST, MICRO, MILLI, Bench, Seen
from ..harness.report import Goal, Result
from ..harness.subjects import BASELINES, TRIO_WEBSOCKET, LineUp, Load

ROW = "paced"
THREADS, PACE = 200, 50.0


def measure(bench: Bench) -> Iterator[Result]:
    """Yield the time from `write` to a viewer, the share of a core, and CPU per token."""
    load = Load(THREADS, 1, round(bench.size(8.0, 1.0) * PACE), PACE)
    with LineUp(bench, (*bench.ours, *bench.size(BASELINES, (TRIO_WEBSOCKET,)))) as line_up:
        runs = line_up.take_turns(ROW, lambda s: line_up.run(s, load))
    for subject, seen in runs.items():
        yield from _results(subject, seen)


def _results(subject: str, runs: list[Seen]) -> Iterator[Result]:
    case, is_ours = f"{THREADS} × {PACE:.0f}/s", subject == HOLDFAST
    for name, most in (("p50", 2.0), ("p99", 8.0)):
        waits = [run.raw[name] * MILLI for run in runs]
        goal = Goal(most=most) if is_ours else Goal()
        yield Result(ROW, case, subject, f"write to receive, {name}", "ms", waits, goal)
    shares = [run.cpu / run.seconds * 100 for run in runs]
    goal = Goal(most=60.0) if is_ours else Goal()
    yield Result(ROW, case, subject, "share of a core", "%", shares, goal)
    costs = [run.cpu / run.tokens * MICRO for run in runs]
    beside = TRIO_WEBSOCKET if subject != TRIO_WEBSOCKET else None
    ratio = Goal(most=1.0) if is_ours else Goal()
    yield Result(ROW, case, subject, "CPU per token", "µs", costs, against=beside, ratio_goal=ratio)

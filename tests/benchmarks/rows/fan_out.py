"""Fan-out: one turn flat out, watched by few and by many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..harness.bench import HOLDFAST, Bench, flat_results
from ..harness.report import Goal, Result
from ..harness.subjects import BASELINES, OURS, WEBSOCKETS, Load, run

ROW = "fan-out"
# Viewers, tokens for us and for the baselines in the full mode, and our goals.
_MILLION = {"goal": Goal(least=1e6), "cpu_goal": Goal(most=1.0)}
_CASES: tuple[tuple[int, int, int, dict[str, Any]], ...] = (
    (1, 100_000, 20_000, {"ratio_goal": Goal(least=1.0)}),
    (10, 100_000, 10_000, {"ratio_goal": Goal(least=1.0)}),
    (100, 50_000, 2_000, {"ratio_goal": Goal(least=5.0), **_MILLION}),
    (500, 20_000, 500, {"ratio_goal": Goal(least=4.0), **_MILLION}),
)


def measure(bench: Bench) -> Iterator[Result]:
    """Yield deliveries a second and CPU per delivery, ours and theirs."""
    for viewers, ours, theirs, goals in bench.size(_CASES, _CASES[::2]):
        for subject in (*bench.ours, *BASELINES):
            tokens = ours if subject in OURS else theirs
            load = Load(1, viewers, tokens // bench.size(1, 4))
            case = f"{viewers} viewer{'s' * (viewers > 1)}"
            what = f"{ROW}, {case}, {subject}"
            runs = bench.repeat(what, lambda s=subject, x=load: run(bench, s, x))
            against = {"against": WEBSOCKETS} if subject != WEBSOCKETS else {}
            more = goals if subject == HOLDFAST else {}
            yield from flat_results(ROW, case, subject, runs, **against, **more)

"""Fan-out: one turn flat out, watched by few and by many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..harness.bench import HOLDFAST, Bench, flat_results
from ..harness.report import Goal, Result
from ..harness.subjects import BASELINES, OURS, WEBSOCKETS, LineUp, Load

ROW = "fan-out"
# Viewers, tokens for us and for the baselines in the full mode, and our goals.
_MILLION = {"goal": Goal(least=1e6), "cpu_goal": Goal(most=1.0)}
_CASES: tuple[tuple[int, int, int, dict[str, Any]], ...] = (
    (1, 100_000, 20_000, {"ratio_goal": Goal(least=1.0)}),
    (10, 100_000, 10_000, {"ratio_goal": Goal(least=1.0)}),
    (100, 50_000, 2_000, {"ratio_goal": Goal(least=5.0), **_MILLION}),
    (500, 20_000, 500, {"ratio_goal": Goal(least=4.0), **_MILLION}),
)
# In the quick mode the slower baselines are left out where there are so many viewers.
_CROWD = 100


def measure(bench: Bench) -> Iterator[Result]:
    """Yield deliveries a second and CPU per delivery, ours and theirs."""
    with LineUp(bench, (*bench.ours, *BASELINES)) as line_up:
        for viewers, ours, theirs, goals in _CASES:
            few = bench.size(line_up.subjects, (HOLDFAST, WEBSOCKETS))
            subjects = few if viewers >= _CROWD else line_up.subjects
            tokens = {s: _tokens(bench, s, ours, theirs) for s in subjects}
            case = f"{viewers} viewer{'s' * (viewers > 1)}"
            runs = line_up.take_turns(
                f"{ROW}, {case}",
                lambda s, n=tokens, v=viewers: line_up.run(s, Load(1, v, n[s])),
                subjects,
            )
            for subject, seen in runs.items():
                against = {"against": WEBSOCKETS} if subject != WEBSOCKETS else {}
                more = goals if subject == HOLDFAST else {}
                yield from flat_results(ROW, case, subject, seen, **against, **more)


def _tokens(bench: Bench, subject: str, ours: int, theirs: int) -> int:
    if subject in OURS:
        return ours // bench.size(1, 5)
    return theirs // bench.size(1, 4 if subject == WEBSOCKETS else 20)

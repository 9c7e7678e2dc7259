"""Many threads, one viewer each, all flat out; and SQLite alone at the same batch sizes."""

from __future__ import annotations

from collections.abc import Iterator

from ..baselines import sqlite_alone
from ..harness.bench import HOLDFAST, Bench, Seen, flat_results
from ..harness.figures import median
from ..harness.report import Goal, Result
from ..harness.subjects import BASELINES, OURS, SQLITE, WEBSOCKETS, LineUp, Load
from ..load.peer import Peer

ROW = "many threads"
THREADS = 200
CASE = f"{THREADS} × 1"


def measure(bench: Bench) -> Iterator[Result]:
    """Yield durable tokens a second, and what the same commits cost SQLite by itself."""
    ours, theirs = bench.size(5_000, 1_000), bench.size(500, 100)
    with LineUp(bench, (*OURS, *bench.size(BASELINES, (WEBSOCKETS,)))) as line_up:
        runs = line_up.take_turns(
            ROW, lambda s: _run(line_up, s, Load(THREADS, 1, ours if s in OURS else theirs))
        )
    goals = {"goal": Goal(least=70_000), "ratio_goal": Goal(least=1.0)}
    for subject, seen in runs.items():
        against = {"against": WEBSOCKETS} if subject != WEBSOCKETS else {}
        more = goals if subject == HOLDFAST else {}
        yield from flat_results(ROW, CASE, subject, seen, **against, **more)
    yield from _beside_sqlite(bench, runs[HOLDFAST])


def _run(line_up: LineUp, subject: str, load: Load) -> Seen:
    if subject not in OURS:
        return line_up.run(subject, load)
    with Peer(line_up.servers[subject].port) as peer:
        before = peer.census()["commits"]
        seen = line_up.run(subject, load)
        commits = peer.census()["commits"] - before
    seen.raw["tokens_per_commit"] = seen.tokens / commits
    return seen


def _beside_sqlite(bench: Bench, runs: list[Seen]) -> Iterator[Result]:
    metric, rates = "durable tokens/s", [run.tokens / run.seconds for run in runs]
    least = Goal(least=0.6)
    yield Result(ROW, CASE, HOLDFAST, metric, "", rates, against=SQLITE, ratio_goal=least)
    batch = round(median([run.raw["tokens_per_commit"] for run in runs]))
    folder, seconds = bench.scratch(), bench.size(2.0, 0.5)
    alone = bench.repeat(
        f"{ROW}, {SQLITE}", lambda: sqlite_alone.rows_per_second(folder, batch, seconds)
    )
    notes = f"a row for each token, {batch:,} in a commit, as many as Holdfast had"
    yield Result(ROW, CASE, SQLITE, metric, "", alone, notes=notes)

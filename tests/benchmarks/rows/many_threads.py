"""Many threads, one viewer each, all flat out; and SQLite alone at the same batch sizes."""

from __future__ import annotations

from collections.abc import Iterator

from ..baselines import sqlite_alone
from ..harness.bench import HOLDFAST, Bench, Seen, flat_results, watch
from ..harness.figures import median
from ..harness.report import Goal, Result
from ..harness.subjects import BASELINES, OURS, SQLITE, WEBSOCKETS, Load, ours, run, start
from ..load.peer import Peer

ROW = "many threads"
THREADS = 200


def measure(bench: Bench) -> Iterator[Result]:
    """Yield durable tokens a second, and what the same commits cost SQLite by itself."""
    case = f"{THREADS} × 1"
    batches: list[float] = []
    for subject in OURS:
        load = Load(THREADS, 1, bench.size(5_000, 1_000))
        runs = bench.repeat(f"{ROW}, {subject}", lambda s=subject, x=load: _run(bench, s, x))
        batches = batches or [run.raw["tokens_per_commit"] for run in runs]
        more = {}
        if subject == HOLDFAST:
            more = {"goal": Goal(least=70_000), "ratio_goal": Goal(least=1.0)}
        yield from flat_results(ROW, case, subject, runs, against=WEBSOCKETS, **more)
        if subject == HOLDFAST:
            yield _beside_sqlite(case, runs)
    for subject in BASELINES:
        load = Load(THREADS, 1, bench.size(500, 100))
        runs = bench.repeat(f"{ROW}, {subject}", lambda s=subject, x=load: run(bench, s, x))
        yield from flat_results(ROW, case, subject, runs)
    yield _sqlite(bench, case, round(median(batches)))


def _run(bench: Bench, subject: str, load: Load) -> Seen:
    with start(bench, subject) as server:
        tokens = load.threads * load.tokens
        with Peer(server.port) as peer:
            before = peer.census()["commits"]
            seen = watch(server, ours(load), tokens=tokens, deliveries=tokens)
            commits = peer.census()["commits"] - before
        seen.raw["tokens_per_commit"] = tokens / commits
        return seen


def _beside_sqlite(case: str, runs: list[Seen]) -> Result:
    rates = [run.tokens / run.seconds for run in runs]
    ratio = Goal(least=0.6)
    return Result(
        ROW, case, HOLDFAST, "durable tokens/s", "", rates, against=SQLITE, ratio_goal=ratio
    )


def _sqlite(bench: Bench, case: str, batch: int) -> Result:
    folder, seconds = bench.scratch(), bench.size(2.0, 0.5)
    rates = bench.repeat(
        f"{ROW}, {SQLITE}", lambda: sqlite_alone.rows_per_second(folder, batch, seconds)
    )
    notes = f"a row for each token, {batch:,} in a commit, as many as Holdfast had"
    return Result(ROW, case, SQLITE, "durable tokens/s", "", rates, notes=notes)

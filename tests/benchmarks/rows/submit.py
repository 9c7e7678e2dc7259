"""Durable submit over a WebSocket, beside one bare commit of SQLite."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ..baselines import sqlite_alone
from ..harness.bench import HOLDFAST, MILLI, RELAXED, Bench
from ..harness.figures import quantile
from ..harness.histories import with_histories
from ..harness.processes import holdfast
from ..harness.report import Goal, Result
from ..harness.subjects import SQLITE
from ..load.peer import Peer
from .attach import growth, histories

ROW = "submit"
_METRIC, _TURN = "submit to reply, p50", "submit to the turn's end, p50"


def measure(bench: Bench) -> Iterator[Result]:
    """Yield the milliseconds from `submit` to its reply, in threads of few and many messages."""
    counts = histories(bench)
    commits = [_bare(bench) for _ in range(bench.repeats)]
    times: dict[int, list[float]] = {count: [] for count in counts}
    turns: dict[int, list[float]] = {count: [] for count in counts}
    for _ in range(bench.repeats):
        for count, (reply, turn) in _submitted(bench, counts, "full").items():
            times[count].append(reply)
            turns[count].append(turn)
    commits += [_bare(bench) for _ in range(bench.repeats)]
    for count, taken in times.items():
        case = f"{count:,} messages"
        goals = (Goal(most=1.0), SQLITE, Goal(most=4.0))
        yield Result(ROW, case, HOLDFAST, _METRIC, "ms", taken, *goals)
        yield Result(ROW, case, SQLITE, _METRIC, "ms", commits, notes="one bare commit of one row")
        notes = "the turn reads its history, and says nothing"
        yield Result(ROW, case, HOLDFAST, _TURN, "ms", turns[count], notes=notes)
    yield from growth(ROW, _METRIC, times, 1.2)
    for count, (reply, _) in _submitted(bench, counts, "relaxed").items():
        yield Result(ROW, f"{count:,} messages", RELAXED, _METRIC, "ms", [reply])


def _bare(bench: Bench) -> float:
    return sqlite_alone.commit_seconds(bench.scratch(), bench.size(500, 100)) * MILLI


def _submitted(
    bench: Bench, counts: tuple[int, ...], durability: str
) -> dict[int, tuple[float, float]]:
    folder = with_histories(bench, counts)
    with holdfast(folder, "--durability", durability) as server, Peer(server.port) as peer:
        return {count: _p50s(bench, peer, count) for count in counts}


def _p50s(bench: Bench, peer: Peer, count: int) -> tuple[float, float]:
    """Return the milliseconds to the reply and to the end of the turn."""
    bench.tell(f"{ROW}, {count:,} messages")
    thread = f"h{count}"
    peer.attach(thread, window=1)
    replies, turns = [], []
    for _ in range(bench.size(100, 12)):
        began = time.perf_counter()
        replies.append(peer.timed("submit", thread=thread, content='{"do":"quiet"}') * MILLI)
        peer.ended()
        turns.append((time.perf_counter() - began) * MILLI)
    return quantile(replies[1:], 0.5), quantile(turns[1:], 0.5)  # the first one activates

"""Attach to a finished thread, of few messages and of many."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ..harness.bench import HOLDFAST, MILLI, Bench
from ..harness.histories import with_histories
from ..harness.processes import holdfast
from ..harness.report import Goal, Result
from ..load.peer import Peer

ROW = "attach"


def histories(bench: Bench) -> tuple[int, ...]:
    """Return how many messages the threads have, in this row and in those like it."""
    return bench.size((10, 10_000, 100_000), (10, 2_000))


def measure(bench: Bench) -> Iterator[Result]:
    """Yield the milliseconds from `attach` to `caught_up`, and how they grow with the history."""
    few, *more = histories(bench)
    folder = with_histories(bench, (few, *more))
    times: dict[int, list[float]] = {count: [] for count in (few, *more)}
    with holdfast(folder) as server, Peer(server.port) as peer:
        bench.tell(f"{ROW}, by turns")
        for _ in range(bench.size(200, 30)):
            for count, taken in times.items():
                taken.append(_attach(peer, count) * MILLI)
    for count, taken in times.items():
        case = f"{count:,} messages"
        goal = Goal(most=5.0)
        yield Result(ROW, case, HOLDFAST, "attach to caught up", "ms", taken, goal)
    yield from growth(ROW, "attach to caught up", times, 1.5)


def growth(row: str, metric: str, times: dict[int, list[float]], most: float) -> Iterator[Result]:
    """Yield how a time at many messages is to that at the fewest."""
    few, *more = times
    for count in more:
        case = f"{count:,} to {few:,} messages"
        mids = (
            sorted(times[count])[len(times[count]) // 2],
            sorted(times[few])[len(times[few]) // 2],
        )
        yield Result(row, case, HOLDFAST, f"{metric}, growth", "×", [mids[0] / mids[1]], Goal(most))


def _attach(peer: Peer, count: int) -> float:
    began = time.perf_counter()
    peer.attach(f"h{count}")
    taken = time.perf_counter() - began
    peer.call("detach", thread=f"h{count}")
    return taken

"""Cancel a turn from another connection than the one that follows it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from ..harness.bench import HOLDFAST, MILLI, Bench
from ..harness.figures import quantile
from ..harness.processes import holdfast
from ..harness.report import Goal, Result
from ..load.peer import Peer

ROW = "cancel"
_TURNS = 50  # in a thread: each turn reads the history, and that is not what is measured


def measure(bench: Bench) -> Iterator[Result]:
    """Yield the milliseconds from `cancel` to its reply, which says that the turn is settled."""
    with holdfast(bench.scratch()) as server:
        names = map(str, itertools.count())
        runs = bench.repeat(ROW, lambda: _cancelled(server.port, names, bench.size(500, 100)))
    for name, share, goal in (("p50", 0.5, Goal()), ("p99", 0.99, Goal(most=5.0))):
        values = [quantile(run, share) * MILLI for run in runs]
        yield Result(
            ROW, "running turn", HOLDFAST, f"cancel to settled, {name}", "ms", values, goal
        )


def _cancelled(port: int, names: Iterator[str], times: int) -> list[float]:
    taken = []
    with Peer(port) as watcher, Peer(port) as other:
        for n in range(times):
            if n % _TURNS == 0:
                thread = next(names)
                watcher.attach(thread, window=1)
            watcher.order(thread, {"do": "wait"})
            _said_something(watcher)
            taken.append(other.timed("cancel", thread=thread))
            watcher.ended()
    return taken


def _said_something(peer: Peer) -> None:
    while not any(e["type"] == "turn.delta" for e in peer.until("events")["events"]):
        pass

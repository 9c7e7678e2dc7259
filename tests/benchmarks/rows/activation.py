"""Activation of a thread with a long history, right after a start: its first submit."""

from __future__ import annotations

from collections.abc import Iterator

from ..harness.bench import HOLDFAST, MILLI, Bench
from ..harness.histories import with_histories
from ..harness.processes import holdfast
from ..harness.report import Goal, Result
from ..load.peer import Peer
from .attach import histories

ROW = "activation"
# Milliseconds, for a history of so many messages at the most.
_GOALS = {10: Goal(), 10_000: Goal(most=30.0), 100_000: Goal(most=60.0)}


def measure(bench: Bench) -> Iterator[Result]:
    """Yield the milliseconds from the first submit to its reply, and to the end of its turn."""
    counts = histories(bench)
    folder = with_histories(bench, counts)
    replied: dict[int, list[float]] = {count: [] for count in counts}
    for _ in range(bench.size(10, 2)):
        bench.tell(f"{ROW}, after a start")
        with holdfast(folder) as server, Peer(server.port) as peer:
            for count in counts:
                submit = {"thread": f"h{count}", "content": '{"do":"quiet"}'}
                replied[count].append(peer.timed("submit", **submit) * MILLI)
    for count, taken in replied.items():
        goal = next(goal for most, goal in _GOALS.items() if count <= most)
        case, notes = f"{count:,} messages", "with the commit of the submit"
        yield Result(ROW, case, HOLDFAST, "first submit to reply", "ms", taken, goal, notes=notes)

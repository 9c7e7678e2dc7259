"""Start on a file with very many threads, and the first attach to one of them."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ..harness.bench import HOLDFAST, MILLI, Bench
from ..harness.histories import with_threads
from ..harness.processes import command_line
from ..harness.report import Goal, Result
from ..load.peer import Peer

ROW = "start-up"


def measure(bench: Bench) -> Iterator[Result]:
    """Yield the seconds until it listens, and the milliseconds of the first attach."""
    listening, attached = [], []
    counts = bench.size((1, 1_000_000), (1, 20_000))
    for threads in counts:
        folder = with_threads(bench, threads)
        for n in range(bench.repeats):
            bench.tell(f"{ROW}, {threads:,} threads, {n + 1} of {bench.repeats}")
            began = time.perf_counter()
            with command_line(folder) as server:
                listening.append(time.perf_counter() - began)
                attached.append(_first_attach(server.port, threads // 2 + 1) * MILLI)
        case = f"{threads:,} thread{'s' * (threads > 1)}"
        yield Result(ROW, case, HOLDFAST, "start to listening", "s", listening, Goal(most=1.0))
        yield Result(ROW, case, HOLDFAST, "first attach", "ms", attached, Goal(most=10.0))
        listening, attached = [], []


def _first_attach(port: int, number: int) -> float:
    with Peer(port) as peer:
        began = time.perf_counter()
        heard = peer.attach(f"c{number}")
        taken = time.perf_counter() - began
    assert heard[1]["items"], "the thread is empty"
    return taken

"""How cost grows with live threads, and the file with what was said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import trio

from actors import open_runtime

from ..harness.bench import HOLDFAST, MICRO, Bench
from ..harness.figures import median
from ..harness.processes import ROOT, Server, holdfast
from ..harness.report import Goal, Result
from ..load.peer import Peer

if TYPE_CHECKING:
    from pathlib import Path

ROW = "growth"
_DATA = ROOT / "tests" / "data" / "mt_bench_conversations.jsonl"


def measure(bench: Bench) -> Iterator[Result]:
    """Yield CPU per event with one live thread and with many, and the size of the file."""
    yield from _live_threads(bench)
    yield from _file(bench)


def _live_threads(bench: Bench) -> Iterator[Result]:
    many = bench.size(10_000, 250)
    costs: dict[int, list[float]] = {}
    with holdfast(bench.scratch()) as server, Peer(server.port) as peer:
        _cost(server, peer, bench)  # the first one warms up
        for live in (1, many):
            bench.tell(f"{ROW}, {live:,} live threads")
            for n in range(1, live):
                peer.order(f"t{n}", {"do": "quiet"})
            costs[live] = bench.repeat(ROW, lambda: _cost(server, peer, bench))
    for live, cost in costs.items():
        case = f"{live:,} live thread{'s' * (live > 1)}"
        yield Result(ROW, case, HOLDFAST, "CPU per event", "µs", cost)
    case, grown = f"{many:,} live threads to 1", median(costs[many]) / median(costs[1])
    yield Result(ROW, case, HOLDFAST, "CPU per event, growth", "×", [grown], Goal(most=1.5))


def _cost(server: Server, peer: Peer, bench: Bench) -> float:
    """Return the CPU of an event, each with a commit of its own, in a thread that is watched."""
    events = bench.size(2_000, 300)
    peer.attach("measured", window=1)
    before = server.cpu_seconds()
    peer.order("measured", {"do": "hold", "tokens": events})
    while not any(e.get("kind") == "written" for e in peer.until("events")["events"]):
        pass
    cost = (server.cpu_seconds() - before) / events
    peer.call("cancel", thread="measured")
    return cost * MICRO


def _file(bench: Bench) -> Iterator[Result]:
    bench.tell(f"{ROW}, the file")
    folder, rounds = bench.scratch(), bench.size(20, 2)
    with holdfast(folder, "--durability", "relaxed") as server, Peer(server.port) as peer:
        said = sum(_converse(peer, round) for round in range(rounds))
    trio.run(_compact, folder / "bench.db")
    size = (folder / "bench.db").stat().st_size
    notes = f"{said / 1e6:.2f} MB of text in pieces of four characters, all turns compacted"
    case, goal = "file after compaction", Goal(most=1.5)
    yield Result(ROW, case, HOLDFAST, "size by text", "×", [size / said], goal, notes=notes)


def _converse(peer: Peer, round: int) -> int:
    """Have the recorded conversations once, and return how many bytes were said."""
    said = 0
    for line in _DATA.read_text(encoding="utf-8").splitlines():
        conversation = json.loads(line)
        thread = f"{conversation['id']}.{round}"
        peer.attach(thread, window=1)
        for turn in conversation["turns"]:
            order = {"do": "say", "text": turn["assistant"], "size": 4}
            peer.order(thread, order)
            peer.ended()
            said += len(json.dumps(order).encode()) + len(turn["assistant"].encode())
        peer.call("detach", thread=thread)
    return said


async def _compact(path: Path) -> None:
    async with open_runtime(path, on_turn=_nothing) as runtime:
        await runtime.compact(everything=True)


async def _nothing(turn: object) -> None:
    """Answer nothing; there is nothing to answer."""

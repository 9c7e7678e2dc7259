"""Reattach while a turn of 5,000 pieces goes on, and check that none is missing or there twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from ..harness.bench import HOLDFAST, MILLI, Bench
from ..harness.processes import holdfast
from ..harness.report import Goal, Result
from ..load.peer import Peer

ROW = "reattach"
THREAD = "t"


def measure(bench: Bench) -> Iterator[Result]:
    """Yield the milliseconds from `attach` to `caught_up`, from three places."""
    tokens = bench.size(5_000, 1_000)
    with holdfast(bench.scratch()) as server, Peer(server.port) as watcher:
        bench.tell(f"{ROW}, writing {tokens:,} pieces")
        cursors = _written(watcher, tokens)
        start, middle = cursors[0], cursors[len(cursors) // 2]
        places = (("from the start", start), ("from the middle", middle), ("by a snapshot", None))
        for case, cursor in places:
            bench.tell(f"{ROW}, {case}")
            times = [_reattached(server.port, cursor, tokens) for _ in range(bench.size(50, 5))]
            goal = Goal(most=5.0) if cursor else Goal()
            notes = f"{tokens:,} pieces, each an event; every one checked to be there once"
            taken = [seconds * MILLI for seconds in times]
            yield Result(ROW, case, HOLDFAST, "attach to caught up", "ms", taken, goal, notes=notes)


def _written(peer: Peer, tokens: int) -> list[str]:
    """Have a turn write its pieces, and return the cursors of the stream, before and meanwhile."""
    cursors = [peer.attach(THREAD)[-1]["cursor"]]
    peer.say("submit", thread=THREAD, content=f'{{"do":"hold","tokens":{tokens}}}')
    while True:
        message = peer.until("events")
        if any(event.get("kind") == "written" for event in message["events"]):
            return cursors
        cursors.append(message["cursor"])


def _reattached(port: int, cursor: str | None, tokens: int) -> float:
    with Peer(port) as peer:
        began = time.perf_counter()
        heard = peer.attach(THREAD, cursor)
        taken = time.perf_counter() - began
    if cursor is None:
        _check_snapshot(heard, tokens)
    else:
        _check_resumed(heard, cursor, tokens)
    return taken


def _check_resumed(heard: list[dict[str, Any]], cursor: str, tokens: int) -> None:
    assert heard[0]["mode"] == "resume", heard[0]
    offset = int(cursor.partition(".")[2])
    text = ""
    for event in (event for message in heard[1:-1] for event in message["events"]):
        assert event["offset"] == offset + 1, f"{event} does not follow {offset}"
        offset = event.get("to", event["offset"])
        text += event.get("text", "")
    assert heard[-1]["cursor"].partition(".")[2] == str(offset)
    expected = "".join(f"{n:07d} " for n in range(tokens))
    assert expected.endswith(text), "pieces are missing, or there twice"
    said = [event for message in heard[1:-1] for event in message["events"]]
    first = next((e for e in said if e["type"] == "turn.delta"), None)
    assert first is not None
    assert len(text) == 8 * (tokens - int(first["text"][:8])), "pieces are missing"


def _check_snapshot(heard: list[dict[str, Any]], tokens: int) -> None:
    items = heard[1]["turn"]["items"]
    text = next(item["text"] for item in items if item["kind"] == "answer")
    assert text == "".join(f"{n:07d} " for n in range(tokens))

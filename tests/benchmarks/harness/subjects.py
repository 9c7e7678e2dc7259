"""The servers that take part in rows of streaming: Holdfast, twice, and the three baselines."""

from __future__ import annotations

from typing import Any, Final

from attrs import frozen

from .bench import HOLDFAST, RELAXED, Bench, Seen, watch
from .processes import Server, baseline, holdfast

WEBSOCKETS: Final = "websockets + uvloop"
TRIO_WEBSOCKET: Final = "trio-websocket"
SOCKETIO: Final = "python-socketio"
SQLITE: Final = "SQLite alone"

_MODULES: Final = {
    WEBSOCKETS: ("websockets_server", "plain"),
    TRIO_WEBSOCKET: ("trio_websocket_server", "plain"),
    SOCKETIO: ("socketio_server", "socketio"),
}
OURS: Final = (HOLDFAST, RELAXED)
BASELINES: Final = tuple(_MODULES)


@frozen
class Load:
    """What is said and who listens.

    Args:
        threads: how many; one turn in each.
        viewers: connections to each thread.
        tokens: pieces in each turn.
        pace: pieces a second in each; None for flat out.
    """

    threads: int
    viewers: int
    tokens: int
    pace: float | None = None


def run(bench: Bench, subject: str, load: Load) -> Seen:
    """Put a load on a fresh server of a subject."""
    with start(bench, subject) as server:
        order = ours(load) if subject in OURS else _theirs(subject, load)
        tokens = load.threads * load.tokens
        return watch(server, order, tokens=tokens, deliveries=tokens * load.viewers)


def start(bench: Bench, subject: str) -> Server:
    """Start a server."""
    if subject not in OURS:
        return baseline(_MODULES[subject][0])
    durability = "relaxed" if subject == RELAXED else "full"
    return holdfast(bench.scratch(), "--durability", durability)


def ours(load: Load) -> dict[str, Any]:
    """Return the order for viewers of Holdfast."""
    names = [f"t{n}" for n in range(load.threads)]
    turns = {name: _deed(load, n) for n, name in enumerate(names)}
    return {
        "dialect": "holdfast",
        "viewers": load.threads * load.viewers,
        "threads": names * load.viewers,
        "turns": turns,
        "timed": load.pace is not None,
    }


def _deed(load: Load, number: int) -> dict[str, Any]:
    if load.pace is None:
        return {"do": "flat", "tokens": load.tokens}
    phase = number / load.threads / load.pace
    return {"do": "paced", "rate": load.pace, "seconds": load.tokens / load.pace, "phase": phase}


def _theirs(subject: str, load: Load) -> dict[str, Any]:
    if load.pace is not None:
        go = {"do": "paced", "rate": load.pace, "seconds": load.tokens / load.pace}
    else:
        go = {"do": "fan" if load.threads == 1 else "each", "tokens": load.tokens}
    return {
        "dialect": _MODULES[subject][1],
        "viewers": load.threads * load.viewers,
        "frames": load.tokens,
        "go": go,
        "timed": load.pace is not None,
    }

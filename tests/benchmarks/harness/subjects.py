"""The servers that take part in rows of streaming: Holdfast, twice, and the three baselines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from .bench import HOLDFAST, RELAXED, Bench, Seen, watch
from .processes import Server, baseline, holdfast

if TYPE_CHECKING:
    from types import TracebackType

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


class LineUp:
    """The servers of a row, each started once; those that are not measured are idle.

    Args:
        bench: the run.
        subjects: whose servers.
    """

    def __init__(self, bench: Bench, subjects: Sequence[str]) -> None:
        self.subjects = tuple(subjects)
        self.servers: dict[str, Server] = {}
        self._bench = bench
        self._stack = ExitStack()
        self._loads = 0

    def take_turns(
        self,
        what: str,
        measure: Callable[[str], Seen],
        subjects: Sequence[str] | None = None,
    ) -> dict[str, list[Seen]]:
        """Measure each subject once in every repeat, so that all meet the machine's moods alike."""
        seen: dict[str, list[Seen]] = {}
        for n in range(self._bench.repeats):
            for subject in subjects or self.subjects:
                self._bench.tell(f"{what}, {subject}, {n + 1} of {self._bench.repeats}")
                seen.setdefault(subject, []).append(measure(subject))
        return seen

    def run(self, subject: str, load: Load) -> Seen:
        """Put a load on a subject's server, in threads of their own."""
        self._loads += 1
        order = _ours(load, f"r{self._loads}t") if subject in OURS else _theirs(subject, load)
        tokens = load.threads * load.tokens
        server = self.servers[subject]
        return watch(server, order, tokens=tokens, deliveries=tokens * load.viewers)

    def __enter__(self) -> LineUp:
        with ExitStack() as stack:
            for subject in self.subjects:
                self.servers[subject] = stack.enter_context(_start(self._bench, subject))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()


def _start(bench: Bench, subject: str) -> Server:
    if subject not in OURS:
        return baseline(_MODULES[subject][0])
    durability = "relaxed" if subject == RELAXED else "full"
    return holdfast(bench.scratch(), "--durability", durability)


def _ours(load: Load, prefix: str) -> dict[str, Any]:
    names = [f"{prefix}{n}" for n in range(load.threads)]
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

"""Coverage: which operations were under way together, because a generator has blind spots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING, Final

from attrs import frozen

from .facts import Fault
from .operations import Cancel, Finalise, Operation, Submit, Target, Truncate

if TYPE_CHECKING:
    from .history import History

# What is counted beside the operations: handlers and services at work, and a process that is
# coming back.
TURN: Final = "turn"
SERVICE: Final = "service"
NAMES: Final = (
    "submit reject",
    "submit queue",
    "submit interrupt",
    "submit rollback",
    "cancel running",
    "cancel turn",
    "attach",
    "detach",
    "end",
    "truncate",
    "record",
    "fork",
    "cast",
    "delete",
    "compact",
    "crash",
    "restart",
    "journal failure",
    "actor bug",
    "damage",
    TURN,
    SERVICE,
)

# What a fault counts as, and what ends it; the bug of an actor takes no time.
_FAULTS: Final = {
    Fault.JOURNAL: ("journal failure", Fault.REOPENED),
    Fault.ACTOR: ("actor bug", None),
    Fault.DAMAGE: ("damage", Fault.MENDED),
}


@frozen
class Span:
    """Something under way from one record to another; `thread` is None where all are concerned."""

    name: str
    thread: str | None
    start: int
    stop: int

    def meets(self, other: Span) -> bool:
        """Say whether both were under way at once, on one thread."""
        apart = self.stop <= other.start or other.stop <= self.start
        return not apart and (None in (self.thread, other.thread) or self.thread == other.thread)


class Overlaps:
    """Counts, over many runs, in how many of them two operations overlapped."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()

    def add(self, history: History) -> None:
        """Count one run."""
        self.counts.update(overlaps(history))

    @property
    def missing(self) -> list[tuple[str, str]]:
        """The pairs that never overlapped."""
        pairs = [(a, b) for n, a in enumerate(NAMES) for b in NAMES[n:]]
        return [pair for pair in pairs if not self.counts[pair]]

    def matrix(self) -> str:
        """Return the counts as a table; each pair stands once."""
        head = f"{'':17}" + "".join(f"{n:>7}" for n in range(1, len(NAMES) + 1))
        return "\n".join([head, *(self._row(n, name) for n, name in enumerate(NAMES))])

    def _row(self, number: int, name: str) -> str:
        cells = (self.counts[other, name] for other in NAMES[: number + 1])
        return f"{number + 1:2} {name:<16}" + "".join(f"{cell:>7}" for cell in cells)


def overlaps(history: History) -> set[tuple[str, str]]:
    """Return the pairs that overlapped in a run, each in the order of `NAMES`."""
    met = (pair for pair in combinations(spans(history), 2) if pair[0].meets(pair[1]))
    return {_ordered(first.name, second.name) for first, second in met}


def spans(history: History) -> Iterator[Span]:
    """Yield everything that took its time in a run."""
    end = len(history.records)
    for call in history.calls.values():
        stop = end if call.over is None else call.over
        yield Span(_name_of(call.operation), call.thread, call.called, stop)
    for run in history.runs.values():
        stop = run.exited if run.exited is not None else _end_of(history, run.life)
        yield Span(TURN, run.thread, run.entered, stop)
    for service in history.services.values():
        stop = service.exited if service.exited is not None else _end_of(history, service.life)
        yield Span(SERVICE, service.thread, service.entered, stop)
    for life in history.lives.values():
        following = history.lives.get(life.number + 1)
        back = end if following is None or following.opened is None else following.opened
        if life.killed is not None:
            yield Span("crash", None, life.killed - 1, back)
        elif life.closing is not None and following is not None:
            yield Span("restart", None, life.closing, back)
    yield from _faults(history)


def _name_of(operation: Operation) -> str:
    """Return the word under which an operation counts."""
    match operation:
        case Submit(first=Truncate()):
            return "truncate"
        case Finalise():
            return "submit queue"
        case Submit(on_busy=on_busy):
            return f"submit {on_busy}"
        case Cancel(target=Target.RUNNING):
            return "cancel running"
        case Cancel():
            return "cancel turn"
        case _:
            return type(operation).__name__.lower()


def _faults(history: History) -> Iterator[Span]:
    end = len(history.records)
    for blow in history.struck:
        name, healing = _FAULTS.get(blow.fault, ("", None))
        if name:
            healed = (
                each.index
                for each in history.struck
                if each.index > blow.index and (each.fault, each.thread) == (healing, blow.thread)
            )
            stop = end if healing is not None else blow.index + 1
            yield Span(name, blow.thread, blow.index - 1, next(healed, stop))


def _end_of(history: History, life: int) -> int:
    killed = history.lives[life].killed
    return len(history.records) if killed is None else killed


def _ordered(first: str, second: str) -> tuple[str, str]:
    if NAMES.index(first) > NAMES.index(second):
        return second, first
    return first, second

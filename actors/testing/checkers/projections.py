"""I15, of records: a projection is the fold of the records on disk, and of no others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from ...core.folds import Fact, Projection
from ...delivery.batches import Snapshot
from ..facts import Saw
from ..service_facts import Counted, Noted
from .broken import Broken

if TYPE_CHECKING:
    from ...core.position import Position
    from ..history import History, Logged


def projections_are_folds(history: History) -> Iterator[Broken]:
    """Find snapshots whose attributes are not what the records up to them come to.

    What a service is told holds what it recorded itself, and nothing that is not on disk.
    """
    known: dict[tuple[int, str, int], int] = {}  # by service: the offset of its newest record
    for index, record in history.of(Saw, Noted, Counted):
        match record.fact:
            case Saw(batch=Snapshot() as snapshot):
                yield from _shown(history, snapshot, index)
            case Noted(thread=thread, run=run, position=position):
                known[record.life, thread, run] = position.offset
                yield from _noted(history, thread, position, index)
            case Counted() as counted:
                least = known.get((record.life, counted.thread, counted.run), 0)
                yield from _counted(history, counted, least, index)
            case _:
                pass


def _shown(history: History, snapshot: Snapshot, index: int) -> Iterator[Broken]:
    log = history.epoch_log(snapshot.thread, snapshot.position)
    for name, projection in _projections(history, snapshot.thread).items():
        *_, (_, due) = _states(projection, log)
        shown = snapshot.attributes.get(name)
        if projection.public and shown != due:
            what = f"{name} of {snapshot.thread} at {snapshot.position.cursor()}"
            yield Broken("I15", f"{what} is {due!r}, and is shown as {shown!r}", index)


def _noted(history: History, thread: str, position: Position, index: int) -> Iterator[Broken]:
    event = history.at.get((thread, position.epoch, position.offset))
    if event is None or event.type != "record" or event.index > index:
        message = f"a service was told of a record at {position.cursor()}, which is not on disk"
        yield Broken("I4", message, index)


def _counted(history: History, counted: Counted, least: int, index: int) -> Iterator[Broken]:
    epoch = history.head(counted.thread, index).epoch
    log = [e for e in history.logs[counted.thread] if e.epoch == epoch and e.index < index]
    for name, projection in _projections(history, counted.thread).items():
        states = [state for offset, state in _states(projection, log) if offset >= least]
        if counted.states[name] not in states:
            told = f"service {counted.run} of {counted.thread} is told that {name} is"
            yield Broken("I15", f"{told} {counted.states[name]!r}, which it is not", index)


def _projections(history: History, thread: str) -> Mapping[str, Projection]:
    return history.kinds[thread].projections if thread in history.kinds else {}


def _states(projection: Projection, log: list[Logged]) -> Iterator[tuple[int, Any]]:
    """Yield each state of a projection as JSON has it, with the offset of its newest record."""
    state = projection.initial
    yield 0, _as_json(state)
    for event in log:
        if event.type == "record":
            fact = Fact(*(event.raw[field] for field in ("item", "kind", "data", "at")))
            state = _folded(projection, state, fact)
            yield event.row.to, _as_json(state)


def _folded(projection: Projection, state: Any, fact: Fact) -> Any:
    try:
        return projection.fold(state, fact)
    except Exception:  # the application's own: what it cannot take leaves the state as it was
        return state


def _as_json(state: Any) -> Any:
    return orjson.loads(orjson.dumps(state))

"""Projections of an application's own: keyed state that is folded from a thread's records.

Records are what a thread's log never takes back: no truncation, rollback or compaction touches
them. So a fold over them has one value at each position, however it came about: kept current as
records come, gone on with from a kept one, or folded anew from the first (docs/adr/0017).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

import orjson
from attrs import field, frozen

from .arguments import shown
from .fields import is_function, is_one_of
from .head import Kept

log = logging.getLogger("holdfast")


@frozen
class Fact:
    """A record, as a fold sees it.

    Args:
        item: its id in the history.
        kind: the application's own word.
        data: the fact itself, as JSON.
        at: when it was recorded, Unix seconds.
    """

    item: str
    kind: str
    data: Any
    at: float


@frozen
class Projection:
    """Keyed state that follows from a thread's records.

    Args:
        initial: the state before the first record, as JSON.
        fold: returns the state after one more record, as JSON. It is pure: it changes neither its
            arguments nor anything else. Where it raises, the state stays as it was.
        public: whether it is among the `attributes` of the thread's snapshots.
        version: to be raised whenever `fold` or `initial` change their meaning, so that threads
            are folded anew.
    """

    initial: Any
    fold: Callable[[Any, Fact], Any] = field(validator=is_function)
    public: bool = field(default=False, kw_only=True, validator=is_one_of(bool))
    version: int = field(default=1, kw_only=True, validator=is_one_of(int))


Projections: TypeAlias = Mapping[str, Projection]
NO_PROJECTIONS: Final[Projections] = {}


def check_projections(projections: Projections) -> None:
    """Refuse, as a programming error, what can be no projections.

    Raises:
        TypeError: naming the one that is none.
    """
    if not isinstance(projections, Mapping):
        raise TypeError(f"projections takes names with a Projection each, not {shown(projections)}")
    for name, each in projections.items():
        if not isinstance(name, str) or not isinstance(each, Projection):
            raise TypeError(f"projections: {shown(name)} takes a Projection, not {shown(each)}")


@frozen
class Folded:
    """What the projections of a thread come to.

    Args:
        offset: of the last record in it; 0 before the first.
        states: each projection's state. Never changed: the next one is another object.
    """

    offset: int
    states: Mapping[str, Any]

    def copy_of(self, name: str) -> Any:
        """Return one projection's state, which the caller may change at will.

        Raises:
            ValueError: where the thread's kind has no such projection.
        """
        if not isinstance(name, str) or name not in self.states:
            known = ", ".join(sorted(self.states)) or "none"
            raise ValueError(f"no projection {shown(name)} here; there are: {known}")
        return orjson.loads(orjson.dumps(self.states[name]))


NOTHING_FOLDED: Final = Folded(0, {})


def begin(projections: Projections) -> Folded:
    """Return what the projections of a thread without records come to."""
    return Folded(0, {name: each.initial for name, each in projections.items()})


def fold_in(projections: Projections, folded: Folded, facts: Iterable[tuple[int, Fact]]) -> Folded:
    """Return what the projections come to after some more records.

    Args:
        facts: the records in the log's order, each with its offset.
    """
    states, offset = dict(folded.states), folded.offset
    for at_offset, fact in facts:
        offset = at_offset
        for name, projection in projections.items():
            states[name] = _next(name, projection, states[name], fact)
    return Folded(offset, states)


def _next(name: str, projection: Projection, state: Any, fact: Fact) -> Any:
    try:
        return projection.fold(state, fact)
    except Exception:  # the application's own: a record that it cannot take must not stop a thread
        log.exception("projection %s passed over record %s", name, fact.item)
        return state


def keep(projections: Projections, folded: Folded, limit_bytes: int) -> Kept | None:
    """Return it as it is kept beside the log; None where it is too large or has no JSON form."""
    states = {n: [each.version, folded.states[n]] for n, each in projections.items()}
    try:
        body = orjson.dumps(states)
    except TypeError:
        log.exception("projections %s cannot be kept", ", ".join(sorted(states)))
        return None
    return Kept(folded.offset, body) if len(body) <= limit_bytes else None


def from_kept(projections: Projections, kept: Kept | None) -> Folded:
    """Go on from what was kept, or begin anew where that is of other projections or versions."""
    if kept is None:
        return begin(projections)
    states = orjson.loads(kept.body)
    versions = {name: version for name, (version, _) in states.items()}
    if versions != {name: each.version for name, each in projections.items()}:
        return begin(projections)
    return Folded(kept.offset, {name: state for name, (_, state) in states.items()})


def attributes(projections: Projections, folded: Folded, limit_bytes: int) -> Mapping[str, Any]:
    """Return the states of the public projections, which the caller may change at will.

    Args:
        limit_bytes: of each as JSON; a larger one is left out.
    """
    shown: dict[str, Any] = {}
    for name in (n for n, each in projections.items() if each.public and n in folded.states):
        body = orjson.dumps(folded.states[name])
        if len(body) <= limit_bytes:
            shown[name] = orjson.loads(body)
        else:
            log.warning("projection %s has %d bytes: no snapshot shows it", name, len(body))
    return shown

"""Scenarios: what several clients do, in phases with quiescence between them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Final, TypeAlias

from attrs import frozen
from hypothesis import strategies as st

from ..core.commands import OnBusy
from .operations import (
    Attach,
    Cancel,
    Crash,
    Cursor,
    Delete,
    Detach,
    End,
    Operation,
    Restart,
    Submit,
    Target,
    Truncate,
)
from .script import scripts


@frozen
class Step:
    """One client's operation on one thread. Steps of one client follow each other."""

    client: int
    thread: str
    operation: Operation

    def __str__(self) -> str:
        return f"client {self.client}, thread {self.thread}: {self.operation}"


Operations: TypeAlias = st.SearchStrategy[Operation]

THREADS: Final = ("a", "b")
CLIENTS: Final = 3


@frozen
class Scenario:
    """What happens.

    Args:
        phases: steps that may overlap within a phase and never across: the next begins when
            everything is at rest.
    """

    phases: tuple[tuple[Step, ...], ...]


def submit(*texts: str, policies: Sequence[OnBusy] = tuple(OnBusy)) -> Operations:
    """Draw submits: with and without a key, the same two keys again and again.

    Args:
        texts: what may be said; without any, what the `scripted` handler understands.
        policies: what to do where a turn runs.
    """
    said = texts or tuple(map(str, scripts()))
    choices = product(policies, (None, None, "k1", "k2"), said)
    return st.sampled_from([Submit(text, key, policy) for policy, key, text in choices])


def cancel() -> Operations:
    """Draw cancels: of whatever runs, of the newest turn, of an earlier one, of none."""
    targets = (Target.NEWEST, *Target)
    return st.sampled_from([Cancel(target, back) for back in (False, True) for target in targets])


def attach() -> Operations:
    """Draw attachments: with no cursor, the newest, an old one, and ones that are no good."""
    cursors = (Cursor.NONE, Cursor.HELD, Cursor.HELD, Cursor.HELD, *Cursor)
    return st.sampled_from([Attach(cursor) for cursor in cursors])


def detach() -> Operations:
    """Draw detachments."""
    return st.just(Detach())


def end() -> Operations:
    """Draw ends of a thread's activation."""
    return st.just(End())


def delete() -> Operations:
    """Draw deletions."""
    return st.just(Delete())


def truncate() -> Operations:
    """Draw truncations."""
    return st.sampled_from([Truncate(clear) for clear in (True, False)])


def crash() -> Operations:
    """Draw crashes of the whole process, each with the restart that follows."""
    return st.just(Crash())


def restart() -> Operations:
    """Draw ordered restarts: drain, close, open."""
    return st.just(Restart())


def everything() -> tuple[Operations, ...]:
    """Return a strategy for each sort of operation, the frequent ones more than once."""
    talking = (submit(), submit(), submit(), submit(), cancel(), cancel(), attach(), attach())
    return (*talking, detach(), end(), crash(), restart(), truncate(), delete())


def scenarios(
    *operations: Operations,
    threads: Sequence[str] = THREADS,
    clients: int = CLIENTS,
    phases: int = 3,
    steps: int = 5,
) -> st.SearchStrategy[Scenario]:
    """Draw scenarios.

    Args:
        operations: what may happen, such as `submit()` and `cancel()`; without any, everything.
        threads: the threads to do it to; the first one is the most likely.
        clients: how many there are at most.
        phases: at most.
        steps: in one phase, at most.
    """
    # Few choices, each of much: every one of them costs time.
    who = st.sampled_from([(c, t) for t in (*threads[:1], *threads) for c in range(clients)])
    step = st.builds(_step, who, st.one_of(*(operations or everything())))
    phase = st.lists(step, min_size=1, max_size=steps).map(tuple)
    return st.lists(phase, min_size=1, max_size=phases).map(_scenario)


def _step(who: tuple[int, str], operation: Operation) -> Step:
    return Step(*who, operation)


def _scenario(phases: list[tuple[Step, ...]]) -> Scenario:
    return Scenario(tuple(phases))

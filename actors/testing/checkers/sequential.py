"""A thread as a sequential thing: what it would answer if commands came one at a time."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from ...core.commands import FINALISING, OnBusy
from ..history import ENDINGS
from ..operations import Finalise, Submit
from .keyed import Body, Given, author_and_key, key_of, told_of

if TYPE_CHECKING:
    from ..history import Call, Logged


# Of a thread where no key is bound.
_NO_KEYS: Final[Mapping[tuple[str, str | None], tuple[Body, Given]]] = MappingProxyType({})


class Sequential(NamedTuple):
    """A thread between two of its events.

    Args:
        there: whether it exists; `open` whether its activation was not closed since.
        live: the turn that runs.
        queue: the turns that wait; `successor` the first of them, where it supersedes the live one.
        settled: the turns that ended and are in its history.
        rolled_back: the turns that ended and left it.
        finalised: whether it was handed to its finaliser.
        keys: by principal and idempotency key, what they bound, and what the receipt names.
    """

    there: bool = False
    open: bool = False
    live: str | None = None
    queue: tuple[str, ...] = ()
    successor: str | None = None
    settled: tuple[str, ...] = ()
    rolled_back: frozenset[str] = frozenset()
    finalised: bool = False
    keys: Mapping[tuple[str, str | None], tuple[Body, Given]] = _NO_KEYS

    def has_room(self, asked: Submit | Finalise, most: int) -> bool:
        """Say whether a submit would be accepted, its key apart, where `most` turns may wait.

        What supersedes the live turn takes the place of what was to do so before it.
        """
        if isinstance(asked, Finalise):
            return self.live is None or len(self.queue) < most
        if asked.first is not None:
            return not self.busy
        if self.live is None:
            return True
        replaces = asked.on_busy in (OnBusy.INTERRUPT, OnBusy.ROLLBACK)
        stays = [turn for turn in self.queue if not (replaces and turn == self.successor)]
        return asked.on_busy is not OnBusy.REJECT and len(stays) < most

    def bound(self, call: Call) -> tuple[Body, Given] | None:
        """Return what the call's key is bound to, and what the receipt names, if it is."""
        key = key_of(call)
        return None if key is None else self.keys.get((call.principal, key))

    @property
    def busy(self) -> bool:
        """Whether a turn runs or waits."""
        return self.live is not None or bool(self.queue)

    def after(self, event: Logged) -> Sequential:
        """Return the thread behind one more event."""
        told = told_of(event)
        before = self
        if told is not None and event.raw.get("key") is not None:
            before = self._replace(keys={**self.keys, author_and_key(event): told})
        return before._after(event)

    def _after(self, event: Logged) -> Sequential:
        raw, turn = event.raw, event.raw.get("turn", "")
        match event.type:
            case "thread.created" | "record":
                return self._replace(there=True, open=True)
            case "turn.submitted":
                first = bool(raw.get("supersedes"))
                queue = (turn, *self.queue) if first else (*self.queue, turn)
                successor = turn if first else self.successor
                finalised = self.finalised or turn == FINALISING
                return self._replace(
                    open=True, queue=queue, successor=successor, finalised=finalised
                )
            case "turn.started":
                return self._replace(live=turn, queue=self._without(turn))
            case "thread.truncated" if not event.copied:  # of a copy, it ends the telling
                owner = (raw["after"] or "").rpartition(".")[0]
                kept = self.settled.index(owner) + 1 if owner in self.settled else 0
                # That a thread was finalised stays known.
                left = [turn for turn in self.settled[kept:] if turn == FINALISING]
                return self._replace(settled=(*self.settled[:kept], *left))
            case "thread.ended":
                return self._replace(open=False)
            case "thread.deleted":
                return Sequential()
            case ending if ending in ENDINGS:
                return self._ended(turn, rolled_back=bool(raw.get("rolled_back")))
            case _:
                return self

    def _ended(self, turn: str, *, rolled_back: bool) -> Sequential:
        live = None if turn == self.live else self.live
        left = self._replace(live=live, queue=self._without(turn))
        if rolled_back:
            return left._replace(rolled_back=self.rolled_back | {turn})
        return left._replace(settled=(*self.settled, turn))

    def _without(self, turn: str) -> tuple[str, ...]:
        return tuple(waiting for waiting in self.queue if waiting != turn)

"""A thread as a sequential thing: what it would answer if commands came one at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from ...core.commands import OnBusy
from ..history import ENDINGS

if TYPE_CHECKING:
    from ..history import Logged
    from ..operations import Submit


@frozen
class Sequential:
    """A thread between two of its events.

    Args:
        there: whether it exists; `open` whether its activation was not closed since.
        live: the turn that runs.
        queue: the turns that wait.
        settled: the turns that ended and are in its history.
        rolled_back: the turns that ended and left it.
        keys: by principal and idempotency key, the text that they bound and the turn.
    """

    there: bool = False
    open: bool = False
    live: str | None = None
    queue: tuple[str, ...] = ()
    settled: tuple[str, ...] = ()
    rolled_back: frozenset[str] = frozenset()
    keys: Mapping[tuple[str, str], tuple[str, str]] = field(factory=dict)

    def accepts(self, asked: Submit, principal: str, most: int) -> bool:
        """Say whether a principal's submit would be accepted, where `most` turns may wait."""
        free = self.live is None or (asked.on_busy is not OnBusy.REJECT and len(self.queue) < most)
        return free and self.bound(asked, principal) is None

    def bound(self, asked: Submit, principal: str) -> tuple[str, str] | None:
        """Return the text that the submit's key is bound to, and the turn, if it is."""
        return None if asked.key is None else self.keys.get((principal, asked.key))

    def after(self, event: Logged) -> Sequential:
        """Return the thread behind one more event."""
        raw, turn = event.raw, event.raw.get("turn", "")
        match event.type:
            case "thread.created" | "record":
                return evolve(self, there=True, open=True)
            case "turn.submitted":
                first = bool(raw.get("supersedes"))
                queue = (turn, *self.queue) if first else (*self.queue, turn)
                return evolve(self, open=True, queue=queue, keys=self._binding(raw, turn))
            case "turn.started":
                return evolve(self, live=turn, queue=self._without(turn))
            case "thread.truncated":
                owner = (raw["after"] or "").rpartition(".")[0]
                kept = self.settled.index(owner) + 1 if owner in self.settled else 0
                return evolve(self, settled=self.settled[:kept])
            case "thread.ended":
                return evolve(self, open=False)
            case "thread.deleted":
                return Sequential()
            case ending if ending in ENDINGS:
                return self._ended(turn, rolled_back=bool(raw.get("rolled_back")))
            case _:
                return self

    def _binding(self, raw: dict[str, Any], turn: str) -> Mapping[tuple[str, str], tuple[str, str]]:
        if "key" not in raw:
            return self.keys
        return {**self.keys, (raw["author"], raw["key"]): (raw["content"], turn)}

    def _ended(self, turn: str, *, rolled_back: bool) -> Sequential:
        live = None if turn == self.live else self.live
        left = evolve(self, live=live, queue=self._without(turn))
        if rolled_back:
            return evolve(left, rolled_back=self.rolled_back | {turn})
        return evolve(left, settled=(*self.settled, turn))

    def _without(self, turn: str) -> tuple[str, ...]:
        return tuple(waiting for waiting in self.queue if waiting != turn)

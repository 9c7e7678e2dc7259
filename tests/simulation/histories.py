"""Histories written by hand, to show a checker what it is there to find."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from actors.core.effects import Submitted
from actors.core.event_codec import Row
from actors.core.position import Position
from actors.core.resume import Mode
from actors.delivery.batches import CaughtUp, Snapshot
from actors.testing.checkers import CHECKERS
from actors.testing.facts import (
    Answer,
    Answered,
    Attached,
    Called,
    Claimed,
    Copied,
    Entered,
    Exited,
    Fact,
    KindGiven,
    Opened,
    Opening,
    Saw,
    Stored,
)
from actors.testing.history import History
from actors.testing.operations import NOTE, Attach, Operation, Submit
from actors.testing.recorder import Record
from actors.testing.schedule import TICK
from actors.testing.world import SIMULATION_LIMITS

if TYPE_CHECKING:
    from actors.testing.wire_facts import WireFact


def submitted(turn: str, text: str = "1 stop", key: str | None = None) -> dict[str, Any]:
    """Return the event of an accepted message."""
    more = {} if key is None else {"key": key}
    body = {"item": f"{turn}.0", "content": text, "author": "local"}
    return {"type": "turn.submitted", "turn": turn, **body, **more}


def recorded(item: str, data: int = 1, key: str | None = None) -> dict[str, Any]:
    """Return the event of a record that a client made."""
    more = {} if key is None else {"key": key}
    return {"type": "record", "item": f"{item}.0", "kind": NOTE, "data": data, **more}


def started(turn: str, attempt: int = 1) -> dict[str, Any]:
    """Return the event of a turn's start."""
    return {"type": "turn.started", "turn": turn, "attempt": attempt}


def delta(turn: str, text: str) -> dict[str, Any]:
    """Return a piece of its answer."""
    return {"type": "turn.delta", "turn": turn, "item": f"{turn}.1", "text": text}


def ended(turn: str, state: str = "completed", **more: Any) -> dict[str, Any]:
    """Return its terminal event."""
    return {"type": f"turn.{state}", "turn": turn, **more}


class Told:
    """A history in the making: threads a and b, told fact by fact, a tick apart.

    Args:
        retry: what the kinds of the threads say.
    """

    def __init__(self, *, retry: bool = False) -> None:
        self.records: list[Record] = []
        self.life = 0
        self._calls = 0
        self._heads: dict[str, Position] = {}
        self.opened()
        for thread in "ab":
            self.note(KindGiven(thread, retry, SIMULATION_LIMITS.cancel_grace_seconds))

    def note(self, *facts: Fact | WireFact, after: int = 1) -> None:
        """Add facts, the first one so many ticks after the last."""
        for fact in facts:
            at = (self.records[-1].at if self.records else 0.0) + after * TICK
            self.records.append(Record(at, self.life, fact))

    def opened(self, *, serving: bool = True) -> None:
        """Begin another life of the process, which comes to serve or does not."""
        self.life += 1
        self.note(Opening(SIMULATION_LIMITS))
        if serving:
            self.note(Opened())

    def call(
        self,
        operation: Operation,
        answer: Answer | None = None,
        *,
        thread: str = "a",
        client: int = 0,
        argument: str | None = None,
    ) -> int:
        """Make a call, and have it answered at once where an answer is given."""
        self._calls += 1
        self.note(Called(self._calls, client, thread, operation, argument))
        if answer is not None:
            self.note(Answered(self._calls, answer))
        return self._calls

    def claim(self, generation: int, thread: str = "a") -> None:
        """Have an activation become the thread's writer."""
        self.note(Claimed(thread, generation))

    def store(
        self, *events: dict[str, Any], thread: str = "a", generation: int = 1, after: int = 1
    ) -> Position:
        """Put events on disk, behind what is there and so many ticks later; return the head."""
        head = self._heads.get(thread, Position(1, 0))
        rows = []
        for offset, event in enumerate(events, head.offset + 1):
            raw = {"offset": offset, "at": self.records[-1].at, **event}
            rows.append(Row(offset, offset, orjson.dumps(raw)))
        self.note(Stored(thread, generation, head.epoch, tuple(rows)), after=after)
        gone = events[-1]["type"] == "thread.deleted"
        behind = Position(head.epoch, head.offset + len(events))
        self._heads[thread] = Position(head.epoch + 1, 0) if gone else behind
        return self._heads[thread]

    def store_at(self, head: Position, *events: dict[str, Any], thread: str = "a") -> None:
        """Put events behind another place than where the thread stands."""
        self._heads[thread] = head
        self.store(*events, thread=thread)

    def fork(
        self,
        *events: dict[str, Any],
        to: str = "c",
        after: str | None = None,
        key: str | None = None,
    ) -> Position:
        """Have thread a copied, as these events, and return the head of the copy."""
        truncated = {"type": "thread.truncated", "after": after, "items": 0}
        made = self.store(*events, truncated, thread=to, generation=0)
        author = None if key is None else "local"
        self.note(Copied("a", 1, self.head().epoch, to, made, after, key, author))
        return made

    def enter(self, turn: str, thread: str = "a", attempt: int = 1) -> None:
        """Have a turn's handler run."""
        self.note(Entered(thread, turn, attempt))

    def exit(self, turn: str, error: str | None = None, thread: str = "a") -> None:
        """Have it come to its end."""
        self.note(Exited(thread, turn, 1, error))

    def turn(self, turn: str, thread: str = "a") -> None:
        """Tell a whole turn that completes, its submit included."""
        head = self._heads.get(thread, Position(1, 0))
        call = self.call(Submit("1 stop"), thread=thread)
        self.store(submitted(turn), started(turn), thread=thread)
        receipt = Submitted(turn, Position(head.epoch, head.offset + 1))
        self.note(Answered(call, receipt))
        self.enter(turn, thread)
        self.exit(turn, thread=thread)
        self.store(ended(turn), thread=thread)

    def attach(self, thread: str = "a") -> int:
        """Attach a subscriber to a thread that is empty."""
        position = self._heads.get(thread, Position(1, 0))
        call = self.call(Attach(), Attached(Mode.SNAPSHOT, None, position), thread=thread)
        self.note(Saw(call, Snapshot(thread=thread, position=position)))
        self.note(Saw(call, CaughtUp(thread, position)))
        return call

    def head(self, thread: str = "a") -> Position:
        """Return where a thread stands."""
        return self._heads.get(thread, Position(1, 0))

    def history(self) -> History:
        """Return it, put in order."""
        return History(self.records)

    def broken(self, invariant: str) -> list[str]:
        """Return what the checkers find of one invariant."""
        found = CHECKERS[invariant](self.history())
        return [each.message for each in found if each.invariant == invariant.partition(",")[0]]

"""Tells a thread's stream as it comes in: batches become pieces of text to print. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

from attrs import define, field

from actors import (
    Batch,
    CaughtUp,
    Content,
    Detached,
    Entry,
    Events,
    Item,
    Position,
    Presence,
    Recorded,
    Snapshot,
    ThreadTruncated,
    TurnDelta,
    TurnEnded,
    TurnItem,
    TurnStarted,
    TurnState,
    TurnSubmitted,
)

from .transcript import Said, Style, aside, marker, message, safe, transcript

_Tale: TypeAlias = Iterator[Said]

_BLANK: Final = Said("", Style.ANSWER)


@define
class Narrator:
    """What a viewer of one thread was told, as far as the rest of the tale depends on it.

    Attributes:
        live: the turn that runs, as far as was told.
        position: the place up to which was told; None at first.
        unhappy: how many turns submitted under `own_keys` ended as anything but completed.
    """

    live: str | None = None
    position: Position | None = None
    unhappy: int = 0
    _own_keys: set[str] = field(factory=set, init=False)
    _own_turns: set[str] = field(factory=set, init=False)
    _queue: dict[str, Content] = field(factory=dict, init=False)
    _item: str | None = field(default=None, init=False)
    _empty: bool = field(default=True, init=False)

    def expect(self, key: str) -> None:
        """Note a key that this viewer submits under."""
        self._own_keys.add(key)

    def forget(self, key: str) -> None:
        """Note that the submit under a key was refused."""
        self._own_keys.discard(key)

    def is_over(self, turn: str, submitted: Position) -> bool:
        """Say whether a turn has ended, as far as was told.

        Args:
            turn: its id.
            submitted: where its submit stands.
        """
        if self.position is None or self.position < submitted:
            return False
        return turn != self.live and turn not in self._queue

    def tell(self, batch: Batch) -> list[Said]:
        """Return what a batch adds to the tale."""
        first, self.position = self.position is None, batch.position
        match batch:
            case Snapshot():
                said = list(self._show(batch, first))
            case Events():
                said = [piece for entry in batch.entries for piece in self._happened(entry)]
            case Detached(reason="deleted"):
                self.live, self._queue = None, {}
                said = [_note("the thread was deleted")]
            case Detached() | CaughtUp() | Presence():
                said = []
        return said

    # A snapshot replaces everything that was told.

    def _show(self, snapshot: Snapshot, first: bool) -> _Tale:
        if not first:
            yield _BLANK
            yield _note("the thread as it is now")
        if snapshot.before is not None:
            yield _note("older messages are left out; holdfast show has them")
        live = snapshot.turn
        shown = (*snapshot.items, *(live.items if live is not None else ()))
        self._empty = not shown
        yield from transcript(shown)
        self.live = live.turn if live is not None else None
        self._item = shown[-1].item if shown else None
        self._queue = {}
        for queued in snapshot.queue:
            yield from self._submitted(queued.turn, _content(queued.items))

    # Events.

    def _happened(self, entry: Entry) -> _Tale:
        event = entry.event
        match event:
            case TurnSubmitted(turn=turn, content=content, key=key):
                if key in self._own_keys:
                    self._own_keys.discard(key)
                    self._own_turns.add(turn)
                yield from self._submitted(turn, content)
            case TurnStarted(turn=turn, attempt=attempt):
                yield from self._started(turn, attempt)
            case TurnDelta():
                yield self._delta(event)
            case TurnItem(kind=kind, data=data):
                yield aside(kind, data if kind in ("tool_call", "tool_result") else {"data": data})
            case TurnEnded():
                yield from self._ended(event)
            case Recorded(kind=kind, data=data):
                yield aside("record", {"record": kind, "data": data})
            case ThreadTruncated():
                yield _note("the history was cut; holdfast show has what is left")
            case _:
                pass

    def _submitted(self, turn: str, content: Content) -> _Tale:
        self._queue[turn] = content
        if self.live is not None:
            waiting = message(content, "waits")
            yield Said(waiting.text, Style.STATUS)
            self._item = None  # what runs goes on in a line of its own

    def _started(self, turn: str, attempt: int) -> _Tale:
        self.live = turn
        if attempt > 1:
            yield _note("answering again after a restart")
        else:
            yield from self._message(turn)

    def _message(self, turn: str) -> _Tale:
        content = self._queue.pop(turn, None)
        if content is None:
            return
        if not self._empty:
            yield _BLANK
        self._empty = False
        yield message(content)

    def _delta(self, event: TurnDelta) -> Said:
        fresh, self._item = event.item != self._item, event.item
        style = Style.ASIDE if event.channel == "reasoning" else Style.ANSWER
        return Said(safe(event.text), style, fresh)

    def _ended(self, event: TurnEnded) -> _Tale:
        if event.turn == self.live:
            self.live = None
        yield from self._message(event.turn)  # where it never started
        if event.item is not None:
            yield marker(str(event.state), event.message)
        if event.rolled_back:
            yield _note("taken back")
        if event.turn in self._own_turns:
            self._own_turns.discard(event.turn)
            self.unhappy += event.state is not TurnState.COMPLETED


def _note(text: str) -> Said:
    return Said(f"  [{text}]", Style.STATUS)


def _content(items: Iterable[Item]) -> Content:
    first: Any = next(iter(items)).body["content"]
    content: Content = first
    return content

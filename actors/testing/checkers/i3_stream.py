"""I3: a subscriber sees a contiguous run of offsets, or is shown the thread anew; never a gap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ...core.position import Position
from ...core.resume import Mode
from ...delivery.batches import CaughtUp, Detached, Events, Presence, Snapshot
from ..disk_facts import Compacted
from ..facts import AtRest, Attached, Rested
from ..operations import Compact
from .broken import Broken
from .model import Shown, message_text, model_of
from .on_disk import is_on_disk

if TYPE_CHECKING:
    from ...core.items import Item
    from ...delivery.batches import Batch
    from ..history import Call, History, Logged

# What detaches those who are attached, by the reason that they are told.
_ENDS: Final = {"ended": "thread.ended", "deleted": "thread.deleted"}


def contiguous_streams(history: History) -> Iterator[Broken]:
    """Find gaps, repeats, foreign events, wrong snapshots, and what never came."""
    for log in history.logs.values():
        yield from _gaps_on_disk(log)
    yield from _compacted(history)
    for call in history.calls.values():
        if isinstance(call.answer, Attached):
            yield from _Stream(history, call, call.answer).check()


def _gaps_on_disk(log: list[Logged]) -> Iterator[Broken]:
    head = Position(1, 0)
    for event in log:
        if (event.epoch, event.row.offset) != (head.epoch, head.offset + 1):
            yield Broken("I3", f"offset {event.row.offset} follows {head.offset}", event.index)
        deleted = event.type == "thread.deleted"
        head = Position(event.epoch + 1, 0) if deleted else event.position


def _compacted(history: History) -> Iterator[Broken]:
    for index, record in history.of(Compacted):
        if isinstance(record.fact, Compacted):
            place = record.fact.thread, record.fact.epoch
            for row in record.fact.rows:
                if not is_on_disk(history, *place, row):
                    message = f"compaction left offset {row.offset} of {place[0]} as it never was"
                    yield Broken("I3", message, index)


class _Stream:
    """What came to one attachment, held against what is on disk."""

    def __init__(self, history: History, call: Call, attached: Attached) -> None:
        self._history = history
        self._call = call
        self._attached = attached
        self._at = attached.position
        self._index = call.over or 0
        self._caught_up = 0
        self._over = False
        self._end = self._first_end()

    def check(self) -> Iterator[Broken]:
        """Find what is wrong with it."""
        resumed = self._attached.mode is Mode.RESUME
        if resumed and self._at.cursor() != self._call.argument:
            yield self._broken(f"resumed at {self._at.cursor()}, not at {self._call.argument}")
        rests = self._rests()
        for number, (index, saw) in enumerate(self._history.seen[self._call.number]):
            yield from self._missed([rest for rest in rests if self._index < rest < index])
            self._index = index
            batch = saw.batch
            if self._over:
                yield self._broken("something came after the detachment")
            if batch.thread != self._call.thread:
                yield self._broken(f"something of thread {batch.thread} came")
            first = number == 0 and not resumed
            failed = isinstance(batch, Detached) and batch.reason == "failed"
            if first and not isinstance(batch, Snapshot) and not failed:
                yield self._broken("was announced a snapshot, and none came")
            yield from self._behind_the_end(batch)
            match batch:
                case Snapshot():
                    yield from self._snapshot(batch, first=first)
                case Events():
                    yield from self._events(batch)
                case CaughtUp():
                    yield from self._caught(batch)
                case Presence():
                    yield from self._same_place(batch.position)
                case Detached():
                    self._over = True
                    yield from self._same_place(batch.position)
                    yield from self._detached(batch)
        yield from self._missed([rest for rest in rests if self._index < rest])

    def _broken(self, message: str) -> Broken:
        return Broken("I3", f"subscriber {self._call.number}: {message}", self._index)

    def _same_place(self, position: Position) -> Iterator[Broken]:
        if position != self._at:
            yield self._broken(f"is told {position.cursor()}, but was at {self._at.cursor()}")

    def _caught(self, batch: CaughtUp) -> Iterator[Broken]:
        yield from self._same_place(batch.position)
        self._caught_up += 1
        if self._caught_up > 1:
            yield self._broken("caught up twice")
        if self._at < known_to_others(self._history, self._call):
            yield self._broken("caught up before what others had seen when it attached")

    def _snapshot(self, batch: Snapshot, *, first: bool) -> Iterator[Broken]:
        over_the_wire = self._call.number in self._history.sent  # which has no place for a reason
        if not first and batch.reason is None and not over_the_wire:
            yield self._broken("was shown the thread anew without a reason")
        if first and batch.position != self._attached.position:
            yield self._broken("the snapshot is not the one that was announced")
        self._at = batch.position
        model = model_of(self._history.epoch_log(self._call.thread, batch.position))
        turn = batch.turn
        if (turn and turn.turn, [q.turn for q in batch.queue]) != (model.live, model.queue):
            yield self._broken(f"the snapshot shows {turn} and queue {batch.queue}, not {model}")
        shown, history = shown_of(batch.items), model.history()
        if batch.before is not None:  # older ones are asked for
            history = history[-len(shown) :]
        if shown != history:
            yield self._broken(f"the snapshot shows {shown}, not {history}")
        if turn is not None and shown_of(turn.items) != model.items.get(turn.turn):
            yield self._broken(f"the snapshot shows {shown_of(turn.items)} of {turn.turn}")

    def _events(self, batch: Events) -> Iterator[Broken]:
        for row in batch.rows:
            if row.offset != self._at.offset + 1 or batch.position.epoch != self._at.epoch:
                place = f"{batch.position.epoch}.{row.offset}"
                yield self._broken(f"{place} came after {self._at.cursor()}")
            if not is_on_disk(self._history, batch.thread, batch.position.epoch, row):
                yield self._broken(f"offset {row.offset} is not what is on disk")
            self._at = Position(batch.position.epoch, row.to)
        yield from self._same_place(batch.position)

    def _first_end(self) -> Logged | None:
        """Return what is to detach it: the first end or deletion that came while it was there."""
        since, life = self._call.over or self._call.called, self._call.life
        ends = (e for e in self._history.logs[self._call.thread] if e.type in _ENDS.values())
        return next((e for e in ends if e.index > since and e.life == life), None)

    def _behind_the_end(self, batch: Batch) -> Iterator[Broken]:
        end = self._end
        if not isinstance(batch, Snapshot | Events) or end is None:
            return
        # What it has not seen may be older than itself, or never have been published, as the copy
        # of a fork: then it is read from the disk, whence a deletion takes it untold.
        log = self._history.logs[end.thread]
        before = (each for each in log if each.position > self._at and each.index < end.index)
        unseen = min(before, key=lambda event: event.index, default=end)
        failed = self._history.failed_between(end.life, end.thread, unseen.index, self._index)
        untold = unseen.copied or unseen.index < self._call.called
        gone = end.type == "thread.deleted" and untold
        if batch.position > end.position and not (failed or gone):
            yield self._broken(f"went on behind a {end.type}, and was to be detached by it")

    def _detached(self, batch: Detached) -> Iterator[Broken]:
        last = _ENDS.get(batch.reason)
        seen = self._history.epoch_log(self._call.thread, batch.position)
        if last is None:
            return
        if seen and seen[-1].type == last:
            # It detaches those who are attached, not those who come after it.
            if seen[-1].position <= self._attached.position:
                yield self._broken(f"was detached by a {last} that came before it")
        elif not self._is_lost(batch.position):
            yield self._broken(f"was detached as {batch.reason} without having seen {last}")

    def _is_lost(self, position: Position) -> bool:
        """Say whether what it missed may have left the disk, or was of a life before its own."""
        compacted = any(isinstance(c.operation, Compact) for c in self._history.calls.values())
        return compacted or any(
            event.type in ("thread.deleted", "thread.truncated")
            and (event.position > position or event.epoch < position.epoch)
            and event.index < self._index
            for event in self._history.logs[self._call.thread]
        )

    def _rests(self) -> list[int]:
        """Return the records at which nobody has anything to do, of the life that it is of."""
        at_rest = self._history.of(Rested, AtRest)
        return [at for at, record in at_rest if record.life == self._call.life]

    def _missed(self, rests: list[int]) -> Iterator[Broken]:
        for rest in rests:
            if self._over or self._history.left.get(self._call.number, rest) < rest:
                return
            self._index = rest
            head = self._history.head(self._call.thread, rest)
            if self._at != head:
                yield self._broken(f"stands at {self._at.cursor()} and never saw {head.cursor()}")
            if not self._caught_up:
                yield self._broken("was never told that it caught up")


def known_to_others(history: History, call: Call) -> Position:
    """Return the newest position that a subscriber of the thread had seen before a call."""
    return max(
        (
            saw.batch.position
            for number, batches in history.seen.items()
            if history.calls[number].thread == call.thread
            for index, saw in batches
            if index < call.called
        ),
        default=Position(0, 0),
    )


def shown_of(items: tuple[Item, ...]) -> list[Shown]:
    """Return items as the model has them."""
    return [(item.item, item.kind, _text(item)) for item in items]


def _text(item: Item) -> object:
    if item.kind != "message":
        return item.body.get("text")
    return message_text(item.body.get("content"), item.body.get("attachments"))

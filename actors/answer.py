"""The answer to one submit, read piece by piece from the thread's own stream."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from .core.events import Event, TurnDelta, TurnEnded
from .core.turn_lifecycle import TurnState
from .delivery.batches import Detached, Events, Snapshot
from .errors import TurnFailed

if TYPE_CHECKING:
    from .core.effects import Submitted
    from .core.items import Item
    from .delivery.batches import Batch


class Answer:
    """The answer to one submit as it is being written.

    Args:
        receipt: the submit's receipt.
        batches: the thread's stream from the receipt's position on, such as a subscription.

    Attributes:
        receipt: likewise.
        ending: the turn's terminal event, once the iteration saw it; None where a reader that
            fell behind saw a snapshot instead.
    """

    def __init__(self, receipt: Submitted, batches: AsyncIterator[Batch]) -> None:
        self.receipt = receipt
        self.ending: TurnEnded | None = None
        self._batches = batches
        self._yielded: dict[str, int] = {}  # characters of each item, in case a snapshot comes
        self._texts: deque[str] = deque()  # of one batch
        self._over = False
        self._failure: TurnFailed | None = None

    @property
    def turn(self) -> str:
        """The turn that answers."""
        return self.receipt.turn

    def __aiter__(self) -> AsyncIterator[str]:
        """Iterate over the pieces of the answer; leaving early does not cancel the turn."""
        return self

    async def __anext__(self) -> str:
        """Wait for the next piece. Cancellation loses nothing.

        Raises:
            TurnFailed: where the turn ended as anything but completed: with the error and message
                that it failed with, otherwise with its state for an error. Likewise `detached`,
                where the thread was, and `not_shown`, where the reader fell so far behind that the
                answer is no longer in a snapshot.
            JournalCorrupt, JournalUnavailable: as the journal does.
        """
        while not self._texts and not self._over:
            self._take(await anext(self._batches))
        if self._texts:
            return self._texts.popleft()
        if self._failure is not None:
            raise self._failure
        raise StopAsyncIteration

    def _take(self, batch: Batch) -> None:
        if isinstance(batch, Detached):
            failure = TurnFailed("detached", f"the thread was detached: {batch.reason}")
            self._over, self._failure = True, failure
        elif isinstance(batch, Snapshot):
            self._texts.extend(self._from_snapshot(batch))
            if self._is_over(batch):
                self._over, self._failure = True, _shown_failure(batch, self.turn)
        elif isinstance(batch, Events):
            for entry in batch.entries:
                self._texts.extend(self._from_event(entry.event))
            if self.ending is not None:
                self._over, self._failure = True, _failure(self.ending)

    def _from_event(self, event: Event) -> Iterator[str]:
        if isinstance(event, TurnEnded) and event.turn == self.turn:
            self.ending = event
        elif isinstance(event, TurnDelta) and event.turn == self.turn and not event.channel:
            self._yielded[event.item] = self._yielded.get(event.item, 0) + len(event.text)
            yield event.text

    def _from_snapshot(self, snapshot: Snapshot) -> Iterator[str]:
        live = snapshot.turn.items if snapshot.turn is not None else ()
        for item in (*snapshot.items, *live):
            if item.turn == self.turn and item.kind == "answer":
                yield from self._rest_of(item)

    def _rest_of(self, item: Item) -> Iterator[str]:
        text: str = item.body["text"]
        rest = text[self._yielded.get(item.item, 0) :]
        self._yielded[item.item] = len(text)
        if rest:
            yield rest

    def _is_over(self, snapshot: Snapshot) -> bool:
        open_turns = (*((snapshot.turn,) if snapshot.turn else ()), *snapshot.queue)
        return self.turn not in {open_turn.turn for open_turn in open_turns}


def _failure(ending: TurnEnded) -> TurnFailed | None:
    return _failed(ending.state, ending.error, ending.message)


def _failed(state: TurnState, error: str | None, message: str | None) -> TurnFailed | None:
    if state is TurnState.COMPLETED:
        return None
    return TurnFailed(error or str(state), message or f"the turn ended as {state}")


def _shown_failure(snapshot: Snapshot, turn: str) -> TurnFailed | None:
    """Return how a turn failed, as far as a snapshot shows it after its end."""
    shown = [item for item in snapshot.items if item.turn == turn]
    if not shown:
        return TurnFailed("not_shown", "the answer is not among the newest items of the thread")
    if shown[-1].kind == "marker":
        body = shown[-1].body
        return _failed(TurnState(body["reason"]), None, body.get("message"))
    return None

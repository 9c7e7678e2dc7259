"""The answer to one submit, read piece by piece from the thread's own stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from .core.events import Event, TurnDelta, TurnEnded
from .core.turn_lifecycle import TurnState
from .delivery.batches import Detached, Events, Snapshot
from .errors import TurnFailed

if TYPE_CHECKING:
    from .core.effects import Submitted
    from .core.items import Item
    from .delivery.subscription import Subscription


class Answer:
    """The answer to one submit as it is being written.

    Attributes:
        receipt: the submit's receipt.
        ending: the turn's terminal event, once the iteration saw it.
    """

    def __init__(self, receipt: Submitted, subscription: Subscription) -> None:
        self.receipt = receipt
        self.ending: TurnEnded | None = None
        self._subscription = subscription
        self._yielded: dict[str, int] = {}  # characters of each item, in case a snapshot comes

    @property
    def turn(self) -> str:
        """The turn that answers."""
        return self.receipt.turn

    def __aiter__(self) -> AsyncIterator[str]:
        """Iterate over the pieces of the answer; leaving early does not cancel the turn.

        Raises:
            TurnFailed: where the turn ended as anything but completed, or the thread was detached.
        """
        return self._pieces()

    async def _pieces(self) -> AsyncIterator[str]:
        async for batch in self._subscription:
            if isinstance(batch, Detached):
                raise TurnFailed("detached", f"the thread was detached: {batch.reason}")
            if isinstance(batch, Snapshot):
                for text in self._from_snapshot(batch):
                    yield text
                if self._is_over(batch):
                    return
            elif isinstance(batch, Events):
                for entry in batch.entries:
                    for text in self._from_event(entry.event):
                        yield text
                if self.ending is not None:
                    _raise_unless_completed(self.ending.state)
                    return

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


def _raise_unless_completed(state: TurnState) -> None:
    if state is not TurnState.COMPLETED:
        raise TurnFailed(str(state), f"the turn ended as {state}")

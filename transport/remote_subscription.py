"""A thread as a client's caller follows it: batches in order, whatever becomes of connections."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import trio

from actors.delivery.batches import Presence

if TYPE_CHECKING:
    from actors.delivery.batches import Batch
    from actors.errors import HoldfastError


class RemoteSubscription:
    """One reader of one thread on a server (I3). Made by `Client.attach`.

    Iterate over it, in one task, as often as is wanted: leaving the loop loses nothing.

    Args:
        thread: the thread's id.
        cursor: where the reader begins; None for a snapshot.
        bound: characters of the stream that are kept for the reader, and one message more.
        on_drained: called when the reader has taken everything and waits for more.

    Attributes:
        cursor: that of the batch that was handed over last: the one to come back with.
        local: what holds for this attachment alone, for whoever made it to keep. It is emptied
            whenever the server loses the attachment, with the connection or otherwise, and when it
            is left. What is to outlive it goes into a record.
    """

    def __init__(
        self,
        thread: str,
        cursor: str | None,
        bound: int,
        on_drained: Callable[[RemoteSubscription], None],
    ) -> None:
        self.thread = thread
        self.cursor = cursor
        self.local: dict[str, Any] = {}
        self._bound = bound
        self._on_drained = on_drained
        self._batches: deque[tuple[Batch, int]] = deque()
        self._kept = 0
        self._over = False
        self._failure: HoldfastError | None = None
        self._news = trio.lowlevel.ParkingLot()

    def __aiter__(self) -> RemoteSubscription:
        """Iterate over all that comes, waiting for news; ends after `Detached`."""
        return self

    async def __anext__(self) -> Batch:
        """Return the next batch.

        Raises:
            StopAsyncIteration: after `Detached`, and once the attachment was left.
            Rejected: the server refused the thread for good, such as `thread_failed`, `forbidden`.
            ClientClosed: there is no connection and there will be none.
            RemoteProtocolError: the server sent what this version cannot read.

        Cancellation loses nothing.
        """
        await trio.lowlevel.checkpoint()
        while not self._batches:
            if self._over:
                raise self._failure or StopAsyncIteration
            self._on_drained(self)
            await self._news.park()
        batch, size = self._batches.popleft()
        self._kept -= size
        self.cursor = batch.cursor
        return batch

    # The client's side.

    @property
    def full(self) -> bool:
        """Whether the reader lags so far behind that nothing more should come."""
        return self._kept >= self._bound

    def hand_over(self, batch: Batch, size: int) -> None:
        """Keep a batch until the reader takes it.

        Args:
            batch: the next one.
            size: its length on the wire, in characters.
        """
        if self._batches and isinstance(batch, Presence):
            last, of_last = self._batches[-1]
            if isinstance(last, Presence):  # only the newest one counts
                self._batches.pop()
                self._kept -= of_last
        self._batches.append((batch, size))
        self._kept += size
        self._news.unpark_all()

    def finish(self, failure: HoldfastError | None = None) -> None:
        """End the iteration behind what is kept, or fail it there; the first call counts."""
        self.local.clear()
        if not self._over:
            self._over, self._failure = True, failure
            self._news.unpark_all()

    def leave(self) -> None:
        """End the iteration now, and drop what is kept."""
        self._batches.clear()
        self._kept = 0
        self.finish()

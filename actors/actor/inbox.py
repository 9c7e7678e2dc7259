"""The inbox: what is cast to a thread, on its way to the thread's service."""

from __future__ import annotations

import trio

from ..core.casting import Cast, CastQueue, Overflow, Refuse, Waiting
from ..errors import Rejected, ServiceOver


class CastBox:
    """What was cast to a thread and not taken yet. It outlives activations, as the mailbox does.

    Args:
        count, size: how many casts and bytes may wait.
        overflow: what becomes of one that does not fit.
    """

    def __init__(self, count: int, size: int, overflow: Overflow) -> None:
        self.queue = CastQueue(count, size, overflow)
        self._news = trio.lowlevel.ParkingLot()

    def __len__(self) -> int:
        """How many casts wait."""
        return len(self.queue)

    def put(self, waiting: Waiting) -> bool:
        """Add a cast; returns and raises as `CastQueue.put`."""
        taken = self.queue.put(waiting)
        self.nudge()
        return taken

    def refuse_all(self, refusal: Rejected) -> None:
        """Drop what waits, and tell whoever wants to know."""
        told: dict[Refuse, None] = {w.refuse: None for w in self.queue.clear() if w.refuse}
        for refuse in told:
            refuse(refusal)

    def nudge(self) -> None:
        """Wake whoever waits for a cast to look again."""
        self._news.unpark_all()

    async def news(self) -> None:
        """Wait for the next `nudge` or `put`.

        Cancellation is harmless.
        """
        await self._news.park()


class Inbox:
    """What is cast to the thread, oldest first, as its service reads it.

    `async for cast in inbox` goes on until the service is stopped.

    Args:
        box: where casts wait.
    """

    def __init__(self, box: CastBox) -> None:
        self._box = box
        self._open = True

    def __len__(self) -> int:
        """How many casts wait; at most `limits.inbox_casts`."""
        return len(self._box)

    @property
    def dropped(self) -> int:
        """How many casts the overflow policy dropped, since the thread was last passive."""
        return self._box.queue.dropped

    async def receive(self) -> Cast:
        """Wait for the next cast, and take it.

        Raises:
            ServiceOver: where the service was stopped.

        Cancellation takes none.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        while self._open:
            cast = self._box.queue.take()
            if cast is not None:
                await trio.lowlevel.cancel_shielded_checkpoint()
                return cast
            await self._box.news()
        await trio.lowlevel.checkpoint_if_cancelled()  # that is why
        raise ServiceOver("this service was stopped")

    def __aiter__(self) -> Inbox:
        return self

    async def __anext__(self) -> Cast:
        return await self.receive()

    def close(self) -> None:
        """Give out nothing more: what comes now is for the next service."""
        self._open = False
        self._box.nudge()

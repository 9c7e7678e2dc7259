"""A thread's stream as Server-Sent Events: one HTTP answer that goes on while its reader reads.

The pieces are made when they are asked for, from the same subscription that a WebSocket pulls from;
so a slow reader costs the batch under way, and nobody waits for it (I3).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import orjson
import trio
from attrs import define, field

from actors import CaughtUp, Detached, Events, Presence, Snapshot, Subscription
from actors.core.resume import Mode
from actors.limits import DEFAULT_LIMITS, Limits

from .outgoing import next_batch
from .showing import message_of
from .wire.client_messages import Ping
from .wire.codec import encode_server

if TYPE_CHECKING:
    from actors.delivery.batches import Batch

CONTENT_TYPE: Final = "text/event-stream"

_PING: Final = b"event: ping\ndata: %b\n\n" % encode_server(Ping())
_NAMES: Final = {
    Snapshot: "snapshot",
    CaughtUp: "caught_up",
    Presence: "presence",
    Detached: "detached",
}

# Makes a subscription, which tells its argument when there is news.
Subscribe = Callable[[Callable[[Subscription], None]], Subscription]


@define(eq=False)
class EventStreams:
    """The open streams of a server, and how they end when it does.

    Args:
        limits: those of the server.
        random: returns a number in [0, 1).
    """

    limits: Limits = DEFAULT_LIMITS
    random: Callable[[], float] = field(factory=lambda: random.SystemRandom().random)
    _open: dict[EventStream, None] = field(factory=dict, init=False)
    _retry_seconds: float | None = field(default=None, init=False)
    _closed: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot, init=False)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._open)

    @property
    def ending(self) -> bool:
        """Whether each stream is to end after what is there."""
        return self._retry_seconds is not None

    def retry(self) -> bytes:
        """Return the line that tells a browser how long to wait before it reconnects."""
        seconds = self._retry_seconds
        longest = self.limits.event_retry_seconds if seconds is None else seconds
        return b"retry: %d\n" % (1000 * longest * (1 + self.random()) / 2)

    def opened(self, stream: EventStream) -> None:
        """Count a stream in."""
        self._open[stream] = None

    def closed(self, stream: EventStream) -> None:
        """Count a stream out; doing it again does nothing."""
        self._open.pop(stream, None)
        self._closed.unpark_all()

    async def end(self, retry_seconds: float) -> None:
        """Let every stream send what is there and end; wait for that, but not for long.

        Cancellation leaves them ending.

        Args:
            retry_seconds: when to come back; each reader is told something from half of it on.
        """
        self._retry_seconds = retry_seconds
        for stream in self._open:
            stream.wake()
        with trio.move_on_after(self.limits.close_seconds):
            while self._open:
                await self._closed.park()


class EventStream:
    """The stream of one reader: attach it, iterate over its pieces, and close it.

    Args:
        streams: where it is counted, and learns that the server ends.
        subscribe: makes its subscription.
        may_see: says whether the reader may be shown a thread at this instant (I19).
        expires_at: when its credentials are over, on trio's clock.
    """

    def __init__(
        self,
        streams: EventStreams,
        subscribe: Subscribe,
        may_see: Callable[[str], bool],
        expires_at: float,
    ) -> None:
        self._streams = streams
        self._may_see = may_see
        self._expires_at = expires_at
        self._news = trio.lowlevel.ParkingLot()
        self._begun = False
        self._over = False
        self._subscription = subscribe(lambda _: self.wake())
        self._spoke_at = trio.current_time()
        streams.opened(self)

    async def attach(self, cursor: str | None, window: int | None) -> bool:
        """Settle where the stream begins, and return whether nothing more will come of it.

        Args:
            cursor: where the reader stands; None for a snapshot.
            window: items in a snapshot.

        Raises as `Subscription.attach`. Cancellation leaves nothing that `aclose` does not end.
        """
        await self._subscription.attach(cursor, window)
        return self._subscription.finished

    def wake(self) -> None:
        """Look whether there is something to say."""
        self._news.unpark_all()

    def __aiter__(self) -> EventStream:
        """Iterate over the pieces; each is one or more whole events."""
        return self

    async def __anext__(self) -> bytes:
        """Wait for the next piece.

        The pieces end after `detached`, with the credentials, and with the server. Cancellation
        may lose the piece, which the reader then comes back for with its cursor.
        """
        if not self._begun:
            self._begun = True
            return self._opening()
        while not self._over:
            batch = await next_batch(self._subscription, self._may_see)
            now = trio.current_time()
            if now >= self._expires_at:
                break
            piece = self._piece(batch, now)
            if piece is not None:
                self._spoke_at = now
                return piece
            await self._wait()
        raise StopAsyncIteration

    def _opening(self) -> bytes:
        """Return what comes first; a block without data tells nothing but what is in its lines.

        By the letter of the HTML standard a reader forgets its last id with the first block of a
        new stream that has none. The cursor of a snapshot is held with the snapshot, not before.
        """
        resumes = self._subscription.plan.mode is Mode.RESUME
        cursor = self._subscription.position.cursor().encode()
        return b"%b%b\n" % (self._streams.retry(), b"id: %b\n" % cursor if resumes else b"")

    def _piece(self, batch: Batch | None, now: float) -> bytes | None:
        if batch is not None:
            self._over = isinstance(batch, Detached)
            return _told(batch)
        if self._streams.ending:
            self._over = True
            return b"%b\n" % self._streams.retry()
        return _PING if now >= self._beat_at else None

    @property
    def _beat_at(self) -> float:
        return self._spoke_at + self._streams.limits.heartbeat_seconds

    async def _wait(self) -> None:
        if not self._subscription.ready:
            with trio.move_on_at(min(self._beat_at, self._expires_at)):
                await self._news.park()

    async def aclose(self) -> None:
        """Leave the thread. A reader that had begun may be back soon: browsers reconnect.

        It waits for nothing, so a cancellation is no matter.
        """
        self._subscription.close(broken=self._begun)
        self._streams.closed(self)


def _told(batch: Batch) -> bytes:
    if isinstance(batch, Events):
        return batch.once(_of_events)
    data = encode_server(message_of(batch))
    if isinstance(batch, Snapshot):
        # There is no `attached` to say it: its cursor would be held before the snapshot is.
        plan = {"mode": batch.mode, **({"reason": batch.reason} if batch.reason else {})}
        data = b"%b,%b" % (data[:-1], orjson.dumps(plan)[1:])
    return _event(_NAMES[type(batch)], batch.cursor, data)


def _of_events(events: Events) -> bytes:
    epoch = events.position.epoch
    return b"".join(
        _event(orjson.loads(row.body)["type"], f"{epoch}.{row.to}", row.body) for row in events.rows
    )


def _event(name: str, cursor: str, data: bytes) -> bytes:
    # JSON has no raw line breaks, so the data is always one line.
    return b"event: %b\nid: %b\ndata: %b\n\n" % (name.encode(), cursor.encode(), data)

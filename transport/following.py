"""The threads that a client follows: one reader each, attached again whenever that is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import trio
from attrs import define

from actors.errors import LocalProtocolError, RemoteProtocolError

from .remote_batches import BatchMessage, as_batch
from .remote_subscription import RemoteSubscription
from .wire import server_messages as wire
from .wire.backoff import Backoff

if TYPE_CHECKING:
    from actors.errors import HoldfastError, Rejected
    from actors.limits import Limits

    from .wire.client_protocol import ClientProtocol


@define(eq=False)
class _Follower:
    """A reader, and what it takes to attach again for it.

    Args:
        backoff: the waits after the server has ended the attachment, or refused it for now.
        resume: where to attach, while the protocol does not follow the thread.
        attached: how the attachment began, until its snapshot came.
        parked: whether the thread was left until the reader has taken what is kept for it.
    """

    subscription: RemoteSubscription
    window: int | None
    backoff: Backoff
    resume: str | None = None
    attached: wire.Attached | None = None
    parked: bool = False

    @property
    def thread(self) -> str:
        return self.subscription.thread


class Following:
    """Hands each thread's stream to its reader.

    A reader that lags is no burden to the other threads: when `client_buffer_chars` are kept for
    it, the client detaches, and attaches at the same cursor once the reader has taken them.

    Args:
        protocol: what is attached and detached with.
        limits: `attachments` and `client_buffer_chars`.
        random: returns a number in [0, 1).
        on_frames: called when the protocol has something to send.
    """

    def __init__(
        self,
        protocol: ClientProtocol,
        limits: Limits,
        random: Callable[[], float],
        on_frames: Callable[[], None],
    ) -> None:
        self._protocol = protocol
        self._limits = limits
        self._random = random
        self._on_frames = on_frames
        self._followers: dict[str, _Follower] = {}
        self._nursery: trio.Nursery | None = None

    # For readers.

    def attach(self, thread: str, cursor: str | None, window: int | None) -> RemoteSubscription:
        """Follow a thread from a cursor, or from a snapshot.

        Raises:
            LocalProtocolError: where it is followed already, or too many threads are.
            ValueError: where an argument is none that the protocol knows.
        """
        self.check_free(thread)
        if len(self._followers) >= self._limits.attachments:
            raise LocalProtocolError(f"{len(self._followers)} threads are followed already")
        self._protocol.attach(thread, cursor, window)
        bound = self._limits.client_buffer_chars
        subscription = RemoteSubscription(thread, cursor, bound, self._unpark)
        backoff = Backoff(self._random, self._limits)
        self._followers[thread] = _Follower(subscription, window, backoff)
        self._on_frames()
        return subscription

    def check_free(self, thread: str) -> None:
        """Raises LocalProtocolError where the thread is followed."""
        if thread in self._followers:
            raise LocalProtocolError(f"{thread} is followed already: one reader each for a client")

    def detach(self, subscription: RemoteSubscription) -> None:
        """Follow a thread no longer; nothing more is handed over, and nobody waits."""
        subscription.leave()
        follower = self._followers.get(subscription.thread)
        if follower is not None and follower.subscription is subscription:
            self._drop(follower)

    # For the connection.

    def begin(self, nursery: trio.Nursery) -> None:
        """Begin a connection, before the protocol does: no thread may stay out of its attaches.

        Also one that is parked: only an attach tells whether the thread was deleted (rule 7).
        """
        self._nursery = nursery
        for follower in self._followers.values():
            if follower.thread not in self._protocol.following:
                self._attach_again(follower)

    def lost(self) -> None:
        """Note that the connection is gone, and with it every attachment."""
        for follower in self._followers.values():
            follower.subscription.local.clear()

    def heed(self, message: wire.StreamMessage, size: int) -> None:
        """Take a message of a thread's stream that the protocol delivered.

        Args:
            message: what the server said.
            size: its length in characters.
        """
        follower = self._followers.get(message.thread)
        if follower is None:
            return
        match message:
            case wire.Attached():
                follower.attached = message
                follower.backoff.connected(trio.current_time())
            case wire.Detached(reason="slow" | "failed"):
                follower.resume = message.cursor or None
                follower.subscription.local.clear()
                self._start_attaching(follower)
            case _:
                self._hand_over(follower, message, size)
        if follower.subscription.full and message.thread in self._protocol.following:
            self._park(follower)

    def refused(self, thread: str, error: Rejected) -> None:
        """Take the refusal of an attach."""
        follower = self._followers.get(thread)
        if follower is not None and error.retryable:
            self._start_attaching(follower)
        elif follower is not None:
            self._drop(follower, error)

    def close(self, failure: Callable[[], HoldfastError]) -> None:
        """Fail every reader, behind what is kept for it."""
        for follower in tuple(self._followers.values()):
            self._drop(follower, failure())

    # Handing over, and keeping within bounds.

    def _hand_over(self, follower: _Follower, message: BatchMessage, size: int) -> None:
        try:
            at = self._protocol.cursor(message.thread) or ""
            batch = as_batch(message, follower.attached, at)
        except RemoteProtocolError as error:
            self._drop(follower, error)
            return
        if isinstance(message, wire.Snapshot):
            follower.attached = None
        follower.subscription.hand_over(batch, size)
        if isinstance(message, wire.Detached):
            self._drop(follower)

    def _park(self, follower: _Follower) -> None:
        follower.resume = self._protocol.detach(follower.thread)
        follower.parked = True
        follower.subscription.local.clear()
        self._on_frames()

    def _unpark(self, subscription: RemoteSubscription) -> None:
        follower = self._followers.get(subscription.thread)
        if follower is not None and follower.parked:
            self._attach_again(follower)

    def _drop(self, follower: _Follower, failure: HoldfastError | None = None) -> None:
        del self._followers[follower.thread]
        self._protocol.detach(follower.thread)
        self._on_frames()
        follower.subscription.finish(failure)

    # Attaching again.

    def _attach_again(self, follower: _Follower) -> None:
        follower.parked = False
        if follower.thread in self._protocol.following:
            self._protocol.reattach(follower.thread)
        else:
            self._protocol.attach(follower.thread, follower.resume, follower.window)
        self._on_frames()

    def _start_attaching(self, follower: _Follower) -> None:
        assert self._nursery is not None  # the server spoke
        self._nursery.start_soon(self._attach_later, follower)

    async def _attach_later(self, follower: _Follower) -> None:
        await trio.sleep(follower.backoff.next_wait(trio.current_time()))
        if self._followers.get(follower.thread) is follower:
            self._attach_again(follower)

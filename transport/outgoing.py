"""What goes out on one connection, in order: answers first, then each thread's stream in its turn.

One task sends, or the server's courier while there is none. So what is said of a thread
(`attached`, its stream, `detached`) cannot overtake itself, a thread with much to say cannot keep
the others waiting, and a slow peer costs one frame.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import trio
from attrs import define

from actors import (
    Detached,
    JournalCorrupt,
    JournalError,
    Rejected,
    Subscription,
)

from .auth import forbidden
from .link import SendsNow
from .showing import as_rejected, events_frame_of, frame_of
from .wire import server_messages as wire
from .wire.client_messages import Attach, Detach
from .wire.codec import encode_server
from .wire.replies import DetachReply

if TYPE_CHECKING:
    from actors.delivery.batches import Batch
    from actors.limits import Limits

    from .courier import Courier
    from .link import Link


log = logging.getLogger("holdfast.server")

# Frames that a connection may send in a row, where its peer takes them all: a frame takes some ten
# microseconds, and the other connections and the turns wait that long for their turn.
_BURST: Final = 8

# Makes an answer of what may be seen at the instant of the call.
Compose: TypeAlias = Callable[[], wire.ServerMessage]


@define(eq=False)
class _Attachment:
    """A thread that the connection follows, by the command that asked for it."""

    attach: Attach
    subscription: Subscription


class SendingHalf:
    """The sending half of one connection.

    Args:
        link: where frames go.
        subscribe: makes a subscription to a thread; its argument is told when that has news.
        may_see: says whether the connection may be shown a thread at this instant (I19).
        on_detached: told when an attachment is over, or was refused.
        limits: `reply_bytes` bounds what waits, together with who calls `room`.
        courier: calls `send_now` while no task sends; None where there is none.
    """

    def __init__(
        self,
        link: Link,
        subscribe: Callable[[str, Callable[[Subscription], None]], Subscription],
        may_see: Callable[[str], bool],
        on_detached: Callable[[Attach], None],
        limits: Limits,
        courier: Courier | None = None,
    ) -> None:
        self._link = link
        self._link_now = link if isinstance(link, SendsNow) else None
        self._courier = courier if self._link_now is not None else None
        self._subscribe = subscribe
        self._may_see = may_see
        self._on_detached = on_detached
        self._limits = limits
        # Lists, since an empty deque takes 760 bytes, and most connections are idle.
        self._answers: list[tuple[bytes, Compose | None]] = []
        self._answer_bytes = 0
        self._chores: list[Attach | Detach] = []
        self._ready: list[Subscription] = []
        self._attached: dict[str, _Attachment] = {}
        self._nursery: trio.Nursery | None = None
        self._running = False
        self._unflushed = False
        self._moved: trio.lowlevel.ParkingLot | None = None  # made for the first who waits

    def say(self, message: wire.ServerMessage) -> None:
        """Send a message as soon as may be, behind earlier ones."""
        self._add(message)

    def answer(self, message: wire.ServerMessage, compose: Compose | None = None) -> None:
        """Send what somebody waits for: at once where nothing waits and the socket has room.

        Args:
            message: what may be told now.
            compose: makes it anew where it had to wait, of what may be seen by then (I19).
        """
        if self._link_now is None or self._nursery is None or self._running or self._has_to_be_sent:
            self._add(message, compose)
        elif not self._link_now.send_text_now(encode_server(message)):
            self._unflushed = True
            self._wake()

    def _add(self, message: wire.ServerMessage, compose: Compose | None = None) -> None:
        frame = encode_server(message)
        self._answers.append((frame, compose))
        self._answer_bytes += len(frame)
        self._wake()

    def do(self, chore: Attach | Detach) -> None:
        """Attach or detach, behind earlier ones."""
        self._chores.append(chore)
        self._wake()

    @property
    def full(self) -> bool:
        """Whether so much waits that no other command may be taken (I12)."""
        return (
            self._answer_bytes > self._limits.reply_bytes
            or len(self._chores) >= self._limits.unanswered_commands
        )

    async def room(self) -> None:
        """Wait until another command may be taken. Cancellation is harmless."""
        while self.full:
            await self._move()

    async def idle(self) -> None:
        """Wait until there is nothing to send. Cancellation is harmless."""
        while self._has_work:
            await self._move()

    async def _move(self) -> None:
        """Wait until less waits."""
        if self._moved is None:
            self._moved = trio.lowlevel.ParkingLot()
        await self._moved.park()

    def begin(self, nursery: trio.Nursery) -> None:
        """Send from now on, in a task that is there only while there is something to send.

        It raises `LinkClosed` into the nursery where the peer is gone, or takes nothing.
        """
        self._nursery = nursery
        if self._has_work:
            self._wake()

    def end(self) -> None:
        """Start no task any more; what is being sent goes on."""
        self._nursery = None

    async def _run(self) -> None:
        burst = 0
        while self._has_work:
            await self._flush()
            await self._send_answers()
            if self._chores:
                await self._do_chore(self._chores.pop(0))
            if self._ready:
                await self._send_stream(self._ready.pop(0))
            if self._moved:
                self._moved.unpark_all()
            if (burst := burst + 1) % _BURST == 0:
                await trio.lowlevel.checkpoint()
        self._running = False

    def send_now(self) -> None:
        """Send what is ready as far as that goes without waiting; the task does the rest."""
        for _ in range(len(self._ready)):
            at_ease = not (self._running or self._unflushed)
            if not (at_ease and self._send_stream_now(self._ready[0])):
                break
            self._ready.pop(0)
        if self._has_work:
            self._wake()
        elif self._moved:
            self._moved.unpark_all()

    def close(self, *, broken: bool) -> None:
        """Leave every thread.

        Args:
            broken: the connection went without a word, so that its client may be back soon.
        """
        attachments, self._attached = self._attached, {}
        for attachment in attachments.values():
            attachment.subscription.close(broken=broken)
        self._ready.clear()

    def _has_news(self, subscription: Subscription) -> None:
        attachment = self._attached.get(subscription.thread)
        if attachment is not None and attachment.subscription is subscription:
            self._ready.append(subscription)
            if not self._running and self._courier is not None and self._courier.running:
                self._courier.add(self)
            else:
                self._wake()

    @property
    def _has_work(self) -> bool:
        return bool(self._ready or self._answers or self._chores or self._unflushed)

    @property
    def _has_to_be_sent(self) -> bool:
        """Whether something waits that goes before any stream, and is not the courier's."""
        return bool(self._answers or self._chores or self._unflushed)

    def _wake(self) -> None:
        if self._nursery is not None and not self._running:
            self._running = True
            self._nursery.start_soon(self._run)

    async def _flush(self) -> None:
        if self._unflushed and self._link_now is not None:
            self._unflushed = False
            await self._link_now.flush()

    async def _send(self, message: wire.ServerMessage) -> None:
        await self._link.send_text(encode_server(message))

    async def _send_answers(self) -> None:
        while self._answers:
            frame, compose = self._answers.pop(0)
            self._answer_bytes -= len(frame)
            await self._link.send_text(encode_server(compose()) if compose is not None else frame)

    # Attaching and detaching

    async def _do_chore(self, chore: Attach | Detach) -> None:
        if isinstance(chore, Attach):
            await self._attach(chore)
        else:
            await self._detach(chore)

    async def _attach(self, attach: Attach) -> None:
        earlier = self._attached.get(attach.thread)
        self._forget(attach.thread, comes_back=True)
        if not self._may_see(attach.thread):
            await self._refuse(attach, forbidden(), earlier)
            return
        subscription = self._subscribe(attach.thread, self._has_news)
        try:
            plan = await subscription.attach(attach.cursor, attach.window)
        except (Rejected, JournalError) as exc:
            subscription.close()
            await self._refuse(attach, exc, earlier)
            return
        except BaseException:
            subscription.close()
            raise
        if not self._may_see(attach.thread):  # taken away while that looked; `attached` tells of it
            subscription.close()
            await self._refuse(attach, forbidden(), earlier)
            return
        self._attached[attach.thread] = _Attachment(attach, subscription)
        cursor = subscription.position.cursor()
        await self._send(wire.Attached(attach.id, attach.thread, cursor, plan.mode, plan.reason))
        self._has_news(subscription)

    async def _refuse(
        self, attach: Attach, failure: Rejected | JournalError, earlier: _Attachment | None
    ) -> None:
        """Refuse an attach, and say that the one which it was to replace is over all the same."""
        self._on_detached(attach)
        if earlier is not None:
            cursor = earlier.subscription.position.cursor()
            await self._send(wire.Detached(attach.thread, cursor, "failed"))
        await self._send(_refused(attach.id, failure))

    async def _detach(self, detach: Detach) -> None:
        attachment = self._attached.get(detach.thread)
        if attachment is not None:
            cursor = attachment.subscription.position.cursor()
            self._forget(detach.thread)
            await self._send(wire.Detached(detach.thread, cursor, "requested"))
        await self._send(wire.Reply(detach.id, DetachReply()))

    def _forget(self, thread: str, *, comes_back: bool = False) -> None:
        attachment = self._attached.pop(thread, None)
        if attachment is not None:
            attachment.subscription.close(broken=comes_back)
            self._on_detached(attachment.attach)

    # Streaming

    async def _send_stream(self, subscription: Subscription) -> None:
        attachment = self._attached.get(subscription.thread)
        if attachment is None or attachment.subscription is not subscription:
            return
        batch = await next_batch(subscription, self._may_see)
        if batch is None:
            return
        if self._link_now is None:
            await self._link.send_text(frame_of(batch))
        else:  # what does not go at once waits without its batch, whose rows may be out of the tail
            self._unflushed = not self._link_now.send_text_now(frame_of(batch))
        if isinstance(batch, Detached):
            self._forget(subscription.thread)
        elif subscription.behind:
            subscription.wake()  # at the end of the queue: the other threads come first

    def _send_stream_now(self, subscription: Subscription) -> bool:
        """Send the next events of a stream; False where it takes more than that."""
        attachment = self._attached.get(subscription.thread)
        if attachment is None or attachment.subscription is not subscription:
            return True
        if self._link_now is None or not self._may_see(subscription.thread):
            return False
        events = subscription.pull_now()
        if events is None:
            return False
        subscription.ready = False
        self._unflushed = not self._link_now.send_text_now(events.once(events_frame_of))
        if subscription.behind:
            subscription.wake()
        return True


async def next_batch(subscription: Subscription, may_see: Callable[[str], bool]) -> Batch | None:
    """Return what is to be sent next of a thread, or None where there is nothing new.

    Where that cannot be read, or may not be shown, it is `Detached`: the next attach is told why.
    Never waits for news. Raises nothing of its own; a cancelled call loses nothing.

    Args:
        subscription: an attached one.
        may_see: says whether the thread may be shown, at the instant that this returns (I19).
    """
    subscription.ready = False
    stood = subscription.position
    try:
        batch = await subscription.pull()
    except (Rejected, JournalError) as exc:
        if isinstance(exc, JournalCorrupt):  # no actor has met it: nobody else would tell (I16)
            log.error("thread %s: a reader met damage: %s", subscription.thread, exc)
        batch = Detached(subscription.thread, subscription.position, "failed")
    if batch is not None and not may_see(subscription.thread):
        batch = Detached(subscription.thread, stood, "failed")
    return batch


def _refused(id: str, failure: Rejected | JournalError) -> wire.ErrorMessage:
    refusal = as_rejected(failure)
    return wire.ErrorMessage(refusal.code, refusal.message, refusal.retryable, id, refusal.details)

"""One end of a simulated connection, and the two ways between the ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import trio
from attrs import define, field, frozen

from ..link import ABNORMAL, NORMAL, TOO_BIG, LinkClosed

if TYPE_CHECKING:
    from actors.limits import Limits
    from actors.testing.schedulers.scheduler import Scheduler


def _nothing() -> None:
    pass


@frozen(eq=False)
class _Ping:
    """Waits to be answered, by the way back."""

    answered: trio.Event
    back: Way

    def answer(self) -> None:
        if not (self.back.lossy or self.back.stalled):
            self.answered.set()


_Item: TypeAlias = str | bytes | _Ping


@define(eq=False)
class Way:
    """One direction: what was sent and not yet taken, in its order.

    Args:
        room: messages that it holds before a sender has to wait.
    """

    room: int
    items: deque[_Item] = field(factory=deque)
    ending: tuple[int, str] | None = None
    stalled: bool = False
    lossy: bool = False
    silent: bool = False
    arrived: bool = False
    moved: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)
    _due: int = 0
    _act: Callable[[], None] = _nothing

    @property
    def full(self) -> bool:
        """Whether a sender has to wait."""
        return len(self.items) >= self.room and not self.lossy

    @property
    def has_news(self) -> bool:
        """Whether there is something to take: a message, or the end behind them."""
        return not (self.stalled or self.silent) and bool(self.items or self.ending)

    def put(self, item: _Item) -> None:
        """Send."""
        if not self.lossy:
            self.items.append(item)
            self.moved.unpark_all()

    def take(self) -> _Item:
        """Return the next message."""
        self.arrived = False
        self.moved.unpark_all()
        item = self.items.popleft()
        self._due -= 1
        if self._due == 0:
            self._act()
        return item

    def when_taken(self, count: int, act: Callable[[], None]) -> None:
        """Call `act` when so many more messages were taken; what was to be called so far is not."""
        self._due, self._act = count, act

    def finish(self, code: int, reason: str = "") -> None:
        """End it behind what is under way; the first end counts."""
        self.ending = self.ending or (code, reason)
        self.lossy = True
        self.moved.unpark_all()

    def lose(self, count: int) -> None:
        """Lose the last messages, a close frame with them, and all that will be sent."""
        self.lossy = True
        if count:
            self.ending = None
        for _ in range(min(count, len(self.items))):
            self.items.pop()
        self.moved.unpark_all()

    def vanish(self) -> None:
        """Lose all that is under way and will be sent, the end too: whoever listens waits on."""
        self.silent = True
        self.lose(len(self.items))

    def stall(self, stalled: bool) -> None:
        """Have nothing be taken, or have it be taken again."""
        self.stalled = stalled
        self.moved.unpark_all()


class SimulatedLink:
    """One end; see `Link`. Made by `SimulatedNetwork`.

    Args:
        peer: names the other side.
        inbox, outbox: the ways here and there.
        limits: bounds of its waits.
        delays: says how late each message is.
    """

    def __init__(
        self, peer: str, inbox: Way, outbox: Way, limits: Limits, delays: Scheduler
    ) -> None:
        self.inbox = inbox
        self.outbox = outbox
        self._peer = peer
        self._limits = limits
        self._delays = delays
        self._ending: tuple[int, str] | None = None
        self._sending = trio.StrictFIFOLock()
        self._unsent: str | None = None
        self._arriving = trio.CancelScope()
        self._listener: Callable[[str], bool] | None = None

    def connect(self, other: SimulatedLink, message_bytes: int) -> None:
        """Say who is at the other end, and how long a message this one takes."""
        self._other = other
        self._message_bytes = message_bytes

    @property
    def peer(self) -> str:
        """The other side's name; see `Link.peer`."""
        return self._peer

    @property
    def is_open(self) -> bool:
        """Whether it is not closed, as far as this side knows."""
        return self._ending is None

    async def receive(self) -> str | bytes:
        """Return the next message; see `Link.receive`."""
        await trio.lowlevel.checkpoint()
        waited = False
        while self._ending is None:
            if not self.inbox.has_news:
                waited = True
                await self.inbox.moved.park()
            elif not self.inbox.arrived:
                await self._arrive()
            elif self.inbox.items:
                item = self.inbox.take()
                if isinstance(item, _Ping):
                    item.answer()
                elif not (waited and self._heard(item)):
                    return item
            elif self.inbox.ending is not None:
                self._end(*self.inbox.ending)
        raise LinkClosed(*self._ending)

    def hear(self, listener: Callable[[str], bool]) -> None:
        """Show each text message that comes alone to `listener` first; see `HearsNow`."""
        self._listener = listener

    def _heard(self, message: str | bytes) -> bool:
        if not isinstance(message, str) or self.inbox.items or self._listener is None:
            return False
        return self._listener(message)

    async def _arrive(self) -> None:
        with trio.CancelScope() as self._arriving:
            await self._delays.step()
            self.inbox.arrived = True

    async def send_text(self, text: bytes | str) -> None:
        """Send one text message; see `Link.send_text`."""
        await self._send(text if isinstance(text, str) else text.decode())

    def send_text_now(self, text: bytes) -> bool:
        """Send one text message without waiting; see `SendsNow`."""
        message = text.decode()
        fits = len(text) <= self._other._message_bytes
        if not fits or self._ending is not None or self.outbox.full or self._sending.locked():
            self._unsent = message
            return False
        self.outbox.put(message)
        return True

    async def flush(self) -> None:
        """Send what `send_text_now` could not; see `SendsNow`."""
        message, self._unsent = self._unsent, None
        if message is not None:
            await self._send(message)

    async def send_binary(self, data: bytes) -> None:
        """Send one binary message; see `Link.send_binary`."""
        await self._send(data)

    async def _send(self, message: str | bytes) -> None:
        size = len(message if isinstance(message, bytes) else message.encode())
        if size > self._other._message_bytes:
            self._other._end(TOO_BIG, "message too big")
        try:
            with trio.move_on_after(self._limits.slow_seconds):
                return await self._put(message)
        except trio.Cancelled:
            self.abort()
            raise
        self.abort()
        raise self._closed()

    async def _put(self, item: _Item) -> None:
        async with self._sending:
            while self._ending is None and self.outbox.full:
                await self.outbox.moved.park()
            if self._ending is not None:
                raise self._closed()
            self.outbox.put(item)

    async def ping(self) -> None:
        """Ask for a sign of life; see `Link.ping`."""
        answered = trio.Event()
        try:
            with trio.fail_after(self._limits.heartbeat_seconds):
                await self._put(_Ping(answered, self.inbox))
                await answered.wait()
        except trio.TooSlowError:
            if self._ending is not None:
                raise self._closed() from None
            raise

    async def aclose(self, code: int = NORMAL, reason: str = "") -> None:
        """Close with a code; see `Link.aclose`. It never has to wait for the other side."""
        self._end(code, reason)
        await trio.lowlevel.checkpoint()

    def abort(self) -> None:
        """Cut the connection; see `Link.abort`."""
        self._end(ABNORMAL)

    def _end(self, code: int, reason: str = "") -> None:
        if self._ending is None:
            self._ending = (code, reason)
            self._arriving.cancel()
            self.outbox.finish(code, reason)
            self.inbox.lose(len(self.inbox.items))

    def _closed(self) -> LinkClosed:
        return LinkClosed(*(self._ending or (ABNORMAL, "")))

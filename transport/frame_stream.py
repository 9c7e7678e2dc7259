"""The stream that trio-websocket is given: it bounds, watches and guards the connection below it.

The library reads and writes through it as if it were the socket. What it adds: the request that
was parsed already is replayed; what arrives is measured before anything is built of it; each write
is whole frames, one at a time, and bounded; a write that was torn is the last one. Closing it ends
the library's part only: whoever owns the socket says the last word with `finish`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from actors.sleeper import Sleeper

from .frames import CLOSE_FRAME, FrameMeter, close_frame, whole_text
from .link import TOO_BIG
from .streams import linger, send_now, send_within

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.limits import Limits

_CLOSES: Final = bytes([CLOSE_FRAME])


class FrameStream(trio.abc.Stream):
    """A connection between trio-websocket and the socket.

    Args:
        raw: the socket, or whatever carries the bytes.
        limits: bounds of reading, writing and closing.
        replay: the bytes of the handshake that were read before; the reader gets them first.
        trailing: bytes that came behind them; the reader gets them, and anything after, once
            `open` was called. The library would lose what it reads before it has accepted.
        meter: what may arrive, from `trailing` on; None to leave that to the library.

    Raises in `receive_some`:
        EOFError: where the peer leaves before `open`. The library waits for ever on that; this
            ends its reader, and with it the handshake.
    """

    __slots__ = (
        "_close_sent",
        "_closed",
        "_ended",
        "_heard",
        "_hears",
        "_is_open",
        "_limits",
        "_lock",
        "_meter",
        "_opening",
        "_raw",
        "_reading",
        "_replay",
        "_throttle_at",
        "_throttle_from",
        "_trailing",
        "_unsent",
        "ended",
        "life",
        "refusal",
    )

    def __init__(
        self,
        raw: trio.abc.Stream,
        limits: Limits,
        *,
        replay: bytes = b"",
        trailing: bytes = b"",
        meter: FrameMeter | None = None,
    ) -> None:
        self._raw = raw
        self._limits = limits
        self._replay = replay
        self._trailing = trailing
        self._meter = meter
        self._heard = 0
        self._hears: Callable[[str], bool] | None = None
        self._is_open = False
        self._opening = Sleeper()
        self._lock = trio.StrictFIFOLock()
        self._reading: trio.CancelScope | None = None
        self._ended = False  # the library's part
        self._closed = False  # everything
        self._close_sent = False
        self._unsent: bytes | memoryview = b""  # of the frame that went before the next
        self._throttle_from = trio.current_time()
        self._throttle_at = limits.control_frames_per_second
        self.refusal: tuple[int, str] | None = None  # close code and reason, where we refused
        self.life = trio.CancelScope()  # whoever owns the socket works in it; `cut` ends it
        self.ended = trio.Event()  # set by the owner, once the socket is closed or about to be

    def open(self) -> None:
        """Say that the handshake is over: from now on frames flow."""
        self._is_open = True
        self._opening.wake()

    def cut(self) -> None:
        """End it all now: no write follows, and the owner of the socket closes it."""
        self._closed = True
        self.life.cancel()

    def hear(self, listener: Callable[[str], bool]) -> None:
        """Have each message that came whole and alone shown to `listener` first.

        It returns at once, whether it took it; the library gets what it did not take.
        """
        self._hears = listener

    @property
    def passed_on(self) -> int:
        """How many messages the library was given to read, counting one whose end is to come."""
        return self._meter.messages - self._heard if self._meter is not None else 0

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return bytes of the handshake, then of frames; see `trio.abc.ReceiveStream`."""
        if self._replay:
            data, self._replay = self._replay, b""
            return data
        if self._ended or self._closed:
            raise trio.ClosedResourceError
        with trio.CancelScope() as self._reading:
            while True:
                data = await self._next(max_bytes)
                if self._meter is None:
                    return data
                good, heard = await self._measured(self._meter, data)
                if not heard:
                    return good
        raise trio.ClosedResourceError

    async def _next(self, max_bytes: int | None) -> bytes:
        while self._meter is not None and not self._is_open:
            await self._opening.sleep()
        if self._trailing:
            data, self._trailing = self._trailing, b""
            return data
        try:
            data = bytes(await self._raw.receive_some(max_bytes))
        except trio.BrokenResourceError:
            if self._is_open:
                raise
            data = b""
        if not data and not self._is_open:
            raise EOFError("the peer left during the handshake")
        return data

    async def _measured(self, meter: FrameMeter, data: bytes) -> tuple[bytes, bool]:
        """Return what is within the bounds, and nothing after that, and whether it was heard."""
        may_hear = self._hears is not None and meter.between_messages
        if (good := meter.feed(data)) < len(data):
            self.refusal = (TOO_BIG, "message too big")
            self._ended = True
            if good == 0:
                raise trio.ClosedResourceError
        if meter.controls >= self._throttle_at:
            # Reading waits, and with it the peer: a flood of pings costs it more than us.
            await trio.sleep_until(self._throttle_from + 1)
            self._throttle_from = trio.current_time()
            self._throttle_at = meter.controls + self._limits.control_frames_per_second
        return data[:good], may_hear and good == len(data) and self._take(data)

    def _take(self, data: bytes) -> bool:
        self._heard += 1  # so that the listener sees what was passed on before
        text = whole_text(data)
        if text is not None and self._hears is not None and self._hears(text):
            return True
        self._heard -= 1
        return False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send one whole frame, the handshake, or nothing; see `trio.abc.SendStream`.

        Takes no turn of the loop where the socket takes all of it at once: who sends much has to
        let the others on. Cancellation while a part may have gone out cuts the connection.
        """
        # A free lock costs nothing this way, and a turn of the loop by `async with`.
        try:
            self._lock.acquire_nowait()
        except trio.WouldBlock:
            await self._lock.acquire()
        try:
            await self._send_locked(bytes(data))
        finally:
            self._lock.release()

    def send_now(self, frame: bytes) -> bool:
        """Send one whole frame as far as that goes without waiting; see `SendsNow`."""
        if self._closed or self._close_sent or self._lock.locked():
            sent = 0
        else:
            sent = send_now(self._raw, frame)
        if sent == len(frame):
            return True
        self._unsent = memoryview(frame)[sent:]
        return False

    async def flush(self) -> None:
        """Send what `send_now` could not; waits, raises and is cancelled as `send_all`."""
        await self.send_all(b"")

    async def _send_locked(self, data: bytes) -> None:
        if self._closed or self._close_sent:
            raise trio.ClosedResourceError
        self._close_sent = data[:1] == _CLOSES
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
            if self._unsent:
                await self._send_unsent()
            if (sent := send_now(self._raw, data)) < len(data):
                await send_within(self._raw, memoryview(data)[sent:], self._limits.slow_seconds)
        except BaseException:
            self.cut()
            raise

    async def _send_unsent(self) -> None:
        await send_within(self._raw, memoryview(self._unsent), self._limits.slow_seconds)
        self._unsent = b""

    async def wait_send_all_might_not_block(self) -> None:
        """Return when sending might not block; see `trio.abc.SendStream`."""
        await self._raw.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """End the library's reading and writing; the socket stays for `finish`."""
        self._ended = True
        if self._reading is not None:
            self._reading.cancel()
        await trio.lowlevel.checkpoint()

    async def finish(self, violation: int | None) -> None:
        """Say the last word before the owner closes the socket.

        Takes `Limits.close_seconds` at the most. Cancellation is harmless.

        Args:
            violation: the close code for what the peer did wrong, which the library leaves unsaid;
                None where nothing is left to say.
        """
        if violation is None or self._close_sent or self._closed:
            return
        with trio.move_on_after(self._limits.close_seconds):
            try:
                await self.send_all(close_frame(violation))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return
            await linger(self._raw, self._limits.close_seconds)

"""Finding out that a peer is gone although its connection is not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import trio

from .link import LinkClosed

if TYPE_CHECKING:
    from actors.limits import Limits
    from actors.timers import Timers

    from .link import Link


class Heartbeat:
    """Pings the peer of one link now and then, until it leaves a ping unanswered.

    A dead peer is noticed within twice `Limits.heartbeat_seconds`. There is a task only while an
    answer is due: between the pings, there is a timer.

    Args:
        link: one that is being received from, since the answers come in between the messages.
        limits: its `heartbeat_seconds` is the pause between an answer and the next ping; the link
            waits for the answer as long.
        timers: say when the pause is over.
        on_beat: called before each ping.
        on_silence: called once, where the link is closed, or the peer left a ping unanswered:
            close with 4004 then. On a link that is closed already, that changes nothing.
    """

    __slots__ = ("_limits", "_link", "_nursery", "_on_beat", "_on_silence", "_timers")

    def __init__(
        self,
        link: Link,
        limits: Limits,
        timers: Timers,
        on_beat: Callable[[], None],
        on_silence: Callable[[], Awaitable[None]],
    ) -> None:
        self._link = link
        self._limits = limits
        self._timers = timers
        self._on_beat = on_beat
        self._on_silence = on_silence
        self._nursery: trio.Nursery | None = None

    def begin(self, nursery: trio.Nursery) -> None:
        """Ping from now on, in tasks of a nursery; what `on_silence` raises goes there."""
        self._nursery = nursery
        self._timers.start(self, self._limits.heartbeat_seconds)

    def end(self) -> None:
        """Ping no more."""
        self._nursery = None
        self._timers.stop(self, self._limits.heartbeat_seconds)

    def nudge(self) -> None:
        """Ping: the pause is over."""
        if self._nursery is not None:
            self._nursery.start_soon(self._beat)

    async def _beat(self) -> None:
        self._on_beat()
        try:
            await self._link.ping()
        except (trio.TooSlowError, LinkClosed):
            await self._on_silence()
        else:
            if self._nursery is not None:
                self.begin(self._nursery)

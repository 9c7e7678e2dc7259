"""The courier: one task that sends to every connection that is free what became visible.

Most of what a server says is a frame to a connection that waits for nothing else and whose socket
has room. A task of its own that is woken for each such frame costs as much as all the rest of it.
So a connection whose task rests puts itself on the courier's list, and one task sends for all of
them; what cannot go at once is the connection's own task's again.
"""

from __future__ import annotations

from typing import Final, Protocol

import trio

from actors.sleeper import Sleeper

# Connections that are served before the others get their turn of the loop: each takes some ten
# microseconds.
_BURST: Final = 32


class Sender(Protocol):
    """Somebody who has something to send."""

    def send_now(self) -> None:
        """Send what goes out without waiting. Returns at once and never raises."""


class Courier:
    """Sends for all connections of one server, while `run` runs.

    Bounded by the connections: each is on the list once.
    """

    def __init__(self) -> None:
        self._waiting: dict[Sender, None] = {}
        self._news = Sleeper()
        self.running = False

    def add(self, sender: Sender) -> None:
        """Have a sender's `send_now` called, behind those that came earlier."""
        if not self._waiting:  # it does not sleep while somebody waits
            self._news.wake()
        self._waiting[sender] = None

    async def run(self) -> None:
        """Serve until cancelled, as long as there are connections."""
        self.running = True
        try:
            while True:
                await self._serve_all()
                await self._news.sleep()
        finally:
            self.running = False

    async def _serve_all(self) -> None:
        served = 0
        while self._waiting:
            sender = next(iter(self._waiting))
            del self._waiting[sender]
            sender.send_now()
            served += 1
            if served % _BURST == 0:
                await trio.lowlevel.checkpoint()

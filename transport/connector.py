"""Keeps a client connected: one connection after the other, with waits between them."""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio
from attrs import frozen

from .background import background_nursery
from .connection import Connection, Disconnection, OpenLink
from .wire.backoff import Backoff

if TYPE_CHECKING:
    from actors.limits import Limits

    from .dispatcher import Dispatcher

log = logging.getLogger("holdfast.client")


class ConnectionState(enum.StrEnum):
    """What a client is doing about its connection."""

    CONNECTING = "connecting"
    OPEN = "open"
    RECONNECTING = "reconnecting"
    CLOSED = "closed"


@frozen
class ConnectionStatus:
    """How a client stands with its server.

    Args:
        state: `connecting` while it dials, `open` once it is welcome, `reconnecting` while it waits
            to dial again, `closed` for good.
        attempt: which attempt to connect this is, or waits to be made, from 1; it counts from the
            last connection that was open.
        delay: seconds until that attempt, from when the state began; 0 unless reconnecting.
        reason: why there is no connection, in a sentence for a person; empty while there is one.
    """

    state: ConnectionState
    attempt: int = 1
    delay: float = 0.0
    reason: str = ""


class Connector:
    """Runs one client's connections.

    Args:
        dispatcher: what the connections are for.
        open_link: dials; it is bounded by itself.
        limits: the bounds in force.
        random: returns a number in [0, 1).

    Attributes:
        status: how the client stands with its server.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        open_link: OpenLink,
        limits: Limits,
        random: Callable[[], float],
    ) -> None:
        self.status = ConnectionStatus(ConnectionState.CONNECTING)
        self._dispatcher = dispatcher
        self._open_link = open_link
        self._limits = limits
        self._backoff = Backoff(random, limits)
        self._connection: Connection | None = None
        self._watchers: list[Callable[[ConnectionStatus], None]] = []
        self._changed = trio.lowlevel.ParkingLot()
        self._closing = False

    def watch(self, watcher: Callable[[ConnectionStatus], None]) -> None:
        """Call `watcher` now, and whenever the status changes."""
        self._watchers.append(watcher)
        watcher(self.status)

    async def opened(self) -> None:
        """Wait until a connection is open.

        Raises:
            ClientClosed: there is none and there will be none.

        Cancellation changes nothing.
        """
        await trio.lowlevel.checkpoint()
        while self.status.state is not ConnectionState.OPEN:
            self._dispatcher.check_open()
            await self._changed.park()

    async def run(self) -> None:
        """Stay connected until `close`, or until the server does not want this client back.

        Cancellation cuts the connection.
        """
        attempt = 1
        while True:
            reason = self.status.reason
            self._tell(ConnectionStatus(ConnectionState.CONNECTING, attempt, reason=reason))
            ending = await self._connect()
            if self._closing:
                return
            if ending.final:
                self.closed(ending.reason, ending.code)
                return
            self._dispatcher.lost(ending.reason, ending.code)
            attempt = 1 if self.status.state is ConnectionState.OPEN else attempt + 1
            await self._wait(attempt, ending.reason)

    async def close(self) -> None:
        """Say goodbye, where there is a connection; after `Limits.close_seconds` without an answer.

        Cancellation cuts the connection.
        """
        self._closing = True
        link = self._connection.link if self._connection is not None else None
        if link is not None:
            await link.aclose()

    def closed(self, reason: str, code: int | None = None) -> None:
        """Note that there is no connection any more and will be none, and tell everybody; once."""
        if self.status.state is not ConnectionState.CLOSED:
            self._dispatcher.close(reason, code)
            self._tell(ConnectionStatus(ConnectionState.CLOSED, reason=reason))

    async def _connect(self) -> Disconnection:
        connection = Connection(
            self._dispatcher, self._limits, self._welcomed, self._backoff.goaway
        )
        self._connection = connection
        async with background_nursery() as nursery:
            await connection.hold(nursery, self._open_link)
        return connection.ending

    async def _wait(self, attempt: int, reason: str) -> None:
        delay = self._backoff.next_wait(trio.current_time())
        # An outage is worth a warning, its length is not.
        level = logging.WARNING if self.status.state is ConnectionState.OPEN else logging.INFO
        log.log(level, "%s; connecting again in %.1f s (attempt %d)", reason, delay, attempt)
        self._tell(ConnectionStatus(ConnectionState.RECONNECTING, attempt, delay, reason))
        await trio.sleep(delay)

    def _welcomed(self) -> None:
        self._backoff.connected(trio.current_time())
        if self.status.state is not ConnectionState.OPEN:
            self._tell(ConnectionStatus(ConnectionState.OPEN, self.status.attempt))

    def _tell(self, status: ConnectionStatus) -> None:
        if status == self.status:
            return
        self.status = status
        self._changed.unpark_all()
        for watcher in tuple(self._watchers):
            watcher(status)

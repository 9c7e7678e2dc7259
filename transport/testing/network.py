"""A network on virtual time, which is late, loses, cuts and stalls as the run's tape says.

Its links pass `link_contract` like every other. Within a connection nothing overtakes; between
connections anything may.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import trio
from attrs import define, field

from actors.limits import DEFAULT_LIMITS, Limits

from ..link import ABNORMAL, ConnectFailed
from .simulated_link import SimulatedLink, Way

if TYPE_CHECKING:
    from actors.testing.schedulers.scheduler import Scheduler

# Messages that each direction of a connection holds before a sender has to wait.
IN_FLIGHT: Final = 8
# What a cut may lose of a direction, from the last message backwards.
_LOST: Final = (0, 1, 1, 2, 1000)
# Ticks that a stalled side may take nothing for: the last is longer than anybody waits.
_STALLED: Final = (24, 384, 1024)


@define(eq=False)
class Connection:
    """Both ends of a connection, and what may befall it between them.

    Attributes:
        number: tells the connections of a network apart, from 1.
        client, server: the ends.
    """

    number: int
    client: SimulatedLink
    server: SimulatedLink
    _network: SimulatedNetwork = field(repr=False)

    @property
    def is_open(self) -> bool:
        """Whether neither end is closed, as far as the ends know."""
        return self.client.is_open and self.server.is_open

    def cut(self, after: int = 0) -> None:
        """Break it: what was sent last may be lost, and each side notices in its own time.

        Args:
            after: when the client has taken so many more messages; 0 is now.
        """
        if after:
            self.client.inbox.when_taken(after, self.cut)
            return
        for link in (self.client, self.server):
            self._break(link.outbox)

    def vanish(self) -> None:
        """Break it without a word, for good: who asks for no sign of life never finds out."""
        self._network.vanished = True
        for link in (self.client, self.server):
            link.outbox.vanish()

    def half_close(self, side: SimulatedLink) -> None:
        """Let nothing more through from one side; the other one notices in its own time."""
        self._break(side.outbox)

    def stall(self, side: SimulatedLink) -> None:
        """Have one side take nothing for a while."""
        self._network.do(self._stall, side.inbox)

    def sever(self) -> None:
        """Break it with all that is under way, at once: a process is gone."""
        for link in (self.client, self.server):
            link.outbox.lose(len(link.outbox.items) + 1)
            link.outbox.finish(ABNORMAL)

    def heal(self) -> None:
        """Let a side that was stalled take what there is."""
        for link in (self.client, self.server):
            link.inbox.stall(False)

    def _break(self, way: Way) -> None:
        way.lose(self._network.delays.choose(_LOST))
        self._network.do(self._notice, way)

    async def _notice(self, way: Way) -> None:
        await self._network.delays.step()
        way.finish(ABNORMAL)

    async def _stall(self, way: Way) -> None:
        way.stall(True)
        await self._network.delays.wait(self._network.delays.choose(_STALLED))
        way.stall(False)


class SimulatedNetwork:
    """Connections between clients and whoever listens.

    Args:
        delays: decides what is late, and what faults do.
        nursery: where what takes its time goes on.
        limits: bounds of the links.
        in_flight: messages that each direction holds before a sender has to wait.

    Attributes:
        connections: all that ever were.
        vanished: whether one of them broke without a word, or is about to.
        listener: attends the server's end of a new connection; None while nobody listens.
    """

    def __init__(
        self,
        delays: Scheduler,
        nursery: trio.Nursery,
        limits: Limits = DEFAULT_LIMITS,
        in_flight: int = IN_FLIGHT,
    ) -> None:
        self.delays = delays
        self.connections: list[Connection] = []
        self.vanished = False
        self.listener: Callable[[Connection], Awaitable[None]] | None = None
        self._nursery = nursery
        self._limits = limits
        self._in_flight = in_flight

    async def dial(self) -> Connection:
        """Connect.

        Raises:
            ConnectFailed: nobody listens.
        """
        await trio.lowlevel.checkpoint()
        await self.delays.step()
        if self.listener is None:
            raise ConnectFailed("nobody listens")
        connection = self.pair()
        self._nursery.start_soon(self.listener, connection)
        return connection

    def pair(self) -> Connection:
        """Return a new connection, which nobody attends."""
        up, down = Way(self._in_flight), Way(self._in_flight)
        number = len(self.connections) + 1
        limits = self._limits
        server = SimulatedLink(f"client {number}", up, down, limits, self.delays)
        client = SimulatedLink(f"server {number}", down, up, limits, self.delays)
        server.connect(client, limits.frame_bytes)
        client.connect(server, limits.client_frame_bytes)
        connection = Connection(number, client, server, self)
        self.connections.append(connection)
        return connection

    def sever(self) -> None:
        """Break every connection at once."""
        for connection in self.connections:
            connection.sever()

    def heal(self) -> None:
        """End what stalls; cuts stay cut."""
        for connection in self.connections:
            connection.heal()

    def do(self, task: Callable[[Way], Awaitable[None]], way: Way) -> None:
        """Have something go on by itself."""
        self._nursery.start_soon(task, way)

"""What library clients and raw ones make of a scenario's steps alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import trio
from attrs import define, field

from actors.core.items import item_id
from actors.core.position import parse_cursor
from actors.testing import operations as do
from actors.testing.facts import Fact
from actors.testing.process import Process
from actors.testing.schedule import TICK
from actors.testing.side import Side
from actors.testing.wire_facts import Befell, WireFact
from actors.testing.world import World

from ..exchange import Request, Response
from .network import SimulatedNetwork
from .wire_log import WatchedLink, WireLog

if TYPE_CHECKING:
    from actors.testing.scenario import Step

    from .network import Connection
    from .simulated_link import SimulatedLink

# The numbers of requests lie above those of the network's connections.
_REQUESTS: Final = 100_000
# Whom a token that is no good speaks for.
NOBODY: Final = "nobody"
# After how many signs of life a cut is one that nobody is told of; mostly both sides are.
_VANISHES: Final = (None, None, None, None, 0, 1)
# How often a token is good.
_GOOD: Final = (*[True] * 7, False)


@define(eq=False)
class Surroundings:
    """What every client of a run shares.

    Args:
        world: its time, its choices.
        network: the way to the server.
        log: what goes over the wire.
        nursery: where clients live.
        note: notes a fact in the present life of the process.
        process: returns that life.
        listening: returns it once it listens.
        answer: has that life answer a request for a thread.
        requests: those that are under way, which a server cuts when it stops.
    """

    world: World
    network: SimulatedNetwork
    log: WireLog
    nursery: trio.Nursery
    note: Callable[[Fact | WireFact], None]
    process: Callable[[], Process]
    listening: Callable[[], Awaitable[Process]]
    answer: Callable[[Request], Awaitable[Response]]
    numbers: int = 0
    asking: dict[int, None] = field(factory=dict)
    requests: dict[trio.CancelScope, None] = field(factory=dict)

    def number(self) -> int:
        """Return the number of the next ask or reader."""
        self.numbers += 1
        return self.numbers

    def request_number(self) -> int:
        """Return the number of the next HTTP request."""
        return _REQUESTS + self.number()

    def token(self, principal: str, connection: int) -> str:
        """Return what a client without a library shows: sometimes it is no good."""
        good = self.world.delays.choose(_GOOD)
        return f"{principal if good else NOBODY}:{connection}"

    def watched(self, connection: Connection, client: int, principal: str) -> WatchedLink:
        """Return a client's end of a connection, under observation."""
        link, number = connection.client, connection.number
        return WatchedLink(link, number, client, principal, self.process(), self.log)

    def befall(
        self,
        connection: Connection | None,
        fault: do.CutConnection | do.HalfClose | do.Stall,
        *,
        unnoticed: WatchedLink | None = None,
    ) -> None:
        """Have something befall a connection, where there is one that is open.

        Args:
            connection: the one.
            fault: what it is.
            unnoticed: the client's end, where it asks for signs of life: a cut may be one that no
                side is told of then, as the tape chooses. Once in a run: it takes long to find out.
        """
        if connection is None or not connection.is_open:
            return
        if isinstance(fault, do.CutConnection) and self._vanishes(connection, unnoticed):
            return
        self.note(Befell(connection.number, str(fault)))
        match fault:
            case do.CutConnection(after=after):
                connection.cut(after)
            case do.HalfClose(side=side):
                connection.half_close(_end(connection, side))
            case do.Stall(side=side):
                connection.stall(_end(connection, side))

    def _vanishes(self, connection: Connection, end: WatchedLink | None) -> bool:
        if end is None or self.network.vanished:
            return False
        beats = self.world.delays.choose(_VANISHES)
        if beats is None:
            return False
        self.network.vanished = True
        if beats:
            self.nursery.start_soon(self._vanish_later, connection, end, beats)
        else:
            self._vanish(connection, end)
        return True

    async def _vanish_later(self, connection: Connection, end: WatchedLink, beats: int) -> None:
        """Break a connection that is old: who asks for signs of life asks again and again."""
        await trio.sleep(beats * self.world.limits.heartbeat_seconds + TICK)
        if connection.is_open:
            self._vanish(connection, end)

    def _vanish(self, connection: Connection, end: WatchedLink) -> None:
        self.note(Befell(connection.number, "break it without a word"))
        self.log.vanish(end)
        connection.vanish()

    def argument(self, step: Step) -> str | None:
        """Return which turn or item a step is about, of those that somebody was told of."""
        turns = self.log.turns[step.thread] or ["t0"]
        match step.operation:
            case do.Cancel(target=do.Target.NEWEST):
                return turns[-1]
            case do.Cancel(target=do.Target.EARLIER):
                return turns[-2:][0]
            case do.Cancel(target=do.Target.UNKNOWN):
                return "t0"
            case (
                do.Truncate(clear=False)
                | do.Submit(first=do.Truncate(clear=False))
                | do.Fork(place=do.Place.MESSAGE | do.Place.SHOWN)
            ):
                return item_id(turns[-1], 0)
            case do.ReadPage(older=True):
                return item_id(turns[-1], 0)
            case do.Fork(place=do.Place.EARLIER):
                return item_id(turns[-2:][0], 0)
            case do.Fork(place=do.Place.UNKNOWN):
                return item_id("t0", 0)
            case _:
                return None

    def cursor(self, client: int, thread: str, cursor: do.Cursor) -> str | None:
        """Return a cursor of the sort that a step asks for, of those that the client was given."""
        held = self.log.cursors.get((client, thread))
        if cursor is do.Cursor.NONE or not held:
            return None
        newest = parse_cursor(held[-1])
        match cursor:
            case do.Cursor.STALE:
                return held[0]
            case do.Cursor.AHEAD:
                return f"{newest.epoch}.{newest.offset + 1000}"
            case do.Cursor.FOREIGN:
                return f"{newest.epoch + 1000}.{newest.offset}"
            case do.Cursor.UNREADABLE:
                return "no cursor"
            case _:
                return held[-1]

    def followed(self, client: int) -> list[str]:
        """Return the threads that a client was ever shown."""
        return [thread for number, thread in list(self.log.cursors) if number == client]


def _end(connection: Connection, side: Side) -> SimulatedLink:
    return connection.client if side is Side.CLIENT else connection.server

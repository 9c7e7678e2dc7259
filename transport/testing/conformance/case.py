"""What one check runs in: connections that end with it, and threads that nobody else has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import trio
from attrs import define, field, frozen

from ...background import background_nursery
from .channel import Carrier, Channel, Dialler, Socket, SocketCarrier
from .peer import Peer
from .reader import Reader

if TYPE_CHECKING:
    from .stream import Message

_DEFAULTS: Final[Mapping[str, float]] = {
    "command_bytes": 64 << 10,
    "frame_bytes": 1 << 20,
    "turn_output_bytes": 32 << 20,
    "cancel_grace_seconds": 5,
    "drain_seconds": 5,
    "slow_seconds": 30,
}


@frozen
class Target:
    """The server under test.

    Args:
        carrier: how to reach it.
        run: a name for this run, which its threads' ids begin with.
        limits: the figures of its `welcome`; the protocol's own where it told none.
        heartbeat_seconds: likewise.
    """

    carrier: Carrier
    run: str
    limits: Mapping[str, float] = _DEFAULTS
    heartbeat_seconds: float = 20.0


def limits_of(welcome: Message) -> dict[str, float]:
    """Return the figures of a welcome, with the protocol's own for those that it leaves out."""
    told = welcome.get("limits")
    figures = told if isinstance(told, dict) else {}
    known = {name: figures.get(name) for name in _DEFAULTS}
    return {
        name: value if isinstance(value, int | float) and value > 0 else _DEFAULTS[name]
        for name, value in known.items()
    }


_threads = count(1)


@define(eq=False)
class Case:
    """The run of one check.

    Attributes:
        target: the server under test.
        peers: every connection that the check opened, those of event streams among them.
    """

    target: Target
    _nursery: trio.Nursery
    peers: list[Peer | Reader] = field(factory=list)
    _names: dict[str, str] = field(factory=dict)

    async def connect(self) -> Peer:
        """Open a connection, and wait for its welcome.

        Raises:
            Violation: none came.
            Unreachable: the server takes no connection.
        """
        peer = Peer(await self.target.carrier.connect(self._nursery))
        self.peers.append(peer)
        self._nursery.start_soon(peer.read)
        await peer.until(lambda m: m["type"] == "welcome", "welcome")
        return peer

    async def follow(
        self, thread: str, *, cursor: str | None = None, last_id: str | None = None, query: str = ""
    ) -> Reader:
        """Ask for a thread's event stream, and wait until the answer begins.

        Args:
            thread: its id, or what is no id at all.
            cursor: as `?cursor=`.
            last_id: as `Last-Event-ID`.
            query: further fields.

        Raises:
            Violation: nothing is answered.
            Unreachable: the server takes no connection.
        """
        carrier = self.target.carrier
        assert isinstance(carrier, Dialler)
        fields = [query] if query else []
        fields += [f"cursor={cursor}"] if cursor is not None else []
        target = f"{carrier.base}/threads/{thread}/events{'?' * bool(fields)}{'&'.join(fields)}"
        reader = Reader(thread, last_id or cursor, await carrier.dial())
        self.peers.append(reader)
        headers = [("Host", carrier.authority), ("Accept", "text/event-stream")]
        headers += [("Last-Event-ID", last_id)] if last_id is not None else []
        self._nursery.start_soon(reader.read, target, headers)
        await reader.answered()
        return reader

    async def stranger(self) -> Channel:
        """Open a connection that nobody reads; whoever asked for it cuts it."""
        return await self.target.carrier.connect(self._nursery)

    def thread(self, name: str = "a") -> str:
        """Return the id of a thread of this check's own."""
        if name not in self._names:
            self._names[name] = f"{self.target.run}-{next(_threads)}-{name}"
        return self._names[name]

    @property
    def site(self) -> SocketCarrier:
        """The carrier, of checks that need a socket."""
        assert isinstance(self.target.carrier, SocketCarrier)
        return self.target.carrier

    def limit(self, name: str) -> int:
        """Return a figure of the welcome, in whole bytes or seconds."""
        return int(self.target.limits[name])

    async def finished(self, peer: Peer, thread: str, content: str, **fields: Any) -> Message:
        """Submit on an attached thread, wait for the end, and return the receipt."""
        receipt = await peer.submit(thread, content, **fields)
        await peer.ending(thread, receipt["turn"])
        return receipt

    async def held(self, peer: Peer, thread: str, seconds: float = 0.0) -> str:
        """Have a turn hold on an attached thread, wait for what it says; return its id."""
        turn: str = (await peer.submit(thread, f"hold {seconds:g}"))["turn"]
        await peer.until_said(thread, turn, "2 ")
        return turn


def socket_of(channel: Channel) -> Socket:
    """Return the socket of a check that needs one."""
    assert isinstance(channel, Socket)
    return channel


@asynccontextmanager
async def open_case(target: Target) -> AsyncIterator[Case]:
    """Open what one check runs in; its connections are cut at the end."""
    async with background_nursery() as nursery:
        case = Case(target, nursery)
        try:
            yield case
        finally:
            for peer in case.peers:
                peer.cut()

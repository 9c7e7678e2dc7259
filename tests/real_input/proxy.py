"""A TCP proxy that cuts connections at drawn places, and counts what it cut."""

from __future__ import annotations

import socket
import struct
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio
from attrs import define, field

from .frames import Piece, Splitter

if TYPE_CHECKING:
    import random

# What a cut falls into. `byte` is any byte of what the server sends, wherever that is.
KINDS = ("frame", "before_reply", "before_attached", "byte")


@define
class Plan:
    """Where one connection is cut.

    Args:
        kind: one of `KINDS`.
        after: how many of the server's frames pass first (bytes for `byte`).
        part: which share of the fatal frame still passes, for `frame`; 0 to 1.
        reset: end with RST rather than FIN.
    """

    kind: str
    after: int
    part: float
    reset: bool


@define
class _Connection:
    """What is known of one connection that passes through."""

    plan: Plan | None
    submits: set[str] = field(factory=set)
    attaches: set[str] = field(factory=set)
    frames: int = 0
    bytes: int = 0


class _Cut(Exception):
    """The connection ends here."""


class Quotas:
    """Draws plans until every kind of cut has happened often enough.

    Args:
        rng: what is drawn from.
        wanted: cuts by kind.
    """

    def __init__(self, rng: random.Random, wanted: dict[str, int]) -> None:
        self._rng = rng
        self._wanted = wanted

    def met(self, cuts: Counter[str]) -> bool:
        """Say whether all has been cut that was to be cut."""
        return all(cuts[kind] >= count for kind, count in self._wanted.items())

    def draw(self, cuts: Counter[str]) -> Plan | None:
        """Return the plan of one more connection; now and then one may live."""
        missing = [kind for kind, count in self._wanted.items() if cuts[kind] < count]
        if not missing or self._rng.random() < 0.1:
            return None
        kind = self._rng.choice(missing)
        after = self._rng.randint(200, 2000) if kind == "byte" else self._rng.randint(1, 8)
        return Plan(kind, after, self._rng.random(), self._rng.random() < 0.5)


class CuttingProxy:
    """Forwards connections to a server, and cuts them by plan.

    Args:
        target: the port of the server on loopback; it may be down.
        quotas: gives the plan of the next connection.
    """

    def __init__(self, target: int, quotas: Quotas) -> None:
        self.target = target
        self.cuts: Counter[str] = Counter()
        self.quotas = quotas

    @property
    def done(self) -> bool:
        """Whether there were enough cuts of every kind."""
        return self.quotas.met(self.cuts)

    async def serve(self, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen on a free port of loopback until cancelled."""
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        task_status.started(listeners[0].socket.getsockname()[1])
        await trio.serve_listeners(self._forward, listeners)

    async def _forward(self, client: trio.SocketStream) -> None:
        connection = _Connection(self.quotas.draw(self.cuts))
        try:
            server = await trio.open_tcp_stream("127.0.0.1", self.target)
        except OSError:
            await trio.aclose_forcefully(client)
            return
        try:
            async with server, client, trio.open_nursery() as nursery:
                nursery.start_soon(self._pump, client, server, connection, self._sent_up, nursery)
                nursery.start_soon(self._pump, server, client, connection, self._sent_down, nursery)
        except* _Cut:
            self.cuts[connection.plan.kind if connection.plan else "?"] += 1
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # a peer went by itself, or was killed

    async def _pump(
        self,
        source: trio.SocketStream,
        sink: trio.SocketStream,
        connection: _Connection,
        passes: Callable[[_Connection, Piece], bytes | None],
        nursery: trio.Nursery,
    ) -> None:
        splitter = Splitter()
        async for data in source:
            for piece in splitter.feed(bytes(data)):
                kept = passes(connection, piece)
                if kept is None:
                    await sink.send_all(piece.raw)
                    continue
                if kept:
                    await sink.send_all(kept)
                if connection.plan is not None and connection.plan.reset:
                    _make_close_reset(sink, source)
                raise _Cut
        nursery.cancel_scope.cancel()

    def _sent_up(self, connection: _Connection, piece: Piece) -> bytes | None:
        match piece.message:
            case {"type": "submit", "id": str(label)}:
                connection.submits.add(label)
            case {"type": "attach", "id": str(label)}:
                connection.attaches.add(label)
        return None

    def _sent_down(self, connection: _Connection, piece: Piece) -> bytes | None:
        """Return what still passes of the piece that the cut falls into; None lets all pass."""
        plan = connection.plan
        connection.frames += 1
        connection.bytes += len(piece.raw)
        label = piece.message.get("id") if piece.message else None
        if plan is None or connection.frames == 1:  # the handshake's answer
            return None
        if plan.kind == "before_reply" and label in connection.submits:
            return b""
        if plan.kind == "before_attached" and label in connection.attaches:
            return b""
        if plan.kind == "frame" and connection.frames > plan.after + 1 and len(piece.raw) > 2:
            return piece.raw[: 1 + int(plan.part * (len(piece.raw) - 1))][:-1] or piece.raw[:1]
        if plan.kind == "byte" and connection.bytes > plan.after:
            return piece.raw[: len(piece.raw) - (connection.bytes - plan.after)]
        return None


def _make_close_reset(*streams: trio.SocketStream) -> None:
    for stream in streams:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

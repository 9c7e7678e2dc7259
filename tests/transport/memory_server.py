"""The real server on links in memory: sessions, runtime and journal, and cuts where a test wants.

Time is virtual, so the journal is the one in memory, and nothing else has to be replaced.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING

import trio
import trio.testing
from attrs import define, field, frozen

from actors import Limits, Runtime, ThreadKind, Turn, open_runtime
from actors.journal.memory import MemoryJournal
from transport import Client, connect
from transport.auth import Auth
from transport.background import background_nursery
from transport.link import ConnectFailed, Link, LinkClosed
from transport.session import Session
from transport.testing.memory import MemoryLink, memory_links

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

LIMITS = Limits(drain_seconds=1, cancel_grace_seconds=1)


@frozen
class Cut:
    """Where a connection is cut.

    Args:
        sent: after so many messages of the client's, or
        received: after so many of the server's, whichever comes first.
        lost: whether the last one that was sent is lost with the connection.
    """

    sent: int
    received: int
    lost: bool = False


NO_CUT = Cut(10**9, 10**9)


@define(eq=False)
class CutLink:
    """A client's end that is cut after some messages, and late by some seconds with each."""

    link: MemoryLink
    cut: Cut
    delays: Iterator[float]
    sent: int = 0
    received: int = 0

    @property
    def peer(self) -> str:
        return self.link.peer

    async def receive(self) -> str | bytes:
        message = await self.link.receive()
        await self._be_late()
        self.received += 1
        if self.received > self.cut.received:
            self.link.abort()
            raise LinkClosed(1006)
        return message

    async def send_text(self, text: bytes | str) -> None:
        await self._send(partial(self.link.send_text, text))

    async def send_binary(self, data: bytes) -> None:
        await self._send(partial(self.link.send_binary, data))

    async def _send(self, send: Callable[[], Awaitable[None]]) -> None:
        self.sent += 1
        if self.sent >= self.cut.sent and self.cut.lost:
            self.link.abort()
        await self._be_late()
        await send()
        if self.sent >= self.cut.sent:
            self.link.abort()

    async def ping(self) -> None:
        await self.link.ping()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        await self.link.aclose(code, reason)

    def abort(self) -> None:
        self.link.abort()

    async def _be_late(self) -> None:
        delay = next(self.delays)
        if delay:
            await trio.sleep(delay)


@define(eq=False)
class MemoryServer:
    """Serves a runtime in memory.

    Attributes:
        cuts: those of the next connections; further ones are not cut.
        up: whether it can be reached.
        dialled: how often it was.
        sessions: those that run.
    """

    runtime: Runtime
    nursery: trio.Nursery
    cuts: list[Cut] = field(factory=list)
    delays: Iterator[float] = field(factory=lambda: cycle([0.0]))
    up: bool = True
    dialled: int = 0
    links: list[CutLink] = field(factory=list)
    sessions: dict[Session, None] = field(factory=dict)
    auth: Auth = field(factory=Auth)

    async def open_link(self, nursery: trio.Nursery) -> Link:
        await trio.lowlevel.checkpoint()
        self.dialled += 1
        if not self.up:
            raise ConnectFailed("nobody listens here")
        near, far = memory_links(self.runtime.limits)
        self.nursery.start_soon(self._attend, near)
        link = CutLink(far, self.cuts.pop(0) if self.cuts else NO_CUT, self.delays)
        self.links.append(link)
        return link

    async def _attend(self, link: MemoryLink) -> None:
        session = Session(link, self.runtime, f"i{self.dialled}", self.auth)
        self.sessions[session] = None
        try:
            await session.run()
        except* LinkClosed:
            pass
        finally:
            link.abort()
            del self.sessions[session]

    async def stop(self) -> None:
        """Shut down in order, as the server does."""
        self.up = False
        for session in self.sessions:
            session.goaway(self.runtime.limits.drain_seconds)
        await self.runtime.drain()
        for session in tuple(self.sessions):
            await session.leave()


@asynccontextmanager
async def memory_server(
    on_turn: Callable[[Turn], Awaitable[None]] | ThreadKind,
    journal: MemoryJournal | Callable[[], Awaitable[MemoryJournal]] | None = None,
    *,
    limits: Limits = LIMITS,
    cuts: Iterable[Cut] = (),
    delays: Iterator[float] | None = None,
) -> AsyncGenerator[MemoryServer, None]:
    kind = on_turn if isinstance(on_turn, ThreadKind) else ThreadKind(on_turn=on_turn)
    async with (
        open_runtime(journal or MemoryJournal(), kind_of=lambda _: kind, limits=limits) as runtime,
        background_nursery() as nursery,
    ):
        yield MemoryServer(runtime, nursery, list(cuts), delays or cycle([0.0]))


@asynccontextmanager
async def client_of(server: MemoryServer, seed: int = 0) -> AsyncGenerator[Client, None]:
    async with connect(
        open_link=server.open_link, limits=server.runtime.limits, rng=random.Random(seed)
    ) as client:
        yield client


def run(play: Callable[[], Awaitable[None]]) -> None:
    """Run a test on a virtual clock, for at most a day of it."""

    async def bounded() -> None:
        with trio.fail_after(24 * 3600):
            await play()

    trio.run(bounded, clock=trio.testing.MockClock(autojump_threshold=0))


def paced(pieces: Iterable[str], seconds: float = 1.0) -> Callable[[Turn], Awaitable[None]]:
    """Return a handler that says the pieces, each after some seconds."""
    said = tuple(pieces)

    async def reply(turn: Turn) -> None:
        for piece in said:
            await trio.sleep(seconds)
            await turn.write(piece)

    return reply


PIECES = ("one ", "two ", "three")


def play(
    scene: Callable[[MemoryServer, Client], Awaitable[None]],
    on_turn: Callable[[Turn], Awaitable[None]] | ThreadKind | None = None,
    limits: Limits = LIMITS,
) -> None:
    """Run a scene of a server, whose handler says the three pieces, and one client."""

    async def opened() -> None:
        async with (
            memory_server(on_turn or paced(PIECES), limits=limits) as server,
            client_of(server) as client,
        ):
            await scene(server, client)

    run(opened)

"""A reader that does what a browser's `EventSource` does, and a server of streams in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import h11
import orjson
import trio
import trio.testing
from attrs import define, field
from memory_server import PIECES, paced, run

from actors import Limits, Runtime, ThreadKind, Turn, open_runtime
from actors.journal.memory import MemoryJournal
from transport.access import AccessPolicy
from transport.api import answer_api
from transport.auth import Auth
from transport.event_stream import EventStreams
from transport.http import Site, serve_connection
from transport.testing.event_source import EventParser, SentEvent

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

LIMITS = Limits(drain_seconds=1, cancel_grace_seconds=1)
_NEVER = 10**9


@define(eq=False)
class EventSource:
    """Follows one stream: comes back with the last id, until it is told not to.

    Args:
        open: opens a connection.
        target: path and query.
        headers: sent with every request, such as a cookie.
        cuts: after how many bytes of the body the next connections are cut.

    Attributes:
        heard: what was dispatched, of all connections.
        body: every byte of the answers' bodies.
        asked: the last id that each request was sent with; None for none.
        status: of the last answer.
        ended: how often the server ended an answer in order.
        closed: set once it will not come back.
    """

    open: Callable[[], Awaitable[trio.abc.Stream]]
    target: str
    headers: dict[str, str] = field(factory=dict)
    cuts: list[int] = field(factory=list)
    heard: list[SentEvent] = field(factory=list)
    body: bytearray = field(factory=bytearray)
    asked: list[str | None] = field(factory=list)
    status: int | None = None
    ended: int = 0
    retry_seconds: float = 3.0
    closed: trio.Event = field(factory=trio.Event)
    _last_id: str = ""
    _news: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    async def run(self) -> None:
        """Follow until an answer says that it is over."""
        while not self.closed.is_set():
            try:
                stream = await self.open()
            except OSError:
                pass
            else:
                async with stream:
                    await self._read(stream)
            if not self.closed.is_set():
                await trio.sleep(self.retry_seconds)

    async def until(self, wanted: Callable[[SentEvent], object]) -> SentEvent:
        """Wait for the first event that is wanted."""
        at = 0
        while True:
            while at < len(self.heard):
                at += 1
                if wanted(self.heard[at - 1]):
                    return self.heard[at - 1]
            await self._news.park()

    async def until_type(self, type: str) -> SentEvent:
        return await self.until(lambda event: event.type == type)

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.heard]

    @property
    def offsets(self) -> list[int]:
        """The offsets of the thread's events, with those that a range covers."""
        ranges = [(b["offset"], b.get("to", b["offset"])) for b in self.bodies if "offset" in b]
        return [offset for first, last in ranges for offset in range(first, last + 1)]

    @property
    def bodies(self) -> list[Any]:
        return [orjson.loads(event.data) for event in self.heard]

    async def _read(self, stream: trio.abc.Stream) -> None:
        peer = h11.Connection(h11.CLIENT)
        self.asked.append(self._last_id or None)
        headers = {"Host": "127.0.0.1", "Accept": "text/event-stream", **self.headers}
        if self._last_id:
            headers["Last-Event-ID"] = self._last_id
        request = h11.Request(method="GET", target=self.target, headers=list(headers.items()))
        data = peer.send(request) + peer.send(h11.EndOfMessage())
        with suppress(trio.BrokenResourceError, h11.RemoteProtocolError):
            await stream.send_all(data)
            await self._follow(stream, peer, self.cuts.pop(0) if self.cuts else _NEVER)

    async def _follow(self, stream: trio.abc.Stream, peer: h11.Connection, left: int) -> None:
        parser = EventParser()
        while left > 0:
            event = peer.next_event()
            if event is h11.NEED_DATA:
                peer.receive_data(bytes(await stream.receive_some()))
            elif isinstance(event, h11.Response):
                self._look(event)
            elif isinstance(event, h11.Data):
                self._take(parser, bytes(event.data[:left]))
                left -= len(event.data)
            else:
                self.ended += isinstance(event, h11.EndOfMessage)
                return
            if self.closed.is_set():
                return

    def _look(self, response: h11.Response) -> None:
        self.status = response.status_code
        types = [value for name, value in response.headers if name == b"content-type"]
        if response.status_code != 200 or types != [b"text/event-stream"]:
            self.closed.set()

    def _take(self, parser: EventParser, data: bytes) -> None:
        self.body += data
        self.heard += parser.feed(data)
        if parser.last_id is not None:
            self._last_id = parser.last_id
        if parser.retry_ms is not None:
            self.retry_seconds = parser.retry_ms / 1000
        self._news.unpark_all()


@define(eq=False)
class StreamServer:
    """Serves the streams of a runtime on connections in memory."""

    runtime: Runtime
    streams: EventStreams
    nursery: trio.Nursery
    auth: Auth = field(factory=Auth)
    connections: int = 0
    kept: list[trio.abc.Stream] = field(factory=list)

    async def open(self) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        near, far = trio.testing.memory_stream_pair()
        self.nursery.start_soon(self.serve, near)
        return far

    async def serve(self, stream: trio.abc.Stream) -> None:
        answer = partial(answer_api, self.runtime, self.auth, self.streams)
        site = Site(
            routes={},
            serve_link=_no_session,
            access=AccessPolicy(),
            limits=self.runtime.limits,
            mounts={"threads": answer},
        )
        self.connections += 1
        try:
            async with stream:
                await serve_connection(stream, site)
        except* trio.BrokenResourceError:
            pass
        finally:
            self.connections -= 1

    def source(self, thread: str = "t", query: str = "", **options: Any) -> EventSource:
        return EventSource(self.open, f"/threads/{thread}/events{query}", **options)

    @asynccontextmanager
    async def following(
        self, thread: str = "t", query: str = "", **options: Any
    ) -> AsyncIterator[EventSource]:
        """Follow a thread for as long as the block."""
        async with trio.open_nursery() as nursery:
            source = self.source(thread, query, **options)
            nursery.start_soon(source.run)
            yield source
            nursery.cancel_scope.cancel()

    async def said(self, content: str, thread: str = "t") -> str:
        """Submit, wait for the end, and return the turn."""
        receipt = await self.runtime.thread(thread).submit(content, on_busy="queue")
        await self.runtime.thread(thread).outcome(receipt.turn)
        return receipt.turn


async def _no_session(link: object, request: object) -> None:
    raise AssertionError("nobody asks for a WebSocket here")


@asynccontextmanager
async def stream_server(
    on_turn: Callable[[Turn], Awaitable[None]] | ThreadKind,
    *,
    limits: Limits = LIMITS,
) -> AsyncGenerator[StreamServer, None]:
    kind = on_turn if isinstance(on_turn, ThreadKind) else ThreadKind(on_turn=on_turn)
    async with (
        open_runtime(MemoryJournal(), kind_of=lambda _: kind, limits=limits) as runtime,
        trio.open_nursery() as nursery,
    ):
        yield StreamServer(runtime, EventStreams(limits, lambda: 0.5), nursery)
        nursery.cancel_scope.cancel()


def play(
    scene: Callable[[StreamServer], Awaitable[None]],
    on_turn: Callable[[Turn], Awaitable[None]] | ThreadKind | None = None,
) -> None:
    """Run a scene with a server of streams, on virtual time."""

    async def opened() -> None:
        async with stream_server(on_turn or paced(PIECES)) as server:
            await scene(server)

    run(opened)


async def status_of(server: StreamServer, thread: str, **options: Any) -> int | None:
    """Return what a reader is told that will not come back."""
    source = server.source(thread, **options)
    await source.run()
    assert source.heard == []
    return source.status

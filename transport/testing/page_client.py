"""A client like a page without a socket of its own for what it follows: Server-Sent Events.

It speaks as a raw client does, and opens a request for each thread that it follows; a browser comes
back with the last id that it was given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import orjson
import trio
from attrs import define, field

from actors.core.event_codec import Row
from actors.core.position import parse_cursor
from actors.core.resume import Mode
from actors.delivery.batches import Batch, Events
from actors.testing import operations as do
from actors.testing.facts import Answered, Attached, Called, Left, Lost, Refused, Saw, Surprise
from actors.testing.wire_facts import Connected, Delivered, Sent

from ..event_stream import EventStream
from ..exchange import Request, Response
from ..remote_batches import as_batch
from ..wire import server_messages as wire
from ..wire.client_codec import decode_server
from .event_source import EventParser, SentEvent
from .raw_client import RawClient

if TYPE_CHECKING:
    from actors.testing.process import Process
    from actors.testing.scenario import Step

    from .wire_steps import Surroundings

# The numbers of its requests lie above those of the network's connections.
_REQUESTS: Final = 100_000
# What shows nothing of a thread; `detached` may say that it may be seen no more.
_SILENT: Final = ("ping", "detached")
# What tells a page that nothing more will come of its last id.
_GONE: Final = 204


@define(eq=False)
class _Reading:
    """A request that is under way."""

    thread: str
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    over: trio.Event = field(factory=trio.Event)


class PageClient:
    """A user of a page; see the module.

    Args:
        number: which client of the scenario it is.
        principal: whom it speaks for.
        around: what it shares with the others.
    """

    def __init__(self, number: int, principal: str, around: Surroundings) -> None:
        self.number = number
        self.principal = principal
        self._around = around
        self._raw = RawClient(number, principal, around)
        self._readings: dict[str, _Reading] = {}

    async def perform(self, step: Step) -> None:
        """Carry out one step."""
        match step.operation:
            case do.Attach(cursor=cursor):
                held = self._around.cursor(self.number, step.thread, cursor)
                await self._follow(step.thread, held)
            case do.Detach():
                await self._leave(step.thread)
            case do.CutConnection():
                for reading in list(self._readings.values()):
                    reading.scope.cancel()
                await self._raw.perform(step)
            case _:
                await self._raw.perform(step)

    async def come_back(self) -> None:
        """Be connected, and read on where anything was read."""
        await self._raw.connect()
        for thread in self._around.followed(self.number):
            if thread not in self._readings:
                held = self._around.cursor(self.number, thread, do.Cursor.HELD)
                await self._follow(thread, held)

    async def leave(self) -> None:
        """Close everything in order."""
        for thread in list(self._readings):
            await self._leave(thread)
        await self._raw.leave()

    async def _follow(self, thread: str, cursor: str | None) -> None:
        await self._leave(thread)
        reading = self._readings[thread] = _Reading(thread)
        self._around.nursery.start_soon(self._read, reading, cursor)

    async def _leave(self, thread: str) -> None:
        reading = self._readings.get(thread)
        if reading is not None:
            reading.scope.cancel()
            await reading.over.wait()

    async def _read(self, reading: _Reading, cursor: str | None) -> None:
        try:
            with reading.scope:
                await self._ask(reading.thread, cursor, await self._around.listening())
        finally:
            del self._readings[reading.thread]
            reading.over.set()

    async def _ask(self, thread: str, cursor: str | None, process: Process) -> None:
        request = _Request(self, self._around, thread, cursor, process)
        under_way = self._around.requests
        try:
            with process.connection() as scope:
                under_way[scope] = None
                try:
                    await request.run()
                finally:
                    del under_way[scope]
        except Exception as exc:  # whatever it is, it is what the run has found
            process.note(Surprise(f"the page of request {request.number} got {exc!r}"))
        finally:
            request.end()


class _Request:
    """One stream, from its request until it is over."""

    def __init__(
        self,
        page: PageClient,
        around: Surroundings,
        thread: str,
        cursor: str | None,
        process: Process,
    ) -> None:
        self.process = process
        self._around = around
        self._page = page
        self._thread = thread
        self._cursor = cursor
        self.number = _REQUESTS + self._around.number()
        self._call = self._around.log.recorder.next_call()
        self._answered = self._followed = False
        self._at = cursor or ""
        self._parser = EventParser()

    async def run(self) -> None:
        """Ask, and take what comes."""
        page, cursor = self._page, self._cursor
        self.process.note(Connected(self.number, page.number, page.principal))
        sort = do.Cursor.HELD if cursor in self._given else do.Cursor.FOREIGN
        attach = do.Attach(do.Cursor.NONE if cursor is None else sort)
        self.process.note(Called(self._call, page.number, self._thread, attach, cursor))
        self.process.note(Sent(self.number, self._call))
        response = await self._around.answer(self._request())
        if not isinstance(response.body, EventStream):
            self._refused(response)
            return
        try:
            async for piece in response.body:
                # Put on the connection all at once, and read one by one.
                events = self._parser.feed(piece)
                for type in dict.fromkeys(e.type for e in events if e.type not in _SILENT):
                    self.process.note(Delivered(self.number, self._thread, type))
                await self._around.world.pause()
                if not events and not self._answered:
                    self._begin(self._parser.last_id)
                for event in events:
                    await self._around.world.pause()
                    self._take(event)
        finally:
            await response.body.aclose()  # noqa: ASYNC102 - it waits for nothing

    def end(self) -> None:
        """Note that nothing more comes."""
        if self._followed:
            self.process.note(Left(self._call))
        elif not self._answered:
            self.process.note(Lost(self._call))

    @property
    def _given(self) -> list[str]:
        return self._around.log.cursors.get((self._page.number, self._thread), [])

    def _request(self) -> Request:
        token = f"{self._page.principal}:{self.number}"
        headers: tuple[tuple[str, str], ...] = (("authorization", f"Bearer {token}"),)
        query = ""
        if self._cursor is not None:
            asked = self._cursor
            if self._around.world.delays.choose((True, False)):  # it asked for that at first
                headers += (("last-event-id", self._cursor),)
                asked = next(iter(self._given), self._cursor)
            query = urlencode({"cursor": asked})
        path = f"/threads/{self._thread}/events"
        return Request(method="GET", path=path, query=query, headers=headers)

    def _refused(self, response: Response) -> None:
        assert isinstance(response.body, bytes)
        gone = response.status == _GONE
        code = "gone" if gone else orjson.loads(response.body)["code"]
        self._answer(Refused(code))

    def _answer(self, answer: Refused | Attached) -> None:
        self._answered = True
        self._followed = isinstance(answer, Attached)
        self.process.note(Answered(self._call, answer))

    def _begin(self, place: str | None) -> None:
        if place:
            self._answer(Attached(Mode.RESUME, None, parse_cursor(place)))

    def _take(self, event: SentEvent) -> None:
        if event.type != "ping":
            batch = self._batch(event)
            self.process.note(Saw(self._call, batch))
            self._around.log.cursors[self._page.number, self._thread].append(batch.cursor)

    def _batch(self, event: SentEvent) -> Batch:
        raw: dict[str, Any] = orjson.loads(event.data)
        at, self._at = self._at, event.id
        if event.type not in ("snapshot", "caught_up", "presence", "detached"):
            row = Row(raw["offset"], raw.get("to", raw["offset"]), event.data.encode())
            return Events(self._thread, (row,), parse_cursor(self._at))
        mode, reason = raw.pop("mode", None), raw.pop("reason", None)
        if event.type == "detached":
            raw["reason"] = reason
        message = decode_server(orjson.dumps(raw).decode())
        announced = None
        if event.type == "snapshot":
            announced = wire.Attached("page", self._thread, self._at, Mode(mode), reason)
            if not self._answered:
                self._answer(Attached(Mode(mode), reason, parse_cursor(self._at)))
        assert isinstance(message, wire.Snapshot | wire.CaughtUp | wire.Presence | wire.Detached), (
            message
        )
        return as_batch(message, announced, at)

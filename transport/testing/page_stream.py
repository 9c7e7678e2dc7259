"""One event stream of a page, from its request until it breaks off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import orjson

from actors.core.event_codec import Row
from actors.core.position import parse_cursor
from actors.core.resume import Mode
from actors.delivery.batches import Batch, Events
from actors.testing import operations as do
from actors.testing.facts import Answered, Attached, Called, Left, Lost, Refused, Saw

from ..event_stream import EventStream
from ..exchange import Request, Response
from ..remote_batches import as_batch
from ..wire import server_messages as wire
from ..wire.client_codec import decode_server
from .event_source import EventParser, SentEvent
from .page_call import refusal_of

if TYPE_CHECKING:
    from .page_request import PageRequest

# What shows nothing of a thread; `detached` may say that it may be seen no more.
_SILENT: Final = ("ping", "detached")
# What tells a page that nothing more will come of its last id.
_GONE: Final = 204
# What a page waits before it comes back, where no stream has told it.
_RETRY_MS: Final = 1


class PageStream:
    """A request that is answered with a stream.

    Args:
        request: whose it is.
        thread: what is followed.
        cursor: what the page asked for at first.
        last_id: of the stream before; it wins.

    Attributes:
        is_refused: whether the page is not to come back.
    """

    def __init__(
        self, request: PageRequest, thread: str, cursor: str | None, last_id: str | None
    ) -> None:
        self.is_refused = False
        self._asks = request
        self._log = request.surroundings.log
        self._thread = thread
        self._asked = cursor
        self._came_with = last_id
        self._cursor = last_id or cursor
        self._call = self._log.recorder.next_call()
        self._answered = self._followed = False
        self._at = self._cursor or ""
        self._parser = EventParser()

    @property
    def last_id(self) -> str | None:
        """What to come back with; a stream without a whole block changes nothing."""
        last_id = self._parser.last_id
        return self._came_with if last_id is None else last_id

    @property
    def retry_ms(self) -> int:
        """How long to wait before that."""
        return max(_RETRY_MS, self._parser.retry_ms or 0)

    async def run(self) -> None:
        """Ask, and take what comes."""
        sort = do.Cursor.HELD if self._cursor in self._given else do.Cursor.FOREIGN
        attach = do.Attach(do.Cursor.NONE if self._cursor is None else sort)
        called = Called(self._call, self._asks.client, self._thread, attach, self._cursor)
        self._asks.begin(called)
        response = await self._asks.answer(self._request())
        if response.status < 300:  # which says that the thread is one's own
            self._asks.deliver(self._thread, "stream")
        if not isinstance(response.body, EventStream):
            self._refused(response)
            return
        try:
            await self._listen(response.body)
        finally:
            await response.body.aclose()  # noqa: ASYNC102 - it waits for nothing

    def end(self) -> None:
        """Note that nothing more comes."""
        if self._followed:
            self._asks.note(Left(self._call))
        elif not self._answered:
            self._asks.note(Lost(self._call))

    @property
    def _given(self) -> list[str]:
        return self._log.cursors.get((self._asks.client, self._thread), [])

    def _request(self) -> Request:
        headers: tuple[tuple[str, str], ...] = (self._asks.bearer(),)
        if self._came_with:
            headers += (("last-event-id", self._came_with),)
        query = {} if self._asked is None else {"cursor": self._asked}
        path = f"/threads/{self._thread}/events"
        return Request(method="GET", path=path, query=urlencode(query), headers=headers)

    async def _listen(self, body: EventStream) -> None:
        async for piece in body:
            # Put on the connection all at once, and read one by one.
            events = self._parser.feed(piece)
            for type in dict.fromkeys(e.type for e in events if e.type not in _SILENT):
                self._asks.deliver(self._thread, type)
            await self._asks.pause()
            if not events and not self._answered:
                self._begin(self._parser.last_id)
            for event in events:
                await self._asks.pause()
                self._take(event)

    def _refused(self, response: Response) -> None:
        assert isinstance(response.body, bytes)
        self.is_refused = True
        gone = response.status == _GONE
        self._answer(Refused("gone") if gone else refusal_of(response.body))

    def _answer(self, answer: Refused | Attached) -> None:
        self._answered = True
        self._followed = isinstance(answer, Attached)
        self._asks.note(Answered(self._call, answer))

    def _begin(self, place: str | None) -> None:
        if place:
            self._answer(Attached(Mode.RESUME, None, parse_cursor(place)))

    def _take(self, event: SentEvent) -> None:
        if event.type != "ping":
            batch = self._batch(event)
            self._asks.note(Saw(self._call, batch))
            self._log.cursors[self._asks.client, self._thread].append(batch.cursor)

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

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
from actors.testing.wire_facts import Connected, Delivered, Sent

from ..event_stream import EventStream
from ..exchange import Request, Response
from ..remote_batches import as_batch
from ..wire import server_messages as wire
from ..wire.client_codec import decode_server
from .event_source import EventParser, SentEvent
from .page_call import refusal_of

if TYPE_CHECKING:
    from actors.testing.process import Process

    from .wire_steps import Surroundings

# What shows nothing of a thread; `detached` may say that it may be seen no more.
_SILENT: Final = ("ping", "detached")
# What tells a page that nothing more will come of its last id.
_GONE: Final = 204
# What a page waits before it comes back, where no stream has told it.
_RETRY_MS: Final = 1


class PageStream:
    """A request that is answered with a stream.

    Args:
        client, principal: who asks.
        around: what the clients share.
        process: the life of the server that is asked.
        thread: what is followed.
        cursor: what the page asked for at first.
        last_id: of the stream before; it wins.

    Attributes:
        is_refused: whether the page is not to come back.
    """

    def __init__(
        self,
        client: int,
        principal: str,
        around: Surroundings,
        process: Process,
        thread: str,
        cursor: str | None,
        last_id: str | None,
    ) -> None:
        self.number = around.request_number()
        self.is_refused = False
        self._client = client
        self._principal = principal
        self._around = around
        self._process = process
        self._thread = thread
        self._asked = cursor
        self._came_with = last_id
        self._cursor = last_id or cursor
        self._call = around.log.recorder.next_call()
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
        self._process.note(Connected(self.number, self._client, self._principal))
        sort = do.Cursor.HELD if self._cursor in self._given else do.Cursor.FOREIGN
        attach = do.Attach(do.Cursor.NONE if self._cursor is None else sort)
        called = Called(self._call, self._client, self._thread, attach, self._cursor)
        self._process.note(called)
        self._process.note(Sent(self.number, self._call))
        response = await self._around.answer(self._request())
        if response.status < 300:  # which says that the thread is one's own
            self._process.note(Delivered(self.number, self._thread, "stream"))
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
            self._process.note(Left(self._call))
        elif not self._answered:
            self._process.note(Lost(self._call))

    @property
    def _given(self) -> list[str]:
        return self._around.log.cursors.get((self._client, self._thread), [])

    def _request(self) -> Request:
        token = self._around.token(self._principal, self.number)
        headers: tuple[tuple[str, str], ...] = (("authorization", f"Bearer {token}"),)
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
                self._process.note(Delivered(self.number, self._thread, type))
            await self._around.world.pause()
            if not events and not self._answered:
                self._begin(self._parser.last_id)
            for event in events:
                await self._around.world.pause()
                self._take(event)

    def _refused(self, response: Response) -> None:
        assert isinstance(response.body, bytes)
        self.is_refused = True
        gone = response.status == _GONE
        self._answer(Refused("gone") if gone else refusal_of(response.body))

    def _answer(self, answer: Refused | Attached) -> None:
        self._answered = True
        self._followed = isinstance(answer, Attached)
        self._process.note(Answered(self._call, answer))

    def _begin(self, place: str | None) -> None:
        if place:
            self._answer(Attached(Mode.RESUME, None, parse_cursor(place)))

    def _take(self, event: SentEvent) -> None:
        if event.type != "ping":
            batch = self._batch(event)
            self._process.note(Saw(self._call, batch))
            self._around.log.cursors[self._client, self._thread].append(batch.cursor)

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

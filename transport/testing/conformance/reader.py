"""A bare reader of one event stream, that keeps all that it hears and watches what always holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

import h11
import trio
from attrs import define, field

from ..event_source import EventParser, SentEvent
from .check import Violation
from .peer import PATIENCE
from .stream import OF_THREADS, Message, is_ending
from .watch import Watch

# Bytes of a refusal that are kept.
_MOST_TEXT: Final = 64 << 10


@define(eq=False)
class Reader:
    """One request for an event stream, and its answer.

    Attributes:
        thread: whose stream it is.
        asked: the cursor that it came with.
        status: of the answer; 0 until that begins.
        content_type: of the answer.
        text: the body of an answer that is no stream.
        heard: every event so far.
        ids: what a browser would come back with, each once, in turn.
        over: whether the answer has ended; `cut_short` says that it was not in order.
        log: what was asked and heard, each line with an arrow.
        watch: what it found that no server may do.
    """

    thread: str
    asked: str | None
    _stream: trio.abc.Stream
    status: int = 0
    content_type: str = ""
    text: str = ""
    heard: list[SentEvent] = field(factory=list)
    ids: list[str] = field(factory=list)
    over: bool = False
    cut_short: bool = False
    log: list[str] = field(factory=list)
    watch: Watch = field(factory=Watch)
    _parser: EventParser = field(factory=EventParser)
    _scope: trio.CancelScope = field(factory=trio.CancelScope)
    _moved: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    async def read(self, target: str, headers: Sequence[tuple[str, str]]) -> None:
        """Ask, and take in what comes until the answer ends or is cut."""
        last = dict(headers).get("Last-Event-ID")
        self.log.append(f"→ GET {target}{f' after {last}' if last is not None else ''}")
        peer = h11.Connection(h11.CLIENT)
        request = h11.Request(method="GET", target=target, headers=list(headers))
        with self._scope:
            async with self._stream:
                try:
                    await self._stream.send_all(peer.send(request) + peer.send(h11.EndOfMessage()))
                    await self._take_all(peer)
                except (h11.ProtocolError, trio.BrokenResourceError, trio.ClosedResourceError):
                    self.cut_short = True
        self.over = True
        self.log.append("← cut" if self.cut_short else "← the end")
        self._moved.unpark_all()

    async def _take_all(self, peer: h11.Connection) -> None:
        while True:
            event = peer.next_event()
            if event is h11.NEED_DATA:
                peer.receive_data(bytes(await self._stream.receive_some()))
            elif isinstance(event, h11.Response):
                self._begin(event)
            elif isinstance(event, h11.Data):
                self._take(bytes(event.data))
            elif not isinstance(event, h11.InformationalResponse):
                return

    def _begin(self, response: h11.Response) -> None:
        self.status = response.status_code
        types = [value for name, value in response.headers if name == b"content-type"]
        self.content_type = types[0].decode("latin-1") if types else ""
        self.log.append(f"← {self.status} {self.content_type}")
        self._moved.unpark_all()

    def _take(self, data: bytes) -> None:
        if self.status != 200:
            self.text = (self.text + data.decode(errors="replace"))[:_MOST_TEXT]
            return
        for line in data.splitlines(keepends=True):
            for event in self._parser.feed(line):
                self._hear(event)
            last = self._parser.last_id
            if last is not None and [last] != self.ids[-1:]:
                self.ids.append(last)
        self._moved.unpark_all()

    def _hear(self, event: SentEvent) -> None:
        self.log.append(f"← {event.type} {event.id}: {event.data}")
        try:
            self._look(event, _body(event))
        except Violation as violation:
            self.watch.found.append(violation)
        self.heard.append(event)

    def _look(self, event: SentEvent, body: Message) -> None:
        """Show the event to the watch as what a WebSocket would have said."""
        of_thread: Message = {"thread": self.thread, "cursor": event.id}
        if not self.heard:
            begins = event.type == "snapshot"
            cursor = event.id if begins else self.asked
            mode = "snapshot" if begins else "resume"
            asked = {"id": "sse", "thread": self.thread, "cursor": self.asked}
            self.watch.sent({"type": "attach", **asked})
            self.watch.take({"type": "attached", **asked, "mode": mode, "cursor": cursor})
        if event.type in OF_THREADS:
            self.watch.take({**body, "type": event.type, **of_thread})
        elif "offset" in body:
            self.watch.take({"type": "events", "events": [body], **of_thread})

    # Waiting

    async def answered(self) -> None:
        """Wait until the answer begins.

        Raises:
            Violation: it does not.
        """
        await self._wait(lambda: self.status or self.over, "an answer")
        if not self.status:
            raise Violation("an answer", "none")

    async def ended(self) -> None:
        """Wait until the answer has ended in order.

        Raises:
            Violation: it goes on, or was cut.
        """
        await self._wait(lambda: self.over, "the end of the answer")
        if self.cut_short:
            raise Violation("the end of the answer in order", "a cut")

    async def until(
        self, wanted: Callable[[SentEvent], object], what: str, seconds: float = PATIENCE
    ) -> SentEvent:
        """Wait for the first event that is wanted.

        Raises:
            Violation: the answer ended first, or nothing of the kind came in time.
        """

        def found() -> SentEvent | None:
            return next(filter(wanted, self.heard), None)

        await self._wait(lambda: found() or self.over, what, seconds)
        event = found()
        if event is None:
            raise Violation(what, f"{self.status}, and the end of the answer")
        return event

    async def until_type(self, type: str) -> SentEvent:
        """Wait for the first event of a type."""
        return await self.until(lambda event: event.type == type, f"an event of type {type}")

    async def ending(self, turn: str) -> Message:
        """Wait for a turn's terminal event, and return its data."""
        event = await self.until(
            lambda e: is_ending(_body(e)) and _body(e).get("turn") == turn,
            f"a terminal event of turn {turn}",
        )
        return _body(event)

    async def some_events(self, count: int) -> None:
        """Wait for so many of the thread's events, or a terminal one."""
        await self._wait(
            lambda: len(self.told) >= count or any(map(is_ending, self.events)), f"{count} events"
        )

    async def _wait(self, done: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
        with trio.move_on_after(seconds):
            while not done():
                await self._moved.park()
        if not done():
            raise Violation(what, f"nothing of the kind in {seconds:g} seconds")

    # What was heard

    def body(self, type: str) -> Message:
        """Return the data of the first event of a type, which is there."""
        return next(_body(event) for event in self.heard if event.type == type)

    @property
    def told(self) -> list[tuple[SentEvent, Message]]:
        """The thread's events, each with its data."""
        return [(event, body) for event in self.heard if "offset" in (body := _body(event))]

    @property
    def events(self) -> list[Message]:
        """The data of the thread's events."""
        return [body for _, body in self.told]

    def cut(self) -> None:
        """End the connection without a word."""
        self._scope.cancel()


def _body(event: SentEvent) -> dict[str, Any]:
    try:
        body = json.loads(event.data)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Violation("data that is one JSON object", event.data, "sse-types")
    return body

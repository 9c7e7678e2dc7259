"""One command of a page: the request that is made of it, and what its answer says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import orjson

from actors.core.position import parse_cursor
from actors.core.resume import Mode
from actors.testing import operations as do
from actors.testing.facts import Answered, Attached, Called, Left, Refused, Saw
from actors.testing.wire_facts import Strayed

from ..exchange import Request, Response
from ..remote_batches import as_batch
from ..wire import server_messages as wire
from ..wire.client_codec import decode_server

if TYPE_CHECKING:
    from .page_request import PageRequest

# Where each message is sent to, below its thread or without one.
_PATHS: Final = {
    "submit": ("POST", "/threads/{}/turns"),
    "cancel": ("POST", "/threads/{}/cancel"),
    "delete": ("DELETE", "/threads/{}"),
    "show": ("GET", "/threads/{}"),
    "history": ("GET", "/threads/{}/items"),
    "threads": ("GET", "/threads"),
}
# What of a thread is shown by an answer.
_SHOWS: Final = {"show": "snapshot", "history": "history"}


def is_asked_over_http(operation: do.Operation) -> bool:
    """Say whether there is a path for it."""
    sorts = do.Submit | do.Cancel | do.Delete | do.ReadPage | do.ListThreads
    return isinstance(operation, sorts)


def refusal_of(body: bytes) -> Refused:
    """Return what an answer that refuses says."""
    error = decode_server(orjson.dumps({"type": "error", **orjson.loads(body)}).decode())
    assert isinstance(error, wire.ErrorMessage)
    return Refused(error.code, error.details.get("turn"))


class PageCall:
    """A request that is answered with one body.

    Args:
        request: whose it is.
        message: what is asked, as the message of that type; `show` is an attach without a stream.
    """

    def __init__(self, request: PageRequest, message: dict[str, Any]) -> None:
        self._asks = request
        self._log = request.surroundings.log
        self._message = message
        self._type: str = message["type"]
        operation, argument = self._log.operation({**message, "type": self._on_the_wire})
        assert operation is not None
        call, thread = self._log.recorder.next_call(), message.get("thread", "")
        self._called = Called(call, request.client, thread, operation, argument)
        self._answered = False

    async def run(self) -> None:
        """Ask, and take the answer."""
        self._asks.begin(self._called)
        response = await self._asks.answer(self._request())
        if response.status < 300 and self._type in _SHOWS:
            self._asks.deliver(self._called.thread, _SHOWS[self._type])
        await self._asks.pause()
        self._take(response)

    def end(self) -> None:
        """Note that there may be no answer."""
        if not self._answered:
            self._log.doubt(self._called.call)

    @property
    def _on_the_wire(self) -> str:
        return "attach" if self._type == "show" else self._type

    def _request(self) -> Request:
        method, path = _PATHS[self._type]
        fields = {k: v for k, v in self._message.items() if k not in ("type", "thread")}
        headers = [self._asks.bearer()]
        if "key" in fields and self._asks.surroundings.world.delays.choose((True, False)):
            headers.append(("idempotency-key", fields.pop("key")))
        return Request(
            method=method,
            path=path.format(self._called.thread),
            query=urlencode(fields) if method == "GET" else "",
            headers=tuple(headers),
            body=orjson.dumps(fields) if method == "POST" else b"",
        )

    def _take(self, response: Response) -> None:
        assert isinstance(response.body, bytes)
        self._answered = True
        if response.status >= 300:
            self._asks.note(Answered(self._called.call, refusal_of(response.body)))
        elif self._type == "show":
            self._show(orjson.loads(response.body))
        else:
            self._answer(orjson.loads(response.body))

    def _answer(self, body: Any) -> None:
        try:
            answer = self._log.answer(self._called, body)
        except (KeyError, TypeError, ValueError):  # it answers another command, or none
            what = f"{body} answers call {self._called.call}, {self._called.operation}"
            self._asks.note(Strayed(self._asks.number, "6", what))
        else:
            self._asks.note(Answered(self._called.call, answer))

    def _show(self, body: Any) -> None:
        message = decode_server(orjson.dumps({"type": "snapshot", **body}).decode())
        assert isinstance(message, wire.Snapshot), message
        thread, call = self._called.thread, self._called.call
        announced = wire.Attached("page", thread, message.cursor, Mode.SNAPSHOT)
        position = parse_cursor(message.cursor)
        self._asks.note(Answered(call, Attached(Mode.SNAPSHOT, None, position)))
        self._asks.note(Saw(call, as_batch(message, announced, "")))
        self._asks.note(Left(call))
        self._log.cursors[self._asks.client, thread].append(message.cursor)

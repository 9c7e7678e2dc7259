"""A client like a page without a library: commands over HTTP, and Server-Sent Events.

What HTTP has no path for it says on a connection, as a raw client does. A stream that breaks off is
asked for again as a browser does it: with what was asked for at first, and the last id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio
from attrs import define, field

from actors.testing import operations as do
from actors.testing.facts import Surprise
from actors.testing.schedule import TICK
from actors.testing.wire_facts import Disconnected

from ..link import NORMAL
from .page_call import PageCall, is_asked_over_http
from .page_request import PageRequest
from .page_stream import PageStream
from .raw_client import RawClient

if TYPE_CHECKING:
    from actors.testing.process import Process
    from actors.testing.scenario import Step

    from .wire_steps import Surroundings

# Whether a page shows a thread before it follows it, and then follows it from there.
_LOOKS: Final = (False, True)


@define(eq=False)
class _Reading:
    """A thread that a page follows, over one request after the other."""

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
        self._requests: dict[trio.CancelScope, None] = {}

    async def perform(self, step: Step) -> None:
        """Carry out one step. Some requests are not waited for, as the tape chooses."""
        match step.operation:
            case do.Attach(cursor=cursor):
                held = self._around.cursor(self.number, step.thread, cursor)
                if held is None and self._around.world.delays.choose(_LOOKS):
                    await self._ask({"type": "show", "thread": step.thread}).wait()
                    held = self._around.cursor(self.number, step.thread, do.Cursor.HELD)
                await self._follow(step.thread, held)
            case do.Detach():
                await self._leave(step.thread)
            case do.Leave():
                await self.leave()
            case do.CutConnection():
                for scope in list(self._requests):
                    scope.cancel()
                await self._raw.perform(step)
            case operation if is_asked_over_http(operation):
                over = self._ask(self._raw.message(step))
                if self._around.world.delays.choose((True, False)):
                    await over.wait()
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

    # Commands

    def _ask(self, message: dict[str, object]) -> trio.Event:
        over = trio.Event()
        self._around.nursery.start_soon(self._call, message, over)
        return over

    async def _call(self, message: dict[str, object], over: trio.Event) -> None:
        process = await self._around.listening()
        request = self._request_to(process)
        await self._carry_out(request, PageCall(request, message))
        over.set()

    # Streams

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
                last_id: str | None = None
                while True:
                    process = await self._around.listening()
                    request = self._request_to(process)
                    stream = PageStream(request, reading.thread, cursor, last_id)
                    await self._carry_out(request, stream)
                    if stream.is_refused:
                        break
                    last_id = stream.last_id
                    await trio.sleep(stream.retry_ms * TICK)
        finally:
            del self._readings[reading.thread]
            reading.over.set()

    # Either

    def _request_to(self, process: Process) -> PageRequest:
        number = self._around.request_number()
        return PageRequest(number, self.number, self.principal, self._around, process)

    async def _carry_out(self, request: PageRequest, asked: PageCall | PageStream) -> None:
        under_way = self._around.requests
        try:
            with request.process.connection() as scope:
                under_way[scope] = self._requests[scope] = None
                try:
                    await asked.run()
                finally:
                    del under_way[scope], self._requests[scope]
        except Exception as exc:  # whatever it is, it is what the run has found
            request.note(Surprise(f"the page of request {request.number} got {exc!r}"))
        finally:
            asked.end()
            request.note(Disconnected(request.number, NORMAL))

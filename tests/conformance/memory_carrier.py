"""The real server on links in memory, for the conformance runner on a virtual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import trio
import trio.testing
from attrs import define, frozen

from actors import Runtime, open_runtime
from actors.journal.memory import MemoryJournal
from transport.access import AccessPolicy
from transport.api import answer_api
from transport.auth import Auth
from transport.background import background_nursery
from transport.event_stream import EventStreams
from transport.exchange import Request, RequestHandler
from transport.http import Site, serve_connection
from transport.link import Link, LinkClosed
from transport.session import Session
from transport.testing.conformance import KIND, ChannelClosed
from transport.testing.memory import MemoryLink, memory_links

# Puts something between a session and its link.
Wrap = Callable[[Link], Link]
# Puts something between the API and its clients.
WrapAnswer = Callable[[RequestHandler], RequestHandler]


@frozen
class MemoryChannel:
    """A client's end; see `transport.testing.conformance.channel`."""

    link: MemoryLink

    async def send(self, message: str | bytes) -> None:
        try:
            if isinstance(message, str):
                await self.link.send_text(message)
            else:
                await self.link.send_binary(message)
        except LinkClosed as exc:
            raise ChannelClosed(exc.code) from None

    async def receive(self) -> str | bytes:
        try:
            return await self.link.receive()
        except LinkClosed as exc:
            raise ChannelClosed(exc.code) from None

    def cut(self) -> None:
        self.link.abort()


@define
class MemoryCarrier:
    """Connects to a runtime's sessions, with whatever is between."""

    runtime: Runtime
    nursery: trio.Nursery
    wrap: Wrap
    wrap_answer: WrapAnswer
    authority: str = "127.0.0.1"
    base: str = ""

    async def dial(self) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        near, far = trio.testing.memory_stream_pair()
        self.nursery.start_soon(self._answer, near)
        return far

    async def _answer(self, stream: trio.abc.Stream) -> None:
        limits = self.runtime.limits
        answer = partial(answer_api, self.runtime, Auth(), EventStreams(limits))
        mounts = {"threads": self.wrap_answer(answer)}
        site = Site(
            routes={}, serve_link=_no_session, access=AccessPolicy(), limits=limits, mounts=mounts
        )
        try:
            async with stream:
                await serve_connection(stream, site)
        except* trio.BrokenResourceError:
            pass

    async def connect(self, nursery: trio.Nursery) -> MemoryChannel:
        await trio.lowlevel.checkpoint()
        near, far = memory_links(self.runtime.limits)
        self.nursery.start_soon(self._attend, near)
        return MemoryChannel(far)

    async def _attend(self, link: MemoryLink) -> None:
        try:
            await Session(self.wrap(link), self.runtime, "i").run()
        except* LinkClosed:
            pass
        finally:
            link.abort()


async def _no_session(link: Link, request: Request) -> None:
    raise AssertionError("links come by `connect`")


@asynccontextmanager
async def memory_carrier(
    wrap: Wrap = lambda link: link, wrap_answer: WrapAnswer = lambda answer: answer
) -> AsyncIterator[MemoryCarrier]:
    async with (
        open_runtime(MemoryJournal(), kind_of=lambda _: KIND) as runtime,
        background_nursery() as nursery,
    ):
        yield MemoryCarrier(runtime, nursery, wrap, wrap_answer)

"""Servers that are wrong about Server-Sent Events."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from attrs import evolve

from .lying_link import Lie

if TYPE_CHECKING:
    from transport.exchange import Chunks, Request, RequestHandler, Response


class EventLie(Lie):
    """Changes nothing; each broken server changes one thing."""

    @classmethod
    async def answer(cls, answer: RequestHandler, request: Request) -> Response:
        """Answer with the lie in it."""
        if not request.path.endswith("/events"):
            return await answer(request)
        response = await cls.answered_to(answer, cls.asked(request))
        if isinstance(response.body, bytes):
            return response
        return evolve(response, body=cls._pieces(response.body))

    @classmethod
    async def answered_to(cls, answer: RequestHandler, request: Request) -> Response:
        """Return the answer to an event stream."""
        return await answer(request)

    @classmethod
    def asked(cls, request: Request) -> Request:
        """Return what is asked instead."""
        return request

    @classmethod
    def told(cls, piece: bytes) -> bytes:
        """Return what is told instead."""
        return piece

    @classmethod
    async def _pieces(cls, pieces: Chunks) -> AsyncGenerator[bytes, None]:
        try:
            async for piece in pieces:
                yield cls.told(piece)
        finally:
            await pieces.aclose()


def _without(request: Request, name: str) -> Request:
    return evolve(request, headers=tuple(h for h in request.headers if h[0].lower() != name))


class ModeUntold(EventLie):
    """A reader whose cursor was no good is shown a snapshot as if it had none."""

    @classmethod
    def told(cls, piece: bytes) -> bytes:
        return re.sub(rb'"mode":"reset","reason":"[a-z]+"', b'"mode":"snapshot"', piece)


class EventsUnnamed(EventLie):
    """Every event is a `message`; its type is in the data alone."""

    @classmethod
    def told(cls, piece: bytes) -> bytes:
        return re.sub(rb"^event: (?!ping)[a-z._]+\n", b"", piece, flags=re.MULTILINE)


class IdsLag(EventLie):
    """The id of an event is the cursor before it."""

    @classmethod
    def told(cls, piece: bytes) -> bytes:
        def back(found: re.Match[bytes]) -> bytes:
            return b"%b%d" % (found[1], max(int(found[2]) - 1, 0))

        return re.sub(rb"^(id: \d+\.)(\d+)(?=\ndata)", back, piece, flags=re.MULTILINE)


class PingsHaveIds(EventLie):
    """A ping has an id of its own."""

    @classmethod
    def told(cls, piece: bytes) -> bytes:
        return piece.replace(b"event: ping\n", b"event: ping\nid: 1\n")


class AddressWins(EventLie):
    """The cursor in the address wins over `Last-Event-ID`."""

    @classmethod
    def asked(cls, request: Request) -> Request:
        return _without(request, "last-event-id") if "cursor=" in request.query else request


class PlaceForgotten(EventLie):
    """The first block of a resumed stream has no id, so a strict reader forgets its own."""

    @classmethod
    def told(cls, piece: bytes) -> bytes:
        return re.sub(rb"^(retry: \d+\n)id: .*\n", rb"\1", piece)


class NeverFinished(EventLie):
    """Who comes back to a finished stream is shown the thread again."""

    @classmethod
    async def answered_to(cls, answer: RequestHandler, request: Request) -> Response:
        response = await answer(request)
        if response.status == 204:
            return await answer(_without(request, "last-event-id"))
        return response


class WrongTakenForRight(EventLie):
    """Fields of the address that do not exist are ignored."""

    @classmethod
    def asked(cls, request: Request) -> Request:
        return evolve(request, query=request.query.replace("x=1", ""))

"""HTTP/1.1 on the one port: each request is read whole, checked, and answered or upgraded.

h11 does the parsing. Everything it does not bound is bounded here: head and body in bytes, each
request in time, each answer by a peer that keeps taking something.
"""

from __future__ import annotations

import logging
from contextlib import aclosing
from email.utils import formatdate
from sys import intern
from typing import TYPE_CHECKING, Final

import h11
import orjson
import trio
from attrs import evolve, field, frozen

from actors.limits import DEFAULT_LIMITS, Limits

from .access import AccessPolicy
from .cors import preflight, shared
from .exchange import Mounts, Request, Response, Routes
from .link import ServeLink
from .streams import expect_acknowledgement, linger, peer_name, send_within
from .upgrade import ENDPOINT, asks_for_websocket, refuse_upgrade
from .websocket import serve_websocket

if TYPE_CHECKING:
    from .exchange import Chunks

log = logging.getLogger("holdfast.server")

_READ_BYTES: Final = 4 * 1024
_BODILESS: Final = (204, 304)
_TEXT: Final = "text/plain; charset=utf-8"
# The page loads nothing from elsewhere, is framed by nobody, and is what its type says.
_SECURITY_HEADERS: Final = (
    (
        "content-security-policy",
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    ("x-frame-options", "DENY"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
)


@frozen(kw_only=True)
class Site:
    """What is served on a port.

    Args:
        routes: the plain HTTP part.
        mounts: what answers everything below a path, where no route does.
        serve_link: what a WebSocket on `/ws` is for.
        access: whose pages may come.
        limits: bounds of each connection.
    """

    routes: Routes
    serve_link: ServeLink
    access: AccessPolicy
    limits: Limits = DEFAULT_LIMITS
    mounts: Mounts = field(factory=dict)


async def serve_connection(stream: trio.abc.Stream, site: Site) -> None:
    """Serve one connection: any number of requests, or some and then a WebSocket.

    A request has `Limits.handshake_seconds` to arrive, from the end of the answer before it.
    Cancellation cuts the connection.

    Args:
        stream: a fresh connection; the caller closes it.
        site: what to serve.

    Raises:
        trio.BrokenResourceError: the peer left, or takes nothing.
    """
    upgrade = await _serve_http(stream, site)
    if upgrade is not None:
        # What parsed the requests is gone by now: a WebSocket lives long, and there are many.
        request, trailing = upgrade
        await serve_websocket(
            stream, request, site.serve_link, trailing=trailing, limits=site.limits
        )


async def _serve_http(stream: trio.abc.Stream, site: Site) -> tuple[Request, bytes] | None:
    """Answer requests until one asks for a WebSocket; return that, and what was read behind it."""
    exchange = _Exchange(stream, site.limits)
    while True:
        try:
            request = await exchange.read_request()
        except _Refused as refused:
            await exchange.refuse(refused.response)
            return None
        if request is None:
            return None
        refusal = _refuse_early(request, site.access)
        if refusal is None and asks_for_websocket(request):
            return request, exchange.trailing
        answer = refusal or preflight(request, site.access) or await _dispatch(request, site)
        await exchange.answer(shared(answer, request, site.access))
        if not exchange.start_next():
            return None


async def refuse_overload(stream: trio.abc.Stream, limits: Limits) -> None:
    """Turn a connection away with 503, whatever it wanted, within `Limits.close_seconds`.

    Raises:
        trio.BrokenResourceError: the peer left.

    Cancellation cuts the connection.
    """
    response = Response(503, b"too many connections\n", headers=(("retry-after", "1"),))
    await _Exchange(stream, limits).refuse(response)


def _refuse_early(request: Request, access: AccessPolicy) -> Response | None:
    if not access.admits(request):
        return Response(403, b"this host or origin may not come here\n")
    if asks_for_websocket(request):
        return refuse_upgrade(request)
    if request.path == ENDPOINT:
        headers = (("upgrade", "websocket"), ("connection", "upgrade"))
        return Response(426, b"this is a WebSocket endpoint\n", headers=headers)
    return None


async def _dispatch(request: Request, site: Site) -> Response:
    method = "GET" if request.method == "HEAD" else request.method
    handler = site.routes.get((method, request.path))
    if handler is None:
        handler = site.mounts.get(request.path.split("/")[1])
    if handler is None:
        return _no_route(request, site.routes)
    try:
        return await handler(request)
    except Exception:
        # A handler that fails is a bug, but of no other request's concern; it says nothing of
        # itself to the client.
        log.exception("%s %s failed", request.method, request.path)
        return Response(500, b"internal error\n")


def _no_route(request: Request, routes: Routes) -> Response:
    allowed = {method for method, path in routes if path == request.path}
    if not allowed:
        return Response(404, b"no such page\n")
    allowed |= {"HEAD"} & {"HEAD" for method in allowed if method == "GET"}
    headers = (("allow", ", ".join(sorted(allowed))),)
    return Response(405, b"this page has other methods\n", headers=headers)


class _Refused(Exception):
    """A request that cannot be read on; the connection ends with its answer."""

    def __init__(self, status: int, text: bytes, content_type: str = _TEXT) -> None:
        super().__init__(status, text)
        self.response = Response(status, text, content_type)


def _too_large(limits: Limits) -> _Refused:
    # Bodies are commands, and this is how any other refusal of one is told.
    message = f"a body has at most {limits.http_body_bytes} bytes"
    problem = {"code": "too_large", "message": message, "retryable": False}
    return _Refused(413, orjson.dumps(problem), "application/json")


class _Exchange:
    """One connection's requests and answers, one after the other."""

    def __init__(self, stream: trio.abc.Stream, limits: Limits) -> None:
        self._stream = stream
        self._limits = limits
        self._peer = peer_name(stream)
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.http_head_bytes)
        self._head_only = False

    @property
    def trailing(self) -> bytes:
        """What was read behind the last request."""
        return self._h11.trailing_data[0]

    async def read_request(self) -> Request | None:
        """Return the next request, or None where the peer has no more; `_Refused` if it is bad."""
        with trio.move_on_after(self._limits.handshake_seconds):
            try:
                return await self._read_request()
            except h11.RemoteProtocolError as error:
                raise _Refused(error.error_status_hint, b"not an acceptable request\n") from None
        if self._h11.their_state is h11.IDLE and not self.trailing:
            return None
        raise _Refused(408, b"the request took too long\n")

    async def _read_request(self) -> Request | None:
        head = await self._next_event()
        if not isinstance(head, h11.Request):
            return None
        self._head_only = head.method == b"HEAD"
        if head.http_version not in (b"1.0", b"1.1"):
            raise _Refused(505, b"HTTP/1.1 is spoken here\n")
        path, _, query = head.target.decode("ascii").partition("?")
        if not path.startswith("/"):
            raise _Refused(400, b"the target is not a path\n")
        return Request(
            method=head.method.decode("ascii"),
            path=path,
            query=query,
            headers=_headers(head),
            body=await self._read_body(_declared_bytes(head)),
            http_version=head.http_version.decode("ascii"),
            peer=self._peer,
        )

    async def _read_body(self, declared: int) -> bytes:
        body = bytearray()
        while max(declared, len(body)) <= self._limits.http_body_bytes:
            event = await self._next_event()
            if not isinstance(event, h11.Data):
                return bytes(body)
            body += event.data
        raise _too_large(self._limits)

    async def _next_event(self) -> object:
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            if self._h11.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                await self._send(self._h11.send(go_on))
            self._h11.receive_data(bytes(await self._stream.receive_some(_READ_BYTES)))
        return event

    async def answer(self, response: Response) -> None:
        """Answer the request that was read."""
        if isinstance(response.body, bytes):
            await self._send(self._whole(response, response.body))
            return
        async with aclosing(response.body) as chunks:
            await self._send(self._head(response))
            if not self._head_only:
                await self._send_chunks(chunks)
            await self._send(self._h11.send(h11.EndOfMessage()))

    async def refuse(self, response: Response) -> None:
        """Answer a request that was not read to its end, and be done with the connection."""
        assert isinstance(response.body, bytes)
        closing = (*response.headers, ("connection", "close"))
        answer = self._whole(evolve(response, headers=closing), response.body)
        with trio.move_on_after(self._limits.close_seconds):
            await self._send(answer)
            await linger(self._stream, self._limits.close_seconds)

    def start_next(self) -> bool:
        """Return whether the connection can carry another request."""
        if self._h11.our_state is not h11.DONE or self._h11.their_state is not h11.DONE:
            return False
        self._h11.start_next_cycle()
        return True

    def _whole(self, response: Response, body: bytes) -> bytes:
        has_body = not self._head_only and response.status not in _BODILESS
        head = self._head(response)
        data = self._h11.send(h11.Data(data=body)) if has_body else b""
        return head + data + self._h11.send(h11.EndOfMessage())

    def _head(self, response: Response) -> bytes:
        headers = [
            *response.headers,
            *_SECURITY_HEADERS,
            ("content-type", response.content_type),
            ("date", formatdate(usegmt=True)),
        ]
        if isinstance(response.body, bytes) and response.status not in _BODILESS:
            headers.append(("content-length", str(len(response.body))))
        return self._h11.send(h11.Response(status_code=response.status, headers=headers))

    async def _send_chunks(self, chunks: Chunks) -> None:
        expect_acknowledgement(self._stream, self._limits.slow_seconds)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_for_leaving)
            async for chunk in chunks:
                await self._send(self._h11.send(h11.Data(data=chunk)))
            nursery.cancel_scope.cancel()

    async def _watch_for_leaving(self) -> None:
        """Raise when the peer is gone; keep what it says meanwhile, up to a request's worth."""
        while len(self.trailing) <= self._limits.http_head_bytes:
            data = bytes(await self._stream.receive_some(_READ_BYTES))
            if not data:
                raise trio.BrokenResourceError("the peer left in the middle of an answer")
            self._h11.receive_data(data)

    async def _send(self, data: bytes) -> None:
        await send_within(self._stream, data, self._limits.slow_seconds)


def _headers(head: h11.Request) -> tuple[tuple[str, str], ...]:
    # A WebSocket keeps its request for as long as it lives, and all have the same few names.
    return tuple((intern(n.decode("ascii")), v.decode("latin-1")) for n, v in head.headers)


def _declared_bytes(head: h11.Request) -> int:
    return next((int(value) for name, value in head.headers if name == b"content-length"), 0)

"""The plain HTTP API below `/threads`: the same commands and events as on `/ws`.

A request is made into the client's message of that name and checked as such, so what is refused
there is refused here, in the same words. Nothing here knows a thread's state.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Set
from functools import partial
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote

import orjson
import trio
from attrs import frozen

from actors import JournalError, Life, Rejected, Runtime, Snapshot
from actors.core.refusals import no_such_thread

from .auth import Auth, forbidden
from .event_stream import CONTENT_TYPE, EventStream, EventStreams
from .exchange import Request, Response
from .showing import as_rejected, snapshot_message
from .translating import reply_body, summary_of, translate
from .wire import client_messages as client
from .wire import replies
from .wire.codec import BadMessage, client_message, encode_server
from .wire.server_messages import ErrorMessage, Reply, ServerMessage
from .wire.shapes import describe

if TYPE_CHECKING:
    from actors import Thread

log = logging.getLogger("holdfast.server")

COOKIE: Final = "holdfast_token"
_JSON: Final = "application/json"
_NO_STORE: Final = (("cache-control", "no-store"),)
# The label that a message has to have; nobody sees it.
_LABEL: Final = "http"
_STATUSES: Final[Mapping[str, int]] = {
    "bad_request": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "thread_not_found": 404,
    "turn_not_found": 404,
    "item_not_found": 404,
    "turn_in_progress": 409,
    "idempotency_conflict": 409,
    "thread_deleted": 410,
    "too_large": 413,
    "thread_failed": 423,
    "queue_full": 429,
    "rate_limited": 429,
    "internal": 500,
    "unsupported": 501,
    "overloaded": 503,
    "draining": 503,
    "journal_unavailable": 503,
}


@frozen
class _Call:
    """One request, whom it speaks for, and until when."""

    runtime: Runtime
    auth: Auth
    streams: EventStreams
    request: Request
    principal: str
    expires_at: float
    thread: str

    def check(self) -> None:
        """Raises Rejected where the thread may not be shown or changed, at this instant (I19)."""
        if trio.current_time() >= self.expires_at:
            raise _unauthenticated()
        if not self.auth.authorise(self.principal, self.thread):
            raise forbidden()

    def handle(self) -> Thread:
        self.check()
        return self.runtime.thread(self.thread, self.principal)

    def message(self, type: str, **fields: Any) -> Any:
        """Return the client's message; raises BadMessage."""
        return client_message({"type": type, "id": _LABEL, **fields})

    def query(self, *numbers: str, has_cursor: bool = False) -> dict[str, Any]:
        """Return the query's fields; those named are whole numbers where they look like it."""
        fields = dict(parse_qsl(self.request.query, keep_blank_values=True))
        _check_free(fields.keys() - {"cursor"} if has_cursor else fields.keys())
        return {
            name: int(value) if name in numbers and value.isdecimal() and len(value) < 10 else value
            for name, value in fields.items()
        }

    def body(self) -> dict[str, Any]:
        """Return the body's fields; raises Rejected where it is no JSON object."""
        try:
            body = orjson.loads(self.request.body or b"{}")
        except orjson.JSONDecodeError as exc:
            raise Rejected("bad_request", f"this is not JSON: {exc!s:.200}") from None
        if not isinstance(body, dict):
            raise Rejected("bad_request", f"a body is an object, not {describe(body)}")
        _check_free(body.keys())
        return body


def _unauthenticated() -> Rejected:
    return Rejected("unauthenticated", "this needs a token that is good")


def _check_free(names: Set[str]) -> None:
    """Raises Rejected for what the path says already."""
    if taken := sorted(names & {"type", "id", "thread", "cursor"}):
        raise Rejected("bad_request", f"there is no such field: {describe(taken[0])}")


async def answer_api(
    runtime: Runtime, auth: Auth, streams: EventStreams, request: Request
) -> Response:
    """Answer a request for `/threads` or something below it.

    Raises nothing: what fails is logged, and answered with 500. Cancelled, as where its request is
    cut, a command may have taken effect, as on `/ws`.
    """
    try:
        identity = await auth.identity_of(_token(request), runtime.limits.handshake_seconds)
        if identity is None:
            raise _unauthenticated()
        _, _, thread, action, *more = (*map(unquote, request.path.split("/")), "", "")
        actions = _ACTIONS.get(("{id}" if thread else "", action)) if not any(more) else None
        if actions is None:
            return _problem(404, Rejected("bad_request", "there is no such path"))
        method = "GET" if request.method == "HEAD" else request.method
        if method not in actions:
            allow = (("allow", ", ".join(sorted(actions))),)
            return _problem(405, Rejected("bad_request", "this path has other methods"), allow)
        who, expires_at = identity.principal, trio.current_time() + identity.expires_in
        call = _Call(runtime, auth, streams, request, who, expires_at, thread)
        return await actions[method](call)
    except BadMessage as bad:
        return _refusal(Rejected(bad.code, bad.message))
    except (Rejected, JournalError) as failure:
        return _refusal(as_rejected(failure))
    except Exception:  # the application's own `authenticate` or `authorise`, or a bug of ours
        log.exception("%s %s failed", request.method, request.path)
        return _refusal(Rejected("internal", "the request failed; the server's log says how"))


def _token(request: Request) -> str | None:
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    try:
        cookie = SimpleCookie(request.header("cookie") or "").get(COOKIE)
    except CookieError:
        return None
    return cookie.value if cookie is not None else None


async def _threads(call: _Call) -> Response:
    message: client.Threads = call.message("threads", **call.query("limit"))
    page = await call.runtime.threads(message.after, message.limit)
    mine = (s for s in page.summaries if call.auth.authorise(call.principal, s.thread))
    lines = tuple(summary_of(summary, call.runtime) for summary in mine)
    return _reply(replies.ThreadsReply(lines, page.after))


async def _show(call: _Call) -> Response:
    message: client.Attach = call.message("attach", thread=call.thread, **call.query("window"))
    call.check()
    subscription = call.runtime.gateway.subscribe(call.thread, None)
    try:
        await subscription.attach(None, message.window)
        snapshot = await subscription.pull()
    finally:
        subscription.close()
    call.check()
    assert isinstance(snapshot, Snapshot)  # what an attach without a cursor begins with
    if not snapshot.position.offset:
        raise no_such_thread()
    return _answer(200, snapshot_message(snapshot))


async def _events(call: _Call) -> Response:
    fields = call.query("window", has_cursor=True)
    if seen := call.request.header("last-event-id"):
        fields["cursor"] = seen
    message: client.Attach = call.message("attach", thread=call.thread, **fields)
    call.check()
    subscribe = partial(call.runtime.gateway.subscribe, call.thread, call.principal)
    may_see = partial(call.auth.authorise, call.principal)
    stream = EventStream(call.streams, subscribe, may_see, call.expires_at)
    try:
        finished = await stream.attach(message.cursor, message.window)
        call.check()
    except BaseException:
        await stream.aclose()
        raise
    if seen and finished:  # a browser comes back by itself until it is told this
        await stream.aclose()
        return Response(204, headers=_NO_STORE)
    return Response(200, stream, CONTENT_TYPE, (*_NO_STORE, ("x-accel-buffering", "no")))


async def _items(call: _Call) -> Response:
    message: client.History = call.message("history", thread=call.thread, **call.query("limit"))
    page = await call.handle().history(message.before, message.limit)
    call.check()
    if page.head.life is Life.ABSENT:
        raise no_such_thread()
    return _reply(replies.HistoryReply(page.items, page.before))


async def _submit(call: _Call) -> Response:
    body = call.body()
    key = call.request.header("idempotency-key")
    if key is not None and body.setdefault("key", key) != key:
        raise Rejected("bad_request", "the key in the body is not that of the header")
    return await _command(call, call.message("submit", thread=call.thread, **body))


async def _cancel(call: _Call) -> Response:
    return await _command(call, call.message("cancel", thread=call.thread, **call.body()))


async def _delete(call: _Call) -> Response:
    return await _command(call, call.message("delete", thread=call.thread))


async def _release(call: _Call) -> Response:
    call.message("end", thread=call.thread)  # checks the id
    # Whose thread it is does not matter: it is the server's health that an operator looks after.
    if not call.auth.may_operate(call.principal):
        raise Rejected("forbidden", "only an operator may release a thread")
    released = call.runtime.release(call.thread)
    return Response(200, orjson.dumps({"released": released}), _JSON)


async def _command(call: _Call, message: Any) -> Response:
    call.check()
    command = translate(message, call.principal, call.runtime)
    result = await call.runtime.gateway.ask(call.thread, command, call.principal)
    body = reply_body(message, result)
    created = isinstance(body, replies.SubmitReply) and not body.duplicate
    return _reply(body, 201 if created else 200)


def _reply(body: replies.ReplyBody, status: int = 200) -> Response:
    return _answer(status, Reply(_LABEL, body))


def _refusal(refusal: Rejected) -> Response:
    status = _STATUSES[refusal.code]
    headers: tuple[tuple[str, str], ...] = ()
    if status == 401:
        headers = (("www-authenticate", "Bearer"),)
    elif status in (429, 503):
        headers = (("retry-after", "1"),)
    return _problem(status, refusal, headers)


def _problem(status: int, refusal: Rejected, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    code, message, retryable = refusal.code, refusal.message, refusal.retryable
    error = ErrorMessage(code, message, retryable, details=refusal.details)
    return _answer(status, error, headers)


def _answer(
    status: int, message: ServerMessage, headers: tuple[tuple[str, str], ...] = ()
) -> Response:
    """Answer with a message's fields, but for those that only a connection needs."""
    fields = orjson.loads(encode_server(message))
    for name in ("type", "id"):
        fields.pop(name, None)
    return Response(status, orjson.dumps(fields), _JSON, (*_NO_STORE, *headers))


_Action = Callable[[_Call], Awaitable[Response]]

_ACTIONS: Final[Mapping[tuple[str, str], Mapping[str, _Action]]] = {
    ("", ""): {"GET": _threads},
    ("{id}", ""): {"GET": _show, "DELETE": _delete},
    ("{id}", "items"): {"GET": _items},
    ("{id}", "events"): {"GET": _events},
    ("{id}", "turns"): {"POST": _submit},
    ("{id}", "cancel"): {"POST": _cancel},
    ("{id}", "release"): {"POST": _release},
}

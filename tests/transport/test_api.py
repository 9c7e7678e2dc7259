"""The plain HTTP API: the same commands as over a WebSocket, in the same meaning."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import trio
import trio.testing
from attrs import define, evolve, field
from raw_peer import ask, request

from actors import Runtime, ThreadKind, Turn, open_runtime
from actors.errors import ERROR_CODES
from actors.journal.memory import MemoryJournal
from transport import Identity, serve
from transport.api import _STATUSES, answer_api
from transport.auth import Auth
from transport.event_stream import EventStreams
from transport.exchange import Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio.testing import MockClock


async def reply(turn: Turn) -> None:
    if turn.text == "wait":
        await trio.sleep_forever()
    await turn.write(f"{turn.text}!")


class Breaks(MemoryJournal):
    """A journal that fails the actors of thread `bad`, while it is told to."""

    breaks = False
    # Seconds that a read of items takes.
    slow = 0.0

    async def append(self, append: Any) -> None:
        if self.breaks and append.thread == "bad":
            raise RuntimeError("SELECT /secret/path")
        await super().append(append)

    async def history(self, *of: Any, **how: Any) -> Any:
        await trio.sleep(self.slow)
        return await super().history(*of, **how)


@define
class Api:
    """Requests to the API of a runtime."""

    runtime: Runtime
    journal: Breaks
    auth: Auth = field(factory=Auth)
    headers: tuple[tuple[str, str], ...] = ()
    streams: EventStreams = field(factory=EventStreams)

    async def __call__(
        self, method: str, target: str, body: Any = None, **headers: str
    ) -> tuple[int, Any]:
        path, _, query = target.partition("?")
        data = body if isinstance(body, bytes) else orjson.dumps(body) if body is not None else b""
        more = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        asked = Request(
            method=method, path=path, query=query, headers=(*self.headers, *more), body=data
        )
        response = await answer_api(self.runtime, self.auth, self.streams, asked)
        assert isinstance(response.body, bytes)
        assert b"secret" not in response.body
        assert response.content_type == "application/json"
        return response.status, orjson.loads(response.body)

    async def said(self, content: str, thread: str = "t") -> str:
        status, answer = await self("POST", f"/threads/{thread}/turns", {"content": content})
        assert status == 201
        turn: str = answer["turn"]
        return turn


@asynccontextmanager
async def open_api(kind: ThreadKind | None = None) -> AsyncIterator[Api]:
    kind = kind or ThreadKind(on_turn=reply)
    journal = Breaks()
    async with open_runtime(journal, kind_of=lambda _: kind) as runtime:
        yield Api(runtime, journal)


async def test_a_submit_is_created_and_repeated_under_its_key() -> None:
    async with open_api() as api:
        body = {"content": "hello", "metadata": {"a": 1}}
        status, first = await api("POST", "/threads/t/turns", body, idempotency_key="k")
        assert (status, set(first)) == (201, {"turn", "cursor", "duplicate"})
        status, again = await api("POST", "/threads/t/turns", body, idempotency_key="k")
        assert (status, again) == (200, {**first, "duplicate": True})
        status, error = await api(
            "POST", "/threads/t/turns", {"content": "other"}, idempotency_key="k"
        )
        assert (status, error["code"], error["retryable"]) == (409, "idempotency_conflict", False)
        status, error = await api(
            "POST", "/threads/t/turns", {**body, "key": "x"}, idempotency_key="k"
        )
        assert (status, error["code"]) == (400, "bad_request")


async def test_a_thread_is_shown_paged_listed_and_deleted(autojump_clock: MockClock) -> None:
    async with open_api() as api:
        for number in range(3):
            turn = await api.said(str(number))
            await api.runtime.thread("t").outcome(turn)
        status, shown = await api("GET", "/threads/t?window=2")
        assert status == 200
        assert [item["kind"] for item in shown["items"]] == ["message", "answer"]
        assert set(shown) == {
            "thread",
            "cursor",
            "items",
            "before",
            "turn",
            "queue",
            "attributes",
        }
        status, page = await api("GET", f"/threads/t/items?before={shown['before']}&limit=2")
        assert (status, len(page["items"])) == (200, 2)
        assert page["items"][-1]["text"] == "1!"
        status, listed = await api("GET", "/threads?limit=5")
        assert (status, [line["thread"] for line in listed["threads"]]) == (200, ["t"])
        assert (await api("DELETE", "/threads/t"))[1] == {"existed": True}
        assert (await api("DELETE", "/threads/t"))[1] == {"existed": False}
        for path in ("/threads/t", "/threads/t/items"):
            status, error = await api("GET", path)
            assert (status, error["code"]) == (404, "thread_not_found")


async def test_a_cancel_is_answered_when_it_is_settled(autojump_clock: MockClock) -> None:
    async with open_api() as api:
        turn = await api.said("wait")
        status, error = await api("POST", "/threads/t/turns", {"content": "x"})
        assert (status, error["code"], error["turn"]) == (409, "turn_in_progress", turn)
        assert error["retryable"] is True
        status, answer = await api("POST", "/threads/t/cancel", {"turn": turn})
        assert (status, answer["outcome"]) == (200, "cancelled")
        status, answer = await api("POST", "/threads/t/cancel")
        assert (status, answer["outcome"], answer["turn"]) == (200, "nothing_running", None)


async def test_reading_activates_nothing_and_counts_nobody() -> None:
    """I5."""
    kind = ThreadKind(on_turn=reply, presence=True)
    async with open_api(kind) as api, api.runtime.thread("t").attach() as subscription:
        for path in ("/threads", "/threads/t", "/threads/t/items"):
            await api("GET", path)
        assert api.runtime.statistics().active == 0
        assert subscription._attendance is not None
        assert subscription._attendance.attached == 1


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "code"),
    [
        ("POST", "/threads/t/turns", b"{", 400, "bad_request"),
        ("POST", "/threads/t/turns", [], 400, "bad_request"),
        ("POST", "/threads/t/turns", {}, 400, "bad_request"),
        ("POST", "/threads/t/turns", {"content": " "}, 400, "bad_request"),
        ("POST", "/threads/t/turns", {"content": "x", "surplus": 1}, 400, "bad_request"),
        ("POST", "/threads/t/turns", {"content": "x", "thread": "u"}, 400, "bad_request"),
        ("POST", "/threads/t/turns", {"content": "x", "on_busy": "maybe"}, 400, "bad_request"),
        ("POST", "/threads/-t/turns", {"content": "x"}, 400, "bad_request"),
        ("POST", "/threads/t%2Fu/turns", {"content": "x"}, 400, "bad_request"),
        ("POST", "/threads/t/cancel", {}, 404, "thread_not_found"),
        ("POST", "/threads/t/cancel", {"mode": "how"}, 400, "bad_request"),
        ("GET", "/threads?limit=many", None, 400, "bad_request"),
        ("GET", "/threads?after=nonsense", None, 400, "bad_request"),
        ("GET", "/threads?type=end", None, 400, "bad_request"),
        ("GET", "/threads/t?cursor=1.1", None, 400, "bad_request"),
        ("GET", "/threads/t/items?thread=u", None, 400, "bad_request"),
        ("GET", "/threads/t/nothing", None, 404, "bad_request"),
        ("GET", "/threads/t/items/more", None, 404, "bad_request"),
        ("PUT", "/threads/t", None, 405, "bad_request"),
        ("POST", "/threads", None, 405, "bad_request"),
    ],
)
async def test_what_is_wrong_is_refused_in_words(
    method: str, target: str, body: Any, status: int, code: str
) -> None:
    async with open_api() as api:
        got, error = await api(method, target, body)
        assert (got, error["code"]) == (status, code)
        assert error["message"]
        assert set(error) == {"code", "message", "retryable"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "this is not JSON: "),
        (["hello"], "a body is an object, not a list"),
        ({"content": "hello", "thread": "t"}, "there is no such field: the string 'thread'"),
        ({"content": "hello", "x": 1}, "there is no such field: the string 'x'"),
        ({}, "content: expected a string or a list of parts"),
    ],
)
async def test_a_body_is_refused_by_what_came_as_a_message_is(body: Any, words: str) -> None:
    async with open_api() as api:
        _, error = await api("POST", "/threads/t/turns", body)
    assert words in error["message"]


async def test_every_code_has_a_status() -> None:
    assert _STATUSES.keys() == ERROR_CODES


# Whose request it is


async def authenticate(token: str) -> Identity | None:
    name, _, good = token.partition(":")
    return Identity(name) if good == "good" else None


AUTH = Auth(authenticate, lambda who, thread: thread[0] == who[0], frozenset({"ops"}))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer ada:bad"},
        {"authorization": "Basic ada:good"},
        {"cookie": "holdfast_token=ada:bad"},
        {"cookie": ";;;=", "authorization": "Bearer "},
    ],
)
async def test_without_a_good_token_nothing_is_said(headers: dict[str, str]) -> None:
    async with open_api() as api:
        api.auth = AUTH
        status, error = await api("GET", "/threads", **headers)
        assert (status, error["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize(
    "headers", [{"authorization": "bearer ada:good"}, {"cookie": 'x=1; holdfast_token="ada:good"'}]
)
async def test_what_is_not_yours_looks_like_what_is_not_there(headers: dict[str, str]) -> None:
    """I19."""
    async with open_api() as api:
        await api.said("mine", "a")
        await api.said("theirs", "b")
        api.auth, api.headers = AUTH, tuple(headers.items())
        assert (await api("GET", "/threads/a"))[0] == 200
        assert [t["thread"] for t in (await api("GET", "/threads"))[1]["threads"]] == ["a"]
        for method, below in [
            ("GET", ""),
            ("DELETE", ""),
            ("GET", "/items"),
            ("POST", "/turns"),
            ("POST", "/cancel"),
            ("POST", "/release"),
        ]:
            body = {"content": "x"} if below == "/turns" else None
            there = await api(method, f"/threads/b{below}", body)
            assert there == await api(method, f"/threads/bx{below}", body)
            assert there[0] == 403
        assert (await api("POST", "/threads/a/release"))[0] == 403


@pytest.mark.parametrize("below", ["", "/items", "/events"])
async def test_credentials_that_run_out_meanwhile_show_nothing(
    below: str, autojump_clock: MockClock
) -> None:
    """I19."""

    async def for_a_second(token: str) -> Identity:
        return Identity(token, expires_in=1)

    async with open_api() as api:
        await api.said("mine", "a")
        await trio.sleep(1)
        api.auth, api.headers = Auth(for_a_second), (("authorization", "Bearer ada"),)
        api.journal.slow = 0.3
        if below != "/events":  # which is no JSON
            assert (await api("GET", f"/threads/a{below}"))[0] == 200
        api.journal.slow = 1
        status, error = await api("GET", f"/threads/a{below}")
        assert (status, error["code"]) == (401, "unauthenticated")


async def test_an_operator_releases_a_quarantined_thread(autojump_clock: MockClock) -> None:
    async with open_api() as api:
        api.journal.breaks = True
        while not api.runtime.registry.is_failed("bad"):
            await api("POST", "/threads/bad/turns", {"content": "x"})
        assert (await api("POST", "/threads/bad/turns", {"content": "x"}))[0] == 423
        api.journal.breaks = False
        assert (await api("POST", "/threads/bad/release"))[1] == {"released": True}
        assert (await api("POST", "/threads/bad/release"))[1] == {"released": False}
        await api.said("x", "bad")


async def test_an_operator_is_named_where_people_are_told_apart() -> None:
    async with open_api() as api:
        for authorise in (lambda who, thread: True, lambda who, thread: False):
            api.auth = evolve(AUTH, authorise=authorise)
            for token, status in [("ops:good", 200), ("ada:good", 403)]:
                bearer = f"Bearer {token}"
                got, _ = await api("POST", "/threads/t/release", authorization=bearer)
                assert got == status


async def test_a_failure_of_the_application_is_told_by_its_code(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As JSON like every refusal, and what it says stays in the log (rule 14)."""

    def authorise(who: str, thread: str) -> bool:
        raise RuntimeError("secret")

    async with open_api() as api:
        api.auth = evolve(AUTH, authorise=authorise)
        status, error = await api("GET", "/threads/t", authorization="Bearer ada:good")
    assert (status, error["code"], error["retryable"]) == (500, "internal", True)
    assert "secret" in caplog.text


# On a port


async def test_on_a_port_with_metrics() -> None:
    async with (
        open_runtime(MemoryJournal(), on_turn=reply) as runtime,
        trio.open_nursery() as nursery,
    ):
        server = await nursery.start(partial(serve, runtime, port=0))
        port = int(server.url.rsplit(":", 1)[1].strip("/"))

        async def send(method: str, path: str, body: bytes = b"", **more: str) -> tuple[int, bytes]:
            headers = {
                "Host": "127.0.0.1",
                "Connection": "close",
                "Content-Length": str(len(body)),
                **more,
            }
            status, _, answer = await ask(port, request(path, headers, method=method, body=body))
            return status, answer

        body = b'{"content":"hello"}'
        assert (await send("POST", "/threads/t/turns", body))[0] == 201
        elsewhere = await send("POST", "/threads/t/turns", body, Origin="https://evil.example")
        assert elsewhere[0] == 403
        turn = orjson.loads((await send("GET", "/threads/t"))[1])["items"][0]["turn"]
        await runtime.thread("t").outcome(turn)
        status, metrics = await send("GET", "/metrics")
        lines = dict(
            line.rsplit(" ", 1) for line in metrics.decode().splitlines() if line[0] != "#"
        )
        assert status == 200
        assert lines['holdfast_turns_total{ending="completed"}'] == "1"
        assert lines['holdfast_turns_total{ending="failed"}'] == "0"
        assert lines["holdfast_threads_active"] == "1"
        assert int(lines["holdfast_journal_appends_total"]) >= 2
        assert lines["holdfast_threads_quarantined"] == "0"
        assert (await send("DELETE", "/threads/t"))[0] == 200
        nursery.cancel_scope.cancel()

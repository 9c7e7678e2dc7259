"""Pages of other origins: those that are named may read answers, and all others get nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from raw_peer import ask, request
from shell_server import shell_server

from transport.access import AccessPolicy
from transport.exchange import Request, Response

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

APP = "https://app.example"
POLICY = AccessPolicy(origins=frozenset({APP}))
HOST = {"Host": "127.0.0.1", "Connection": "close"}
ASKS = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "idempotency-key",
}


async def pieces(request: Request) -> Response:
    async def body() -> AsyncGenerator[bytes, None]:
        yield b"data: 1\n\n"
        await trio.lowlevel.checkpoint()

    await trio.lowlevel.checkpoint()
    return Response(200, body(), "text/event-stream")


async def refused(request: Request) -> Response:
    await trio.lowlevel.checkpoint()
    return Response(401, b"{}", headers=(("www-authenticate", "Bearer"),))


ROUTES = {("GET", "/events"): pieces, ("POST", "/events"): refused}


def given(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("access-control-")}


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("POST", 401), ("DELETE", 405)])
async def test_a_page_of_a_named_origin_may_read_whatever_is_answered(
    method: str, status: int
) -> None:
    async with shell_server(routes=ROUTES, access=POLICY) as server:
        data = request("/events", {**HOST, "Origin": APP}, method=method)
        answered, headers, _ = await ask(server.port, data)
    assert answered == status
    assert headers["access-control-allow-origin"] == APP
    assert headers["access-control-allow-credentials"] == "true"
    assert headers["vary"] == "origin"


async def test_its_preflight_is_answered_and_nothing_is_done() -> None:
    async with shell_server(routes=ROUTES, access=POLICY) as server:
        data = request("/events", {**HOST, **ASKS, "Origin": APP}, method="OPTIONS")
        status, headers, body = await ask(server.port, data)
    assert (status, body) == (204, b"")
    assert headers["access-control-allow-origin"] == APP
    assert "POST" in headers["access-control-allow-methods"]
    assert "idempotency-key" in headers["access-control-allow-headers"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", f"{APP}:8443", "https://app.exampl"]
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_other_pages_get_nothing(origin: str, method: str) -> None:
    async with shell_server(routes=ROUTES, access=POLICY) as server:
        data = request("/events", {**HOST, **ASKS, "Origin": origin}, method=method)
        status, headers, _ = await ask(server.port, data)
    assert (status, given(headers)) == (403, {})


async def test_who_is_no_page_or_one_of_ours_is_told_nothing() -> None:
    for policy, origin in ((POLICY, None), (POLICY, "ours"), (AccessPolicy(), "ours")):
        async with shell_server(routes=ROUTES, access=policy) as server:
            ours = f"http://127.0.0.1:{server.port}"
            host = {"Host": f"127.0.0.1:{server.port}", "Connection": "close"}
            page = {"Origin": ours} if origin else {}
            status, headers, _ = await ask(server.port, request("/events", {**host, **page}))
            assert (status, given(headers)) == (200, {})
            assert ("vary" in headers) == bool(policy.origins)


async def test_options_that_is_no_preflight_is_a_method_like_any() -> None:
    async with shell_server(routes=ROUTES, access=POLICY) as server:
        data = request("/events", {**HOST, "Origin": APP}, method="OPTIONS")
        status, headers, _ = await ask(server.port, data)
    assert status == 405
    assert headers["allow"] == "GET, HEAD, POST"

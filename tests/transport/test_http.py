"""Plain HTTP on the port: what is answered, what is refused, and what ends a connection."""

from __future__ import annotations

import http.client

import orjson
import pytest
import trio
from attrs import evolve
from raw_peer import ask, connect, parse, request, text, upgrade
from shell_server import HASTY, TEST_LIMITS, shell_server

from transport.access import AccessPolicy
from transport.exchange import Request, Response, Routes

HOST = {"Host": "127.0.0.1"}
CLOSING = {**HOST, "Connection": "close"}


async def show(request: Request) -> Response:
    await trio.lowlevel.checkpoint()
    lines = [request.method, request.path, request.query, str(request.header("x-a"))]
    return Response(200, "\n".join(lines).encode() + b"\n" + request.body, "text/x-shown")


async def nothing(request: Request) -> Response:
    await trio.lowlevel.checkpoint()
    return Response(204)


async def fail(request: Request) -> Response:
    await trio.lowlevel.checkpoint()
    raise ValueError("/secret/path")


ROUTES: Routes = {
    ("GET", "/"): show,
    ("GET", "/page"): show,
    ("POST", "/page"): show,
    ("DELETE", "/nothing"): nothing,
    ("GET", "/fail"): fail,
}


# -- Answers ---------------------------------------------------------------------------------------


async def test_a_page() -> None:
    async with shell_server(routes=ROUTES) as server:
        data = request("/page?b=%20c", {**CLOSING, "X-A": "1"})
        status, headers, body = await ask(server.port, data)
    assert (status, body) == (200, b"GET\n/page\nb=%20c\n1\n")
    assert headers["content-type"] == "text/x-shown"
    assert headers["content-length"] == str(len(body))
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "date" in headers


async def test_an_independent_client_over_one_connection() -> None:
    calls = [
        ("GET", "/healthz", None, 200, b"ok\n"),
        ("POST", "/page", b"x" * 40_000, 200, b"POST\n/page\n\nNone\n" + b"x" * 40_000),
        ("DELETE", "/nothing", None, 204, b""),
        ("HEAD", "/page", None, 200, b""),
        ("GET", "/absent", None, 404, b"no such page\n"),
        ("GET", "/healthz", None, 200, b"ok\n"),
    ]

    def talk(port: int) -> None:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
        for method, path, body, status, expected in calls:
            client.request(method, path, body)
            response = client.getresponse()
            assert (response.status, response.read()) == (status, expected)
            assert method != "HEAD" or response.getheader("content-length") == "17"
        client.close()

    async with shell_server(routes=ROUTES) as server:
        await trio.to_thread.run_sync(talk, server.port)
        await server.wait_for_connections(0)
        assert server.accepted == 1


async def test_a_repeated_header_is_joined() -> None:
    async with shell_server(routes=ROUTES) as server:
        data = request("/", CLOSING)[:-2] + b"X-A: 1\r\nx-a: 2\r\n\r\n"
        _, _, body = await ask(server.port, data)
    assert body == b"GET\n/\n\n1, 2\n"


async def test_requests_in_one_go_are_answered_in_order() -> None:
    async with shell_server(routes=ROUTES) as server:
        async with connect(server.port) as peer:
            for _ in range(20):
                await peer.send(request("/healthz"))
            await peer.send(request("/page", CLOSING))
            answers = await peer.read_all()
        assert answers.count(b"HTTP/1.1 200") == 21
        assert answers.count(b"ok\n") == 20
        assert answers.endswith(b"GET\n/page\n\nNone\n")


async def test_http_1_0_is_closed_after_its_answer() -> None:
    async with shell_server() as server:
        status, _, body = await ask(server.port, b"GET /healthz HTTP/1.0\r\n\r\n")
    assert (status, body) == (200, b"ok\n")


async def test_a_body_in_chunks_and_one_that_waits_to_be_asked() -> None:
    async with shell_server(routes=ROUTES) as server, connect(server.port) as peer:
        headers = {**CLOSING, "Transfer-Encoding": "chunked", "Expect": "100-continue"}
        await peer.send(request("/page", headers, method="POST"))
        assert (await peer.read_head()).startswith(b"HTTP/1.1 100 ")
        await peer.send(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        status, _, body = parse(await peer.read_all())
    assert (status, body) == (200, b"POST\n/page\n\nNone\nabcde")


async def test_an_upgrade_can_follow_requests() -> None:
    async with shell_server() as server, connect(server.port) as peer:
        await peer.send(request("/healthz") + upgrade() + text("hello"))
        assert b" 200 " in await peer.read_head()
        assert await peer.read_exactly(3) == b"ok\n"
        assert b" 101 " in await peer.read_head()
        assert await peer.read_frame() == (1, b"hello")


async def test_an_upgrade_to_something_else_is_ignored() -> None:
    async with shell_server() as server:
        headers = {**HOST, "Upgrade": "h2c", "Connection": "Upgrade, close"}
        assert (await ask(server.port, request("/healthz", headers)))[0] == 200


# -- Refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request("/absent", CLOSING), 404),
        (request("/page/", CLOSING), 404),
        (request("/../etc/passwd", CLOSING), 404),
        (request("/%2e%2e/etc/passwd", CLOSING), 404),
        (request("//etc/passwd", CLOSING), 404),
        (request("/page%00", CLOSING), 404),
        (request("/%70age", CLOSING), 404),
        (request("/page", CLOSING, method="PUT"), 405),
        (request("/nothing", CLOSING, method="HEAD"), 405),
        (request("/page", CLOSING, method="BREW"), 405),
        (request("*", CLOSING, method="OPTIONS"), 400),
        (request("127.0.0.1:22", CLOSING, method="CONNECT"), 400),
        (request("http://127.0.0.1/healthz", CLOSING), 400),
        (request("/healthz", {**CLOSING, "Host": "evil.example"}), 403),
        (request("/healthz", {**CLOSING, "Origin": "https://evil.example"}), 403),
        (request("/healthz", {"Connection": "close"}), 400),
        (request("/healthz", HOST)[:-2] + b"Host: other\r\n\r\n", 400),
        (request("/healthz", {**HOST, "A": "x" * 22_000}), 431),
        (request("/" + "x" * 22_000, HOST), 431),
        (b"GET /" + b"x" * 30_000, 431),
        (request("/healthz", HOST)[:-2] + b"A: b\r\n" * 9000 + b"\r\n", 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), 400),
        (b"\r\n\r\n\r\n\r\nGARBAGE\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n folded: y\r\nA\x00: b\r\n\r\n", 400),
        (b"GET /healthz HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n", 505),
        (request("/page", {**HOST, "Content-Length": "-1"}, method="POST"), 400),
        (request("/page", {**HOST, "Content-Length": "1, 2"}, method="POST"), 400),
        (request("/page", {**HOST, "Content-Length": "9" * 30}, method="POST"), 400),
        (request("/page", {**HOST, "Content-Length": "70000"}, method="POST"), 413),
        (
            request(
                "/page",
                {**HOST, "Transfer-Encoding": "chunked"},
                method="POST",
                body=b"ffff\r\n" + b"x" * 65_535 + b"\r\nff\r\n" + b"x" * 255,
            ),
            413,
        ),
        (
            request(
                "/page", {**HOST, "Transfer-Encoding": "chunked"}, method="POST", body=b"zz\r\n"
            ),
            400,
        ),
        (request("/page", {**HOST, "Transfer-Encoding": "gzip"}, method="POST"), 501),
        (request("/page", {**HOST, "Content-Length": "9"}, method="POST", body=b"x"), 400),
        (b"GET /healthz HTTP/1.1\r\nHost: 127.", 400),
    ],
)
async def test_refusals(data: bytes, status: int) -> None:
    async with shell_server(routes=ROUTES) as server:
        async with connect(server.port) as peer:
            await peer.send(data)
            await peer.stream.send_eof()
            head_only = data.startswith(b"HEAD ")
            got, headers, body = parse(await peer.read_all(), head_only=head_only)
        assert got == status
        assert headers["content-length"] == str(len(body)) or head_only
        await server.wait_for_connections(0)


async def test_other_methods_are_named() -> None:
    async with shell_server(routes=ROUTES) as server:
        _, headers, _ = await ask(server.port, request("/page", CLOSING, method="PUT"))
    assert headers["allow"] == "GET, HEAD, POST"


async def test_a_body_that_is_refused_need_not_be_sent() -> None:
    """It waits to be asked for, and is told that nobody wants it."""
    async with shell_server(routes=ROUTES) as server:
        headers = {**HOST, "Content-Length": "70000", "Expect": "100-continue"}
        status, headers, body = await ask(server.port, request("/page", headers, method="POST"))
    assert status == 413
    assert headers["connection"] == "close"
    assert headers["content-type"] == "application/json"
    assert orjson.loads(body) == {
        "code": "too_large",
        "message": f"a body has at most {TEST_LIMITS.http_body_bytes} bytes",
        "retryable": False,
    }


async def test_a_refusal_is_not_lost_to_a_reset() -> None:
    """What the peer sends on is taken and thrown away, and it is told at once that this is all."""
    limits = evolve(TEST_LIMITS, close_seconds=5)
    async with shell_server(routes=ROUTES, limits=limits) as server:
        async with connect(server.port) as peer, trio.open_nursery() as nursery:
            headers = {**HOST, "Content-Length": "2000000"}
            data = request("/page", headers, method="POST", body=bytes(2_000_000))
            nursery.start_soon(peer.stream.send_all, data)
            with trio.fail_after(2):
                assert parse(await peer.read_all())[0] == 413
        await server.wait_for_connections(0)


async def test_the_bound_of_a_head() -> None:
    limits = evolve(TEST_LIMITS, http_head_bytes=1000)
    async with shell_server(limits=limits) as server:
        for size, status in ((500, 200), (6000, 431)):
            headers = {**CLOSING, "X": "x" * size}
            assert (await ask(server.port, request("/healthz", headers)))[0] == status


async def test_a_handler_that_fails_says_nothing_of_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with shell_server(routes=ROUTES) as server:
        status, _, body = await ask(server.port, request("/fail", CLOSING))
    assert (status, body) == (500, b"internal error\n")
    assert "secret" in caplog.text


async def test_a_public_server_answers_to_any_name() -> None:
    async with shell_server(access=AccessPolicy(loopback=False)) as server:
        data = request("/healthz", {**CLOSING, "Host": "chat.example"})
        assert (await ask(server.port, data))[0] == 200


# -- Time ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", None),
        (b"G", 408),
        (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n", 408),
        (request("/page", {**HOST, "Content-Length": "9"}, method="POST", body=b"x"), 408),
    ],
)
async def test_a_request_that_does_not_come(data: bytes, status: int | None) -> None:
    async with shell_server(routes=ROUTES, limits=HASTY) as server:
        async with connect(server.port) as peer:
            await peer.send(data)
            answer = await peer.read_all()
            assert (parse(answer)[0] if answer else None) == status
        await server.wait_for_connections(0)


async def test_dripping_does_not_gain_time() -> None:
    async with shell_server(limits=HASTY) as server:
        started = trio.current_time()
        async with connect(server.port) as peer, trio.open_nursery() as nursery:
            nursery.start_soon(drip, peer.stream, request("/healthz", {**HOST, "A": "x" * 999}))
            assert parse(await peer.read_all())[0] == 408
            nursery.cancel_scope.cancel()
        assert trio.current_time() - started < 2


async def drip(stream: trio.abc.SendStream, data: bytes) -> None:
    for at in range(len(data)):
        try:
            await stream.send_all(data[at : at + 1])
        except trio.BrokenResourceError:
            return
        await trio.sleep(0.01)


async def test_an_idle_connection_is_closed_without_a_word() -> None:
    async with shell_server(limits=HASTY) as server:
        async with connect(server.port) as peer:
            await peer.send(request("/healthz"))
            await peer.read_head()
            assert await peer.read_all() == b"ok\n"
        await server.wait_for_connections(0)


async def test_a_peer_that_takes_nothing_is_cut() -> None:
    async def large(request: Request) -> Response:
        await trio.lowlevel.checkpoint()
        return Response(200, b"x" * 20_000_000)

    async with (
        shell_server(routes={("GET", "/large"): large}, limits=HASTY) as server,
        connect(server.port) as peer,
    ):
        await peer.send(request("/large"))
        await server.wait_for_connections(0)

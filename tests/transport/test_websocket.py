"""WebSocket links on real sockets: the handshake, the close codes, and what happens at the edges.

What every link has to do is in `tests/contract/test_links.py`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from raw_peer import RawPeer, close, connect, frame, parse, request, text, upgrade
from shell_server import HASTY, TEST_LIMITS, echo, shell_server

from actors.limits import Limits
from transport.access import AccessPolicy
from transport.link import Link, LinkClosed

if TYPE_CHECKING:
    from transport.exchange import Request

BAD_KEY = "dG9vIHNob3J0"
CLOSING = {"Host": "127.0.0.1", "Connection": "close"}


# -- The handshake ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("handshake", "status"),
    [
        (upgrade(Host="evil.example"), 403),
        (upgrade(Origin="https://evil.example"), 403),
        (upgrade(Origin="null"), 403),
        (upgrade(Sec_WebSocket_Key=None), 400),
        (upgrade(Sec_WebSocket_Key="x"), 400),
        (upgrade(Sec_WebSocket_Key=BAD_KEY), 400),
        (upgrade(Sec_WebSocket_Key="é" * 24), 400),
        (upgrade(Sec_WebSocket_Version=None), 400),
        (upgrade(Sec_WebSocket_Version="12"), 400),
        (upgrade(Connection="keep-alive"), 400),
        (upgrade(Host=None), 400),
        (upgrade().replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
        (upgrade().replace(b"GET ", b"POST "), 400),
        (upgrade(Content_Length="2") + b"hi", 400),
        (upgrade().replace(b"/ws ", b"/ "), 404),
        (upgrade().replace(b"/ws ", b"/ws/ "), 404),
        (upgrade().replace(b"/ws ", b"/healthz "), 404),
        (request("/ws", CLOSING), 426),
    ],
)
async def test_refusals(handshake: bytes, status: int) -> None:
    async with shell_server() as server:
        async with connect(server.port) as peer:
            await peer.send(handshake)
            await peer.stream.send_eof()
            got, headers, _ = parse(await peer.read_all())
        assert got == status
        if b"Version: 12" in handshake:
            assert headers["sec-websocket-version"] == "13"


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (None, None),
        ("holdfast.v1", b"holdfast.v1"),
        ("other, holdfast.v1", b"holdfast.v1"),
        ("other", None),
    ],
)
async def test_subprotocols(offered: str | None, chosen: bytes | None) -> None:
    async with shell_server() as server, connect(server.port) as peer:
        head = await peer.upgrade(Sec_WebSocket_Protocol=offered)
        assert (b"sec-websocket-protocol" in head.lower()) is (chosen is not None)
        assert chosen is None or b"Sec-WebSocket-Protocol: " + chosen in head


async def test_a_page_of_ours_may_connect() -> None:
    access = AccessPolicy(loopback=True, origins=frozenset({"https://app.example"}))
    async with shell_server(access=access) as server:
        host = f"localhost:{server.port}"
        for origin in (f"http://{host}", "https://app.example"):
            async with connect(server.port) as peer:
                await peer.upgrade(Host=host, Origin=origin)


@pytest.mark.parametrize("host", ["xn--", "a" * 70, "x..y", "\\"])
async def test_a_host_that_the_library_trips_over_never_reaches_it(host: str) -> None:
    async with (
        shell_server(access=AccessPolicy(loopback=False)) as server,
        connect(server.port) as peer,
    ):
        await peer.upgrade(Host=host)
        await peer.send(text("hello"))
        assert await peer.read_frame() == (1, b"hello")


async def test_the_session_knows_the_request() -> None:
    seen: list[tuple[str, str, str | None]] = []

    async def session(link: Link, request: Request) -> None:
        seen.append((request.query, link.peer, request.header("x-token")))
        await trio.lowlevel.checkpoint()

    async with shell_server(session) as server:
        async with connect(server.port) as peer:
            address = f"127.0.0.1:{peer.stream.socket.getsockname()[1]}"
            await peer.send(upgrade(X_Token="abc").replace(b"/ws ", b"/ws?a=%20b "))
            await peer.read_head()
            assert await peer.read_close() == 1000
        assert seen == [("a=%20b", address, "abc")]


async def test_frames_that_came_with_the_handshake_are_not_lost() -> None:
    data = upgrade() + text("early") + text("bird")
    for cut in (len(data), len(upgrade()) + 1, len(upgrade()) - 1, len(upgrade()) + 9):
        async with shell_server() as server, connect(server.port) as peer:
            await peer.send(data[:cut])
            await trio.testing.wait_all_tasks_blocked(0.01)
            await peer.send(data[cut:])
            await peer.read_head()
            assert [await peer.read_frame() for _ in "12"] == [(1, b"early"), (1, b"bird")]


# -- Closing ---------------------------------------------------------------------------------------

VIOLATIONS = {
    "unmasked": (text("x", masked=False), 1002),
    "reserved bit": (text("x", rsv=4), 1002),
    "reserved opcode": (frame(3, b"x"), 1002),
    "reserved control opcode": (frame(11, b"x"), 1002),
    "long ping": (frame(9, b"x" * 126), 1002),
    "fragmented ping": (frame(9, b"x", fin=False), 1002),
    "continuation of nothing": (frame(0, b"x"), 1002),
    "text inside text": (text("x", fin=False) + text("y"), 1002),
    "short close": (frame(8, b"x"), 1002),
    "close with a reserved code": (close(1005), 1002),
    "close with an unknown code": (close(999), 1002),
    "close with a bad reason": (close(1000, b"\xff"), 1007),
    "invalid UTF-8": (frame(1, b"\xff\xfe"), 1007),
    "cut UTF-8": (frame(1, "é".encode()[:1]), 1007),
    "surrogate": (frame(1, b"\xed\xa0\x80"), 1007),
    "too long": (text("x" * (TEST_LIMITS.frame_bytes + 1)), 1009),
    "too long in bytes": (text("é" * (TEST_LIMITS.frame_bytes // 2 + 1)), 1009),
    "announced too long": (frame(1, length=1 << 62), 1009),
    "too long in pieces": (
        text("x", fin=False) + frame(0, b"x" * TEST_LIMITS.frame_bytes, fin=False),
        1009,
    ),
    "endless empty pieces": (
        text("", fin=False) + frame(0, fin=False) * TEST_LIMITS.message_fragments,
        1009,
    ),
}


@pytest.mark.parametrize("violation", VIOLATIONS)
async def test_what_websocket_forbids_is_closed_by_its_own_code(violation: str) -> None:
    data, code = VIOLATIONS[violation]
    seen: list[object] = []

    async def session(link: Link, request: Request) -> None:
        try:
            while True:
                seen.append(await link.receive())
        except LinkClosed as closed:
            seen.append(closed.code)

    async with shell_server(session) as server:
        async with connect(server.port) as peer:
            await peer.upgrade()
            await peer.send(text("before") + data)
            assert await peer.read_frame() == (8, code.to_bytes(2, "big"))
            await peer.stream.send_eof()
            assert await peer.read_all() == b""
        await server.wait_for_connections(0)
        assert seen == ["before", code]


async def test_a_violation_is_told_although_more_is_on_its_way() -> None:
    """The close frame is not lost to a reset, with megabytes unread."""
    async with (
        shell_server() as server,
        connect(server.port) as peer,
        trio.open_nursery() as nursery,
    ):
        await peer.upgrade()
        nursery.start_soon(peer.send, frame(1, length=3_000_000) + bytes(3_000_000))
        assert await peer.read_close() == 1009
        nursery.cancel_scope.cancel()


async def test_a_close_is_answered() -> None:
    async with shell_server() as server, connect(server.port) as peer:
        await peer.upgrade()
        await peer.send(close(4321, b"so long"))
        assert await peer.read_frame() == (8, b"\x10\xe1so long")
        assert await peer.read_all() == b""


TALK = {
    "ping": frame(9, b"ping"),
    "pong": frame(10),
    "text": text("x"),
    "violation": text("x", masked=False),
    "garbage": b"\xff" * 99,
}


@pytest.mark.parametrize("talk", TALK)
@pytest.mark.parametrize("before", [True, False])
async def test_a_peer_that_talks_on_while_being_closed(talk: str, before: bool) -> None:
    """A ping is what stops trio-websocket's own server."""

    async def session(link: Link, request: Request) -> None:
        await link.receive()
        await link.aclose(4001, "draining")

    async with shell_server(session) as server:
        async with connect(server.port) as peer:
            await peer.upgrade()
            await peer.send(text("go") + (TALK[talk] * 3 if before else b""))
            # Which one wins where both have a reason to close is open.
            assert await peer.read_close() in ((4001, 1002) if before else (4001,))
            await peer.send(TALK[talk])
            await peer.read_all()
        await server.wait_for_connections(0)


@pytest.mark.parametrize("group", [False, True])
async def test_a_session_that_fails_closes_with_4005(
    caplog: pytest.LogCaptureFixture, group: bool
) -> None:
    async def session(link: Link, request: Request) -> None:
        await link.receive()
        error = ValueError("secret")
        raise ExceptionGroup("g", [error]) if group else error

    async with shell_server(session) as server:
        async with connect(server.port) as peer:
            await peer.upgrade()
            await peer.send(text("go"))
            assert await peer.read_frame() == (8, b"\x0f\xa5internal error")
        assert "secret" in caplog.text
        await server.wait_for_connections(0)


async def test_a_session_that_lets_the_close_out_is_no_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def session(link: Link, request: Request) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            await echo(link, request)

    async with shell_server(session) as server:
        async with connect(server.port) as peer:
            await peer.upgrade()
        await server.wait_for_connections(0)
    assert [r for r in caplog.records if r.levelno > logging.INFO] == []


# -- Floods and slow peers -------------------------------------------------------------------------


async def test_a_few_pings_are_answered_at_once() -> None:
    async with shell_server() as server, connect(server.port) as peer:
        await peer.upgrade()
        with trio.fail_after(0.9):
            for number in range(50):
                await peer.send(frame(9, b"%d" % number))
                assert await peer.read_frame() == (10, b"%d" % number)


async def test_many_fragments_are_one_message() -> None:
    async with shell_server() as server, connect(server.port) as peer:
        await peer.upgrade()
        letters = "abcdefghij" * 5
        for at, letter in enumerate(letters):
            last = at == len(letters) - 1
            await peer.send(frame(0 if at else 1, letter.encode(), fin=last) + frame(9))
        frames = [await peer.read_frame() for _ in range(51)]
        assert frames.count((10, b"")) == 50
        assert (1, letters.encode()) in frames


async def test_a_peer_that_takes_nothing_is_cut() -> None:
    """Its frames end where they end; nothing is sent behind a torn one."""
    cut = trio.Event()

    async def session(link: Link, request: Request) -> None:
        with pytest.raises(LinkClosed, match="1006"):
            await send_forever(link)
        cut.set()

    async with shell_server(session, limits=HASTY) as server, connect(server.port) as peer:
        await peer.upgrade()
        with trio.fail_after(3):
            await cut.wait()
        await server.wait_for_connections(0)
        await only_whole_frames_of(peer, b"x" * 50_000)


async def test_nothing_follows_a_cancelled_send() -> None:
    async def session(link: Link, request: Request) -> None:
        with trio.move_on_after(0.1):
            await send_forever(link)
        with pytest.raises(LinkClosed):
            await link.send_text(b"y")
        await link.aclose(4003)

    async with shell_server(session, limits=Limits()) as server, connect(server.port) as peer:
        await peer.upgrade()
        await server.wait_for_connections(0)
        await only_whole_frames_of(peer, b"x" * 50_000)


async def send_forever(link: Link) -> None:
    while True:
        await link.send_text(b"x" * 50_000)


async def only_whole_frames_of(peer: RawPeer, payload: bytes) -> None:
    data = await peer.read_all()
    whole = frame(1, payload, masked=False)
    assert data
    assert data == (whole * (len(data) // len(whole) + 1))[: len(data)]

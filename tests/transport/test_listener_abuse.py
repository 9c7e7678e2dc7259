"""Whatever a peer does, and however it leaves: the server serves on, and no bystander notices.

Each case is ended by FIN and by RST, once the server has had time to react, and by RST at once.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from attrs import define
from raw_peer import ask, close, connect, frame, request, text, upgrade
from shell_server import TEST_LIMITS, shell_server

from transport.link import Link
from transport.websocket import connect_link

if TYPE_CHECKING:
    from raw_peer import RawPeer

    from transport.exchange import Request

FRAME = TEST_LIMITS.frame_bytes
HOST = {"Host": "127.0.0.1"}
NOISE = bytes(range(256)) * 8

# Sent as they are, on a fresh connection.
ON_HTTP = {
    "nothing": b"",
    "one byte": b"G",
    "half a request": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-",
    "half a body": request("/healthz", {**HOST, "Content-Length": "99"}, body=b"x"),
    "half a chunk": request("/", {**HOST, "Transfer-Encoding": "chunked"}, body=b"ff\r\nx"),
    "garbage": NOISE,
    "nul bytes": bytes(5000),
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(507),
    "22 KiB of headers": request("/ws", {**HOST, "X": "x" * 22 * 1024}),
    "a line without end": b"GET /" + b"x" * 200_000,
    "headers without end": b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20_000,
    "a body nobody wants": request("/", {**HOST, "Content-Length": "9999999"}) + b"x" * 500_000,
    "many requests, no answer read": request() * 2000,
    "two Host headers": request()[:-2] + b"Host: x\r\n\r\n",
    "a bad key": upgrade(Sec_WebSocket_Key="x"),
    "no key": upgrade(Sec_WebSocket_Key=None),
    "a bad version": upgrade(Sec_WebSocket_Version="99"),
    "a bad path": upgrade().replace(b"/ws", b"/nowhere"),
    "a bad origin": upgrade(Origin="https://evil.example"),
    "a bad host": upgrade(Host="xn--\\"),
    "an upgrade by POST": upgrade().replace(b"GET", b"POST"),
    "an upgrade of HTTP/1.0": upgrade().replace(b"HTTP/1.1", b"HTTP/1.0"),
    "an upgrade with a body": upgrade(Content_Length="4") + b"body",
    "half an upgrade": upgrade()[:-9],
    "a byte behind the upgrade": upgrade() + b"\x81",
    "noise behind the upgrade": upgrade() + NOISE,
    "frames behind the upgrade": upgrade() + text("early") * 100,
    "a close behind the upgrade": upgrade() + close(1000),
    "two upgrades": upgrade() * 2,
}
# Sent as they are, once the handshake is through.
ON_WEBSOCKET = {
    "silence": b"",
    "one byte": b"\x81",
    "half a header": frame(1, b"x" * 300)[:3],
    "half a frame": frame(1, b"x" * 300)[:200],
    "noise": NOISE,
    "nul bytes": bytes(5000),
    "HTTP": request(),
    "an unmasked frame": text("x", masked=False),
    "reserved bits": text("x", rsv=7),
    "a reserved opcode": frame(5, b"x"),
    "a reserved control opcode": frame(15),
    "a continuation of nothing": frame(0, b"x"),
    "text inside text": text("x", fin=False) * 2,
    "pieces without end": text("x", fin=False) + frame(0, b"x", fin=False) * 5000,
    "empty pieces without end": text("", fin=False) + frame(0, fin=False) * 5000,
    "invalid UTF-8": frame(1, b"\xff"),
    "a lone surrogate": frame(1, b"\xed\xbf\xbf"),
    "binary": frame(2, NOISE),
    "too large": frame(1, b"x" * (FRAME + 1)),
    "announced too large": frame(1, b"x", length=1 << 62),
    "an impossible length": frame(1, length=(1 << 64) - 1),
    "a length in too many bytes": b"\x81\xff" + (5).to_bytes(8, "big") + b"keyxHello",
    "a long ping": frame(9, b"x" * 126),
    "a ping in pieces": frame(9, b"x", fin=False),
    "pings without end": frame(9, b"x" * 125) * 2000,
    "pongs for nothing": frame(10, b"x") * 50,
    "messages without end, none read": text("x" * 1000) * 500,
    "a close": close(1000),
    "a close without a code": frame(8),
    "a close of one byte": frame(8, b"x"),
    "a close with a reserved code": close(1006),
    "a close with bad text": close(1000, b"\xff"),
    "two closes": close(1000) * 2,
    "frames behind a close": close(1000) + text("late") * 10 + frame(9) + NOISE,
    "a close inside a frame": frame(1, b"x" * 300)[:200] + close(1000),
    "a ping while closing": text("close") + frame(9, b"still there?") * 3,
    "text while closing": text("close") + text("still there?") * 50,
    "noise while closing": text("close") + NOISE,
}
ENDINGS = ["FIN", "RST", "RST at once"]


async def session(link: Link, request: Request) -> None:
    """An echo that can be asked to close."""
    while (message := await link.receive()) != "close":
        await link.send_text(message if isinstance(message, str) else b"binary")
    await link.aclose(4001)


@define
class Bystander:
    """A conversation that goes on meanwhile, and does not skip a word."""

    link: Link
    heard: int = 0

    async def talk(self) -> None:
        while True:
            await self.say()
            await trio.sleep(0.002)

    async def say(self) -> None:
        self.heard += 1
        with trio.fail_after(3):
            await self.link.send_text(str(self.heard))
            assert await self.link.receive() == str(self.heard)


async def leave(peer: RawPeer, how: str) -> None:
    if how != "RST at once":
        await trio.testing.wait_all_tasks_blocked(0.001)
    await peer.leave(how[:3])


@pytest.mark.parametrize("how", ENDINGS)
@pytest.mark.parametrize("case", [*ON_HTTP, *(f"ws: {name}" for name in ON_WEBSOCKET)])
async def test_abuse(case: str, how: str, caplog: pytest.LogCaptureFixture) -> None:
    on_websocket = case.startswith("ws: ")
    data = ON_WEBSOCKET[case[4:]] if on_websocket else ON_HTTP[case]
    async with shell_server(session) as server, trio.open_nursery() as nursery:
        bystander = Bystander(await connect_link(nursery, server.url, limits=TEST_LIMITS))
        async with trio.open_nursery() as conversation:
            conversation.start_soon(bystander.talk)
            async with connect(server.port) as peer:
                if on_websocket:
                    await peer.upgrade()
                with trio.move_on_after(0.2):  # where the server reads no more, we have said enough
                    await peer.send(data)
                await leave(peer, how)
            await server.wait_for_connections(1)
            conversation.cancel_scope.cancel()
        assert bystander.heard
        answer = await ask(server.port, request("/healthz", {**HOST, "Connection": "close"}))
        assert answer[0] == 200
        bystander.link.abort()
    assert [r.getMessage() for r in caplog.records if r.levelno > logging.INFO] == []


async def test_a_hundred_at_a_time(caplog: pytest.LogCaptureFixture) -> None:
    """All cases at once, over one server."""
    cases = [(False, data) for data in ON_HTTP.values()]
    cases += [(True, data) for data in ON_WEBSOCKET.values()]

    async def abuse(at: int, on_websocket: bool, data: bytes) -> None:
        async with connect(server.port) as peer:
            if on_websocket:
                await peer.upgrade()
            with trio.move_on_after(0.2):
                await peer.send(data)
            await peer.leave(ENDINGS[at % 2])

    async with shell_server(session) as server, trio.open_nursery() as nursery:
        bystander = Bystander(await connect_link(nursery, server.url, limits=TEST_LIMITS))
        async with trio.open_nursery() as abusers:
            for at, (on_websocket, data) in enumerate(cases * 2):
                abusers.start_soon(abuse, at, on_websocket, data)
            for _ in range(20):
                await bystander.say()
        await server.wait_for_connections(1)
        await bystander.say()
        bystander.link.abort()
    assert [r.getMessage() for r in caplog.records if r.levelno > logging.INFO] == []

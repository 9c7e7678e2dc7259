"""A bare WebSocket client that keeps all that it hears, and a bare HTTP request.

It shares no code with the runtime, so that it cannot share its mistakes.
"""

from __future__ import annotations

import json
import re
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any, Final

import trio
from attrs import define, field
from trio_websocket import (
    CloseReason,
    ConnectionClosed,
    WebSocketConnection,
    wrap_client_stream,
)

Message = dict[str, Any]

# For one answer, on a machine that is busy with other things as well.
SECONDS: Final = 15
ABNORMAL: Final = 1006

_ANSWERS: Final = ("reply", "error", "attached")
_OF_THREADS: Final = ("attached", "snapshot", "events", "caught_up", "detached")
# What would tell a client about our insides (rule 14).
_INSIDES: Final = re.compile(
    r'Traceback|File "|\.py\b|/site-packages|/srv/|/tmp/|\.db\b|sqlite|SELECT |INSERT |UPDATE ',
    re.IGNORECASE,
)


def assert_discreet(text: str) -> None:
    """Check that an answer carries no traceback, path or SQL."""
    assert not (leak := _INSIDES.search(text)), f"{leak} in {text}"


@define(eq=False)
class Peer:
    """One connection.

    Attributes:
        heard: every message so far, in the order in which they came.
        code: how the connection was closed; None while it is open.
    """

    socket: WebSocketConnection
    stream: trio.SocketStream
    heard: list[Message] = field(factory=list)
    code: int | None = None
    _ids: count[int] = field(factory=count)
    _moved: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    async def read(self) -> None:
        """Take in what comes until the connection is closed."""
        try:
            while True:
                text = await self.socket.get_message()
                assert isinstance(text, str)
                assert_discreet(text)
                self.heard.append(json.loads(text))
                self._moved.unpark_all()
        except ConnectionClosed as exc:
            self.code = exc.reason.code if isinstance(exc.reason, CloseReason) else ABNORMAL
            self._moved.unpark_all()

    async def send(self, message: object) -> None:
        """Send a message: text and bytes as they are, anything else as JSON."""
        raw = message if isinstance(message, str | bytes) else json.dumps(message)
        with suppress(ConnectionClosed):  # `code` tells
            await self.socket.send_message(raw)

    async def post(self, type: str, **fields: Any) -> str:
        """Send a command without waiting for its answer; return its id."""
        label = f"c{next(self._ids)}"
        await self.send({"type": type, "id": label, **fields})
        return label

    async def answer(self, label: str) -> Message:
        """Wait for the answer to a command."""
        return await self.until(lambda m: m.get("id") == label and m["type"] in _ANSWERS)

    async def ask(self, type: str, **fields: Any) -> Message:
        """Send a command, and return its answer: `reply`, `error` or `attached`."""
        return await self.answer(await self.post(type, **fields))

    async def submit(self, thread: str, content: object, **fields: Any) -> Message:
        """Submit, and return the receipt."""
        receipt = await self.ask("submit", thread=thread, content=content, **fields)
        assert receipt["type"] == "reply", receipt
        return receipt

    async def refusal(self, type: str, **fields: Any) -> str:
        """Send a command that is refused, and return the code."""
        answer = await self.ask(type, **fields)
        assert answer["type"] == "error", answer
        return str(answer["code"])

    async def attach(self, thread: str, **fields: Any) -> Message:
        """Attach, and return `attached` once the stream has caught up."""
        since = len(self.heard)
        attached = await self.ask("attach", thread=thread, **fields)
        assert attached["type"] == "attached", attached
        await self.until(lambda m: _is(m, "caught_up", thread), since)
        return attached

    async def until(self, wanted: Callable[[Message], bool], since: int = 0) -> Message:
        """Wait for the first message from `since` on that is wanted."""
        at = since
        with trio.fail_after(SECONDS):
            while True:
                for message in self.heard[at:]:
                    at += 1
                    if wanted(message):
                        return message
                assert self.code is None, f"closed with {self.code}"
                await self._moved.park()

    async def until_event(self, thread: str, wanted: Callable[[Message], bool]) -> Message:
        """Wait for an event of a thread."""

        def has(message: Message) -> bool:
            return _is(message, "events", thread) and any(map(wanted, message["events"]))

        message = await self.until(has)
        return next(filter(wanted, message["events"]))

    async def ending(self, thread: str, turn: str) -> Message:
        """Wait for a turn's terminal event."""
        return await self.until_event(thread, lambda e: e.get("turn") == turn and is_ending(e))

    async def closed(self) -> int:
        """Wait until the connection is closed, and return how."""
        with trio.fail_after(SECONDS):
            while self.code is None:
                await self._moved.park()
        return self.code

    def of(self, thread: str, since: int = 0) -> list[Message]:
        """Return what was heard of a thread's stream."""
        heard = self.heard[since:]
        return [m for m in heard if m.get("thread") == thread and m["type"] in _OF_THREADS]

    def events(self, thread: str, since: int = 0) -> list[Message]:
        """Return the thread's events."""
        return [event for m in self.of(thread, since) for event in m.get("events", ())]

    async def is_served(self) -> bool:
        """Say whether the connection still takes messages and answers them."""
        label = f"ping{next(self._ids)}"
        await self.send({"type": "ping", "id": label})
        return await self.until(lambda m: m.get("id") == label) == {"type": "pong", "id": label}

    async def shove(self, data: bytes) -> None:
        """Send bytes as they are, beside what the library sends, until the server hangs up."""
        rest = memoryview(data)
        with suppress(OSError), self.stream.socket.dup() as socket:
            while rest:
                rest = rest[await socket.send(rest) :]

    async def cut(self) -> None:
        """End the connection with a reset, without a word."""
        linger = struct.pack("ii", 1, 0)
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        await trio.aclose_forcefully(self.stream)


@asynccontextmanager
async def connect(
    port: int, headers: list[tuple[bytes, bytes]] | None = None
) -> AsyncIterator[Peer]:
    """Open a connection, and cut it at the end of the block."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    try:
        async with trio.open_nursery() as nursery:
            with trio.fail_after(SECONDS):
                socket = await wrap_client_stream(
                    nursery,
                    stream,
                    f"127.0.0.1:{port}",
                    "/ws",
                    subprotocols=["holdfast.v1"],
                    extra_headers=headers,
                )
            peer = Peer(socket, stream)
            nursery.start_soon(peer.read)
            assert (await peer.until(bool))["type"] == "welcome"
            yield peer
            nursery.cancel_scope.cancel()
    finally:
        await trio.aclose_forcefully(stream)


async def http(port: int, path: str, *lines: str) -> tuple[int, str]:
    """Send a GET with these header lines; return status and text of the answer."""
    head = "\r\n".join([f"GET {path} HTTP/1.1", "Connection: close", *lines, "", ""])
    if not any(line.startswith("Host:") for line in lines):
        head = head.replace("\r\n", f"\r\nHost: 127.0.0.1:{port}\r\n", 1)
    if any("websocket" in line for line in lines):
        head = head.replace("Connection: close", "Connection: Upgrade, close", 1)
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        with trio.fail_after(SECONDS):
            await stream.send_all(head.encode())
            answer = b"".join([data async for data in stream]).decode()
    assert_discreet(answer)
    return int(answer.split()[1]), answer.partition("\r\n\r\n")[2]


def frame(opcode: int, payload: bytes, *, fin: bool = True, masked: bool = True) -> bytes:
    """Make a client's frame by hand, with whatever is in it; the mask is nought."""
    size, bit = len(payload), 0x80 if masked else 0
    first = (0x80 if fin else 0) | opcode
    if size < 126:
        head = struct.pack("!BB", first, bit | size)
    else:
        head = struct.pack("!BBQ", first, bit | 127, size)
    return head + (bytes(4) if masked else b"") + payload


def is_ending(event: Message) -> bool:
    """Say whether an event ends a turn."""
    return event["type"] in {
        f"turn.{state}"
        for state in ("completed", "cancelled", "failed", "interrupted", "superseded", "timed_out")
    }


def said(events: list[Message], turn: str) -> str:
    """Return the text that a turn's deltas make."""
    deltas = (e for e in events if e["type"] == "turn.delta" and e["turn"] == turn)
    return "".join(delta["text"] for delta in deltas)


def offset(cursor: str) -> int:
    """Return the offset in a cursor; a client would not look, a test may."""
    return int(cursor.partition(".")[2])


def _is(message: Message, type: str, thread: str) -> bool:
    return message["type"] == type and message.get("thread") == thread

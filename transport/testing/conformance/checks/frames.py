"""Rule 12: what WebSocket forbids, what is too large, and bad messages in a row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..case import Case, socket_of
from ..check import Group, Need, has, holds, same
from ..stream import Message, kinds_of
from ..websocket import BINARY, TEXT, frame

if TYPE_CHECKING:
    from ..peer import Peer

GROUP = Group([])
check = GROUP.check

# Bad messages in a row that are answered; the next one closes.
_BAD_IN_A_ROW = 20


def is_error(message: Message) -> bool:
    """Say whether a message is an error."""
    return bool(message["type"] == "error")


async def _closed_by(case: Case, data: bytes) -> tuple[int, Peer]:
    peer = await case.connect()
    await socket_of(peer.channel).shove(data)
    return await peer.closed(), peer


@check("12", Need.SOCKET)
async def forbidden_frames(case: Case) -> None:
    """Frames that WebSocket forbids close with 1002, unanswered."""
    for name, wrong in (
        ("an unmasked frame", frame(TEXT, b"{}", masked=False)),
        ("reserved bits", frame(0x71, b"{}")),
        ("an unknown opcode", frame(3, b"{}")),
        ("a continuation of nothing", frame(0, b"{}")),
        ("a ping of 126 bytes", frame(9, b"x" * 126)),
    ):
        code, peer = await _closed_by(case, wrong)
        same(f"the close after {name}", code, 1002)
        same("what was said before", kinds_of(peer.heard), ["welcome"])


@check("12", Need.SOCKET)
async def invalid_utf_8(case: Case) -> None:
    """Invalid UTF-8 closes with 1007."""
    for payload in (b"\xff", b'{"type":"ping","id":"\xc3\x28"}', b"\xed\xa0\x80", b'"\xc0\xaf"'):
        code, _ = await _closed_by(case, frame(TEXT, payload))
        same(f"the close after {payload!r}", code, 1007)


@check("12", Need.SOCKET)
async def oversized_frames(case: Case) -> None:
    """A message over frame_bytes closes with 1009, whole or in fragments."""
    most = case.limit("frame_bytes")
    for opcode in (TEXT, BINARY):
        code, _ = await _closed_by(case, frame(opcode, b"x" * (most + 1)))
        same("the close", code, 1009)
    part = b"x" * (most // 3 + 1)
    pieces = [frame(TEXT if n == 0 else 0, part, fin=False) for n in range(4)]
    code, _ = await _closed_by(case, b"".join(pieces))
    same("the close after fragments", code, 1009)


@check("12")
async def oversized_commands(case: Case) -> None:
    """A message of command_bytes is taken, and one byte more closes with 4503."""
    most = case.limit("command_bytes")
    peer = await case.connect()
    await peer.send(_hello_of(most))
    await peer.until(lambda m: m["type"] == "welcome", "welcome", 1)
    await peer.settle()
    for text in (_hello_of(most + 1), "é" * (most // 2 + 1)):  # it is bytes that count
        peer = await case.connect()
        await peer.send(text)
        same("the close", await peer.closed(), 4503)
        same("what was said before", kinds_of(peer.heard), ["welcome"])


def _hello_of(size: int) -> str:
    """Return a good message of so many bytes."""
    empty = len(json.dumps({"type": "hello", "client": ""}))
    return json.dumps({"type": "hello", "client": "x" * (size - empty)})


async def _errors(peer: Peer, since: int, number: int) -> list[Message]:
    """Wait for so many errors, and return them."""

    def errors() -> list[Message]:
        return [m for m in peer.heard[since:] if is_error(m)]

    await peer.until(lambda _: len(errors()) >= number, f"{number} errors")
    return errors()


@check("12")
async def too_many_bad_messages(case: Case) -> None:
    """The 21st bad message in a row closes with 4502; a good one begins anew."""
    peer = await case.connect()
    for _ in range(2):
        since = len(peer.heard)
        for _ in range(_BAD_IN_A_ROW):
            await peer.send("no JSON")
        errors = await _errors(peer, since, _BAD_IN_A_ROW)
        same("the answers", {m["code"] for m in errors}, {"bad_request"})
        await peer.settle()
    for _ in range(_BAD_IN_A_ROW):
        await peer.send({"type": "end", "id": "c", "thread": "/"})
    await peer.send({"type": "unknown"})
    same("the close", await peer.closed(), 4502)


@check("12")
async def bad_messages_of_both_sorts(case: Case) -> None:
    """Bad messages of both sorts count together."""
    peer = await case.connect()
    for _ in range(_BAD_IN_A_ROW // 2):
        await peer.send(b"no cast")
        await peer.send("no JSON")
    await _errors(peer, 0, _BAD_IN_A_ROW)
    await peer.settle()
    for _ in range(_BAD_IN_A_ROW):
        await peer.send(b"no cast")
    await peer.send("[")
    same("the close", await peer.closed(), 4502)


@check("12")
async def binary_that_is_no_cast(case: Case) -> None:
    """A binary frame that is no cast is bad_request, and the connection stays."""
    peer = await case.connect()
    text = json.dumps({"type": "end", "id": "good", "thread": case.thread()}).encode()
    header = {"type": "cast", "thread": "t", "kind": "audio"}
    odd: list[object] = [
        *("", 7, [], {}, {"type": "end"}, {**header, "data": 1}, {**header, "x": 1}),
        *({**header, "thread": "/"}, {**header, "kind": 7}, {"type": "cast"}),
    ]
    frames = [b"", b"\n", text, text + b"\n", b"\0" * 300, b"\xff\n", b"{" * 5000 + b"\n"]
    frames += [json.dumps(each).encode() + b"\nbytes" for each in odd]
    frames.append(json.dumps({**header, "kind": "k" * 4096}).encode() + b"\nbytes")
    for each in frames:
        since = len(peer.heard)
        await peer.send(each)
        await _errors(peer, since, 1)
        await peer.settle()
        errors = [m for m in peer.heard[since:] if is_error(m)]
        holds(len(errors) == 1, f"one error for {each[:60]!r}", errors)
        has(errors[0], code="bad_request", retryable=False)

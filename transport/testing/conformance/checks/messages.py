"""Every message and field of a client: understood where good, refused where bad."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from ..check import Group, Violation, holds
from ..fields import FIELDS, Values, bad_ones, good

if TYPE_CHECKING:
    from ..case import Case
    from ..peer import Peer
    from ..stream import Message

GROUP = Group([])
check = GROUP.check


async def answers(peer: Peer, message: object) -> list[Message]:
    """Send a message, and return all that came in answer; the connection has to stay open."""
    since = len(peer.heard)
    label = message.get("id") if isinstance(message, dict) else None
    await peer.send(message)
    await peer.until(lambda m: _answers_to(m, label), f"an answer to {message!r:.300}", since)
    await peer.settle()
    return [m for m in peer.heard[since:-1] if m["type"] in _ANSWERS]


_ANSWERS = frozenset({"error", "reply", "attached", "pong", "welcome"})


def _answers_to(message: Message, label: object) -> bool:
    """Say whether a message answers what had this id, or had none that could be read."""
    if message["type"] not in _ANSWERS:
        return False
    return "id" not in message or message["id"] == label


async def refused(peer: Peer, message: object) -> None:
    """See that a message is refused with `bad_request`, and its id where it has one."""
    got = await answers(peer, message)
    label = message.get("id") if isinstance(message, dict) else None
    readable = isinstance(label, str) and 1 <= len(label) <= 64
    expected = ["error", "bad_request", label if readable else None, False]
    came = [[m["type"], m.get("code"), m.get("id"), m.get("retryable")] for m in got]
    if came != [expected]:
        raise Violation(f"bad_request with its id for {message!r:.300}", got)


async def _understood(case: Case, type: str) -> None:
    """Otherwise the bad ones could be refused for what is common to all."""
    peer = await case.connect()
    other = {"to": case.thread("to")} if type == "fork" else {}
    await _is_understood(peer, {**_good(case, type), **other})


def _good(case: Case, type: str, name: str = "a") -> dict[str, Any]:
    return good(type, **({"thread": case.thread(name)} if "thread" in FIELDS[type] else {}))


async def _is_understood(peer: Peer, message: dict[str, Any]) -> None:
    if message["type"] in _UNANSWERED:
        await peer.send(message)
        await peer.settle()
        got = [m for m in peer.heard if m["type"] == "error"]
    else:
        got = await answers(peer, message)
    # The good `after` of threads is a text, and only the server's own are good for more.
    bad = message["type"] != "threads" and any(m.get("code") == "bad_request" for m in got)
    holds(not bad, f"{message!r} understood", got)


# A cast may be refused, without an id and at most once a second.
_UNANSWERED = frozenset({"pong", "cast"})


async def _left_out(case: Case, type: str) -> None:
    """What may be left out or null is, one field at a time."""
    peer = await case.connect()
    for name, field in FIELDS[type].items():
        whole = _good(case, type, name)
        if not field.required:
            await _is_understood(peer, {key: v for key, v in whole.items() if key != name})
        if field.nullable:
            await _is_understood(peer, {**whole, name: None})


async def _bad_fields(case: Case, type: str) -> None:
    peer = await case.connect()
    for message in bad_ones(type):
        await refused(peer, message)
    holds(peer.code is None, "a connection that stays", peer.code)


for _type in FIELDS:
    for _name, _run in (
        ("a good one is understood", _understood),
        ("what is optional may be left out", _left_out),
        ("fields missing, wrong, unknown or out of bounds are bad_request", _bad_fields),
    ):
        GROUP.add("messages", f"{_type}: {_name}", partial(_run, type=_type))


@check("messages")
async def unknown_types(case: Case) -> None:
    """An unknown type is bad_request with its id."""
    peer = await case.connect()
    unknown: Values = ("", "Submit", "submit ", "welcome", "x" * 300, None, 7, ["end"], {})
    for tag in unknown:
        await refused(peer, {**good("end"), "type": tag})
    await refused(peer, {"id": "c1", "thread": "t"})
    await refused(peer, {})


@check("messages")
async def no_objects(case: Case) -> None:
    """What is no object is bad_request."""
    peer = await case.connect()
    for other in (None, True, 7, 7.5, "hello", [], ["hello"], [{"type": "hello"}]):
        await refused(peer, json.dumps(other))


def _data(text: str) -> str:
    return '{"type":"record","id":"c1","thread":"t","kind":"k","data":' + text + "}"


_NO_JSON = (
    *("", " ", "nul", "{", "hello", '{"type":"ping"', '{"type":"ping",}', "{'type':'ping'}"),
    *('{"type":"ping"}{"type":"ping"}', '\ufeff{"type":"ping"}', '{"type":"ping","id":"a\nb"}'),
    *map(_data, ("NaN", "Infinity", "-Infinity", "01", "0x1", '"\\ud800"', '"\\x00"')),
    *("[" * 60_000, "[" * 30_000 + "]" * 30_000, _data("[" * 30_000 + "]" * 30_000)),
)


@check("messages")
async def no_json(case: Case) -> None:
    """What is no JSON, or nested too deep, is bad_request."""
    peer = await case.connect()
    for text in _NO_JSON:
        got = await answers(peer, text)
        codes = [m.get("code") for m in got]
        holds(codes == ["bad_request"], f"bad_request for {text[:60]!r}", got)

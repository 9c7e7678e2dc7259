"""Bad input over real sockets: the documented error, the id kept, and nobody else notices.

The message classes say which fields there are, `message_table` what the protocol does with each. A
class or a field without a row fails, and so does a row without a class or a field.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

import attrs
import pytest

from transport.wire.client_messages import CLIENT_MESSAGES

from .bystander import undisturbed
from .message_table import BAD, EXPECTED, Values, bad_ones, good
from .peer import Message, Peer, connect, frame, http

if TYPE_CHECKING:
    from pathlib import Path

    from ..real_input.server_process import ServerProcess

KIB: Final = 1024
MIB: Final = 1024 * KIB


@pytest.fixture(autouse=True)
async def bystander(server: ServerProcess, folder: Path) -> AsyncIterator[None]:
    """Somebody else's turn, which streams through every test of this module."""
    async with undisturbed(server.port):
        yield
    assert (await http(server.port, "/healthz"))[0] == 200
    assert (folder / "server.log").read_text() == ""


@pytest.fixture
async def peer(server: ServerProcess) -> AsyncIterator[Peer]:
    async with connect(server.port) as peer:
        yield peer


async def answers(peer: Peer, message: object) -> list[Message]:
    """Send a message, and return all that came in answer; the connection has to stay open."""
    since = len(peer.heard)
    await peer.send(message)
    assert await peer.is_served()
    return [m for m in peer.heard[since:-1] if m["type"] != "ping"]


async def refused(peer: Peer, message: object, code: str = BAD) -> Message:
    """Send a message that is refused with this code and its id; return the error."""
    [error] = await answers(peer, message)
    label = message.get("id") if isinstance(message, dict) else None
    readable = isinstance(label, str) and 1 <= len(label) <= 64
    assert error["type"] == "error", (message, error)
    assert error["code"] == code, (message, error)
    assert error.get("id") == (label if readable else None), (message, error)
    assert error["retryable"] is False
    assert 10 < len(error["message"]) < 500
    return error


async def test_the_table_has_a_row_for_every_message_and_every_field(peer: Peer) -> None:
    classes = {tag: {f.name for f in attrs.fields(cls)} for tag, cls in CLIENT_MESSAGES.items()}
    assert {tag: set(row.fields) for tag, row in EXPECTED.items()} == classes
    # The server knows no message beside them.
    error = await refused(peer, {"type": "unknown"})
    assert all(tag in error["message"] for tag in EXPECTED)


@pytest.mark.parametrize("type", CLIENT_MESSAGES)
async def test_a_good_message_is_understood(peer: Peer, type: str) -> None:
    """Otherwise the bad ones could be refused for what is common to all."""
    expected = EXPECTED[type].answer
    if type == "pong":
        assert await answers(peer, good(type)) == []
        return
    await peer.send(good(type))
    answer = await peer.until(lambda m: m["type"] not in ("ping", "pong") or type == "ping", 1)
    assert expected in (answer["type"], answer.get("code"))
    if type != "cast":
        assert answer.get("id") == good(type).get("id")
    if type == "threads":
        assert "type" not in answer["message"]  # it is the cursor that is refused


@pytest.mark.parametrize("type", CLIENT_MESSAGES)
async def test_bad_fields_are_refused_and_the_connection_stays(peer: Peer, type: str) -> None:
    cases = list(bad_ones(type))
    assert len(cases) >= 6 + len(EXPECTED[type].fields)
    for case in cases:
        await refused(peer, case)
    assert peer.code is None


@pytest.mark.parametrize("type", CLIENT_MESSAGES)
async def test_a_field_may_be_absent_or_null_where_the_table_says_so(peer: Peer, type: str) -> None:
    for name, field in EXPECTED[type].fields.items():
        if field.missing is None:
            case = {key: value for key, value in good(type).items() if key != name}
            assert all(m.get("code") != BAD or type == "threads" for m in await answers(peer, case))
        if field.null is None:
            got = await answers(peer, {**good(type), name: None})
            assert all(m.get("code") != BAD for m in got), got


async def test_an_unknown_type_is_refused_with_its_id(peer: Peer) -> None:
    unknown: Values = ("", "Submit", "submit ", "welcome", "x" * 300, None, 7, ["end"], {})
    for type in unknown:
        await refused(peer, {**good("end"), "type": type})
    await refused(peer, {"id": "c1", "thread": "t"})
    await refused(peer, {})
    for other in (None, True, 7, 7.5, "hello", [], ["hello"], [{"type": "hello"}]):
        await refused(peer, json.dumps(other))


def data(json_text: str) -> str:
    return '{"type":"record","id":"c1","thread":"t","kind":"k","data":' + json_text + "}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "nul",
        "{",
        "hello",
        '{"type":"ping"',
        '{"type":"ping",}',
        "{'type':'ping'}",
        '{"type":"ping"}{"type":"ping"}',
        '\ufeff{"type":"ping"}',
        '{"type":"ping","id":"a\nb"}',
        '{"type":"ping","id":"a\0b"}',
        data("NaN"),
        data("Infinity"),
        data("-Infinity"),
        data("1e999"),
        data("9" * 5000),
        data("01"),
        data("0x1"),
        data('"\\ud800"'),
        data('"\\udc00\\ud800"'),
        data('"\\x00"'),
        "[" * 60_000,
        "[" * 30_000 + "]" * 30_000,
        data("[" * 30_000 + "]" * 30_000),
        data('{"a":' * 9_000 + "0" + "}" * 9_000),
    ],
    ids=lambda text: ascii(text)[:40],
)
async def test_what_is_no_json_or_too_deep_is_refused(peer: Peer, text: str) -> None:
    [error] = await answers(peer, text)
    assert (error["type"], error["code"], error["retryable"]) == ("error", BAD, False)
    assert "id" not in error


async def test_nesting_that_is_read_but_too_deep_keeps_the_id(peer: Peer) -> None:
    deep: object = 0
    for _ in range(200):
        deep = [deep]
    await refused(peer, {**good("record"), "data": deep})
    await refused(peer, {**good("submit"), "metadata": {"deep": deep}})


async def test_numbers_of_any_size_are_refused_or_taken_never_more(peer: Peer) -> None:
    for number in ("9" * 400, "-" + "9" * 400, "1e400", "18446744073709551616", "1e308", "0.1"):
        [error] = await answers(
            peer, '{"type":"attach","id":"c1","thread":"t","window":' + number + "}"
        )
        assert error["code"] == BAD
    await peer.send(data("1e308"))
    await peer.until(lambda m: m["type"] == "reply" and m["id"] == "c1")  # understood


async def test_of_a_key_given_twice_the_last_counts(peer: Peer) -> None:
    assert (await answers(peer, '{"type":"ping","id":"a","id":"b"}')) == [
        {"type": "pong", "id": "b"}
    ]
    assert (await answers(peer, '{"type":"nothing","type":"ping"}'))[0]["type"] == "pong"
    [error] = await answers(peer, '{"type":"ping","id":"a","id":7}')
    assert error["code"] == BAD


async def test_unknown_threads_turns_and_items(peer: Peer) -> None:
    absent = {"thread": "never-seen"}
    assert await peer.refusal("cancel", **absent) == "thread_not_found"
    assert await peer.refusal("cancel", **absent, turn="t_1") == "thread_not_found"
    assert await peer.refusal("history", **absent) == "thread_not_found"
    assert await peer.refusal("history", **absent, before="t_1.0") == "thread_not_found"
    assert await peer.refusal("truncate", **absent, after=None) == "thread_not_found"
    assert (await peer.ask("end", **absent))["existed"] is False
    assert (await peer.ask("delete", **absent))["existed"] is False
    submit = {"thread": "never-seen", "content": "say 1"}
    assert await peer.refusal("submit", **submit, after="t_1.0") == "item_not_found"
    known = {"thread": "known"}
    await peer.attach("known")
    turn = (await peer.submit("known", "say 1"))["turn"]
    await peer.ending("known", turn)
    assert await peer.refusal("cancel", **known, turn="t_1") == "turn_not_found"
    assert await peer.refusal("cancel", **known, turn="") == "turn_not_found"
    assert await peer.refusal("cancel", **known, turn="\0" * 500) == "turn_not_found"
    for item in ("", "t_1.0", f"{turn}.99", f"{turn}.-1", f"{turn}.²", turn, "." * 500, "\0"):
        assert await peer.refusal("truncate", **known, after=item) == "item_not_found", item
        assert await peer.refusal("history", **known, before=item) == "item_not_found", item
        again = {"thread": "known", "content": "say 1", "after": item}
        assert await peer.refusal("submit", **again) == "item_not_found", item
    for after in ("", "x", "[]", "1", "\0", "x" * 5000):
        assert await peer.refusal("threads", after=after) == BAD, after
    assert await peer.is_served()


async def test_odd_cursors_are_reset_and_never_refused(peer: Peer) -> None:
    for cursor in ("", "x", "1", "1.", ".1", "1.1.1", "-1.1", "01.1", "1e3.1", "٣.٣", "9" * 5000):
        attached = await peer.attach("odd-cursors", cursor=cursor)
        assert (attached["mode"], attached["reason"]) == ("reset", "unreadable"), cursor
    huge = await peer.attach("odd-cursors", cursor=f"{2**62}.{2**62}")
    assert huge["mode"] == "reset"


async def test_the_21st_bad_message_in_a_row_closes_and_a_good_one_in_between_resets(
    server: ServerProcess, peer: Peer
) -> None:
    for _ in range(2):
        since = len(peer.heard)
        for _ in range(20):
            await peer.send("no JSON")
        assert await peer.is_served()
        assert [m["code"] for m in peer.heard[since:-1]] == [BAD] * 20
    for _ in range(20):
        await peer.send({**good("end"), "thread": "/"})
    await peer.send({"type": "unknown"})
    await peer.send(good("ping"))  # after the end; never answered
    assert await peer.closed() == 4502
    assert [m["code"] for m in peer.heard[-20:]] == [BAD] * 20
    async with connect(server.port) as other:
        for _ in range(10):
            await other.send(b"no cast")
            await other.send("no JSON")
        await other.send("[")
        assert await other.closed() == 4502


async def test_a_message_of_64_kib_is_taken_and_one_byte_more_closes(server: ServerProcess) -> None:
    async with connect(server.port) as peer:
        await peer.send(_hello_of(64 * KIB))
        await peer.until(lambda m: m["type"] == "welcome", 1)
        assert await peer.is_served()
    for size in (64 * KIB + 1, 200 * KIB, MIB):
        async with connect(server.port) as peer:
            await peer.send(_hello_of(size))
            assert await peer.closed() == 4503, size
            assert len(peer.heard) == 1
    async with connect(server.port) as peer:
        await peer.send("é" * (40 * KIB))  # it is bytes that count
        assert await peer.closed() == 4503


async def test_a_submit_whose_content_just_fits_is_answered_whole(peer: Peer) -> None:
    content = "say 1 0 " + " " * 60_000 + "."
    await peer.submit("large", content)
    await peer.attach("large")
    assert content in json.dumps(peer.of("large")[1])


async def test_more_than_1_mib_closes_with_1009(server: ServerProcess) -> None:
    for opcode in (1, 2):
        async with connect(server.port) as peer:
            await peer.shove(frame(opcode, b"x" * (MIB + 1)))
            assert await peer.closed() == 1009
    async with connect(server.port) as peer:  # in fragments that are small by themselves
        pieces = [frame(1 if n == 0 else 0, b"x" * 300 * KIB, fin=False) for n in range(4)]
        await peer.shove(b"".join(pieces))
        assert await peer.closed() == 1009


async def test_invalid_utf_8_closes_with_1007(server: ServerProcess) -> None:
    for payload in (b"\xff", b'{"type":"ping","id":"\xc3\x28"}', b"\xed\xa0\x80", b'"\xc0\xaf"'):
        async with connect(server.port) as peer:
            await peer.shove(frame(1, payload))
            assert await peer.closed() == 1007, payload
            assert len(peer.heard) == 1


async def test_binary_where_text_belongs_is_refused(peer: Peer) -> None:
    text = json.dumps(good("end")).encode()
    header = {"type": "cast", "thread": "t", "kind": "audio"}
    odd: list[object] = [
        *("", "x", 7, [], {}, {"type": "end"}, {**header, "data": 1}, {**header, "x": 1}),
        *({**header, "thread": "/"}, {**header, "kind": 7}, {"type": "cast"}),
    ]
    frames = [b"", b"\n", text, text + b"\n", b"\0" * 300, b"\xff\n", b"{" * 5000 + b"\n"]
    frames += [json.dumps(each).encode() + b"\nbytes" for each in odd]
    frames.append(json.dumps({**header, "kind": "k" * 4096}).encode() + b"\nbytes")
    for each in frames:
        [error] = await answers(peer, each)
        assert (error["type"], error["code"]) == ("error", BAD), each
        assert error.get("id") == ("good" if each == text + b"\n" else None)


async def test_casts_are_refused_at_most_once_a_second_and_without_an_id(peer: Peer) -> None:
    cast = json.dumps({"type": "cast", "thread": "t", "kind": "audio"}).encode() + b"\nbytes"
    for _ in range(20):
        await peer.send(cast)
        await peer.send(good("cast"))
    assert await peer.is_served()
    [error, *more] = [m for m in peer.heard if m["type"] == "error"]
    assert (error["code"], "id" in error) == ("unsupported", False)
    assert len(more) <= 1


async def test_foreign_origins_wrong_paths_and_wrong_hosts_are_refused(
    server: ServerProcess,
) -> None:
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    upgrade = ("Upgrade: websocket", "Sec-WebSocket-Version: 13", key)
    for origin in ("https://evil.example", "null", "http://localhost", "https://127.0.0.1", ""):
        status, _ = await http(server.port, "/ws", *upgrade, f"Origin: {origin}")
        assert status == 403, origin
    for host in (
        "evil.example",
        f"evil.example:{server.port}",
        "127.0.0.1.evil.example",
        "10.0.0.1",
    ):
        for path in ("/ws", "/", "/healthz"):
            assert (await http(server.port, path, *upgrade, f"Host: {host}"))[0] == 403, host
    for path in ("/", "/ws/", "/wss", "/ws/x", "/nothing", "//ws"):
        assert (await http(server.port, path, *upgrade))[0] == 404, path
    for broken in (("Upgrade: websocket",), upgrade[:2], (*upgrade[:2], "Sec-WebSocket-Key: x")):
        assert (await http(server.port, "/ws", *broken))[0] == 400, broken
    own = [(b"Origin", f"http://127.0.0.1:{server.port}".encode())]
    async with connect(server.port, own) as peer:
        assert await peer.is_served()


def _hello_of(size: int) -> str:
    """Return a good message of so many bytes."""
    frame = len(json.dumps({"type": "hello", "client": ""}))
    return json.dumps({"type": "hello", "client": "x" * (size - frame)})

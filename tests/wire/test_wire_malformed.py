"""Text that is no JSON, JSON that is too much, binary that is no cast: one kind of refusal only."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusing import refusal

from actors.core.event_codec import encode
from actors.core.events import Entry, TurnSubmitted
from actors.core.items import Item
from actors.limits import DEFAULT_LIMITS, Limits
from actors.testing.strategies import json_values
from transport.testing.strategies import broken_client_messages, client_messages
from transport.wire.client_codec import encode_client
from transport.wire.codec import (
    BadMessage,
    client_message,
    decode_cast,
    decode_client,
    encode_server,
    utf8_length,
)
from transport.wire.messages import Cast, Record, Snapshot, SnapshotTurn, Submit

DEEPEST = DEFAULT_LIMITS.json_depth


def nested(depth: int) -> str:
    return "[" * depth + "0" + "]" * depth


def record(data: str) -> str:
    return f'{{"type":"record","id":"c1","thread":"t","kind":"k","data":{data}}}'


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "nul",
        "{",
        '{"type":"ping"',
        '{"type":"ping",}',
        "{'type':'ping'}",
        '{"type":"ping"}{"type":"ping"}',
        '\ufeff{"type":"ping"}',
        '{"type":"ping","id":"a\nb"}',
        record("NaN"),
        record("Infinity"),
        record("-Infinity"),
        record("1e999"),
        record("9" * 5000),
        record("01"),
        record("0x1"),
        record('"\\ud800"'),
        record('"\\udc00\\ud800"'),
        record('"\ud800"'),
        record(nested(1500)),
        "[" * 60_000,
        '{"a":' * 10_000,
    ],
)
def test_what_is_no_json_is_a_bad_request(text: str) -> None:
    with pytest.raises(BadMessage) as caught:
        decode_client(text)
    assert (caught.value.id, caught.value.code) == (None, "bad_request")
    assert len(caught.value.message) < 300


@pytest.mark.parametrize("depth", [DEEPEST, DEEPEST + 50, 1000])
def test_json_that_could_not_be_written_again_is_refused_with_its_id(depth: int) -> None:
    with pytest.raises(BadMessage) as caught:
        decode_client(record(nested(depth)))
    assert (caught.value.id, caught.value.code) == ("c1", "bad_request")


def test_json_as_deep_as_is_allowed_fits_into_events_and_snapshots() -> None:
    deepest = orjson.loads(nested(DEEPEST - 1))
    record_ = decode_client(record(orjson.dumps(deepest).decode()))
    assert isinstance(record_, Record)
    assert record_.data == deepest
    part = {"type": "x", "data": orjson.loads(nested(DEEPEST - 3))}
    submit = client_message({"type": "submit", "id": "1", "thread": "t", "content": [part]})
    assert isinstance(submit, Submit)
    event = TurnSubmitted("u", "u.0", submit.content, "me")
    assert encode(Entry(1, 1, 0.0, event)).body
    item = Item("u.0", "message", 0.0, "u", {"content": submit.content})
    assert encode_server(Snapshot("t", "1.1", (), None, SnapshotTurn("u", 1, (item,)), (), {}))


def test_of_a_key_given_twice_the_last_counts() -> None:
    message = decode_client('{"type":"record","id":"c1","thread":"t","kind":"k","data":1,"data":2}')
    assert isinstance(message, Record)
    assert message.data == 2


@pytest.mark.parametrize("character", ["x", "é", "\N{GRINNING FACE}"])
def test_a_command_is_measured_in_bytes(character: str) -> None:
    limits = Limits(command_bytes=1000)
    empty = '{"type":"submit","id":"c1","thread":"t","content":""}'
    room = (1000 - len(empty)) // len(character.encode())
    fits = empty.replace('""', f'"{character * room}"')
    fits += " " * (1000 - utf8_length(fits))
    assert utf8_length(fits) == 1000
    assert isinstance(decode_client(fits, limits), Submit)
    with pytest.raises(BadMessage) as caught:
        decode_client(fits + " ", limits)
    assert caught.value.code == "too_large"


def test_what_is_too_large_is_not_even_read() -> None:
    with pytest.raises(BadMessage) as caught:
        decode_client("[" * (DEFAULT_LIMITS.command_bytes + 1))
    assert caught.value.code == "too_large"


@given(st.text() | st.text(st.characters()))
def test_no_text_raises_anything_else(text: str) -> None:
    with pytest.raises(BadMessage):
        decode_client(text)


@given(json_values())
def test_no_json_raises_anything_else(raw: object) -> None:
    with pytest.raises(BadMessage):
        client_message(raw)


@given(client_messages(), st.data())
def test_a_damaged_message_is_taken_or_refused(message: object, data: st.DataObject) -> None:
    text = encode_client(message)
    assert isinstance(text, str)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 8)))
    damaged = text[:start] + data.draw(st.text(max_size=4)) + text[end:]
    bad = refusal(damaged)
    assert bad is None or (bad.code == "bad_request" and len(bad.message) < 400)


@given(broken_client_messages())
def test_a_message_that_is_valid_but_for_one_thing_is_refused(text: str) -> None:
    assert refusal(text) is not None


@given(st.binary() | st.builds(lambda head, tail: head + b"\n" + tail, st.binary(), st.binary()))
def test_no_bytes_raise_anything_else(frame: bytes) -> None:
    with pytest.raises(BadMessage) as caught:
        decode_cast(frame)
    assert caught.value.code == "bad_request"


HEADER = b'{"type":"cast","thread":"t","kind":"audio"}'


@pytest.mark.parametrize(
    ("frame", "label"),
    [
        (b"", None),
        (b"\n", None),
        (HEADER, None),
        (b'{"type":"cast",\n"thread":"t","kind":"audio"}\nxyz', None),
        (b"\xff\xfe\n", None),
        (b"[]\n", None),
        (b'{"type":"cast","thread":"t"}\n', None),
        (b'{"type":"cast","thread":"t","kind":"k","data":1}\n', None),
        (b'{"thread":"t","kind":"k"}\n', None),
        (b'{"type":"ping","id":"p"}\n', "p"),
        (b'{"type":"cast","thread":"t","kind":"k","id":"c9"}\n', "c9"),
        (b'{"type":["cast"]}\n', None),
    ],
)
def test_binary_that_is_no_cast(frame: bytes, label: str | None) -> None:
    with pytest.raises(BadMessage) as caught:
        decode_cast(frame)
    assert (caught.value.id, caught.value.code) == (label, "bad_request")


def test_a_casts_bytes_may_be_anything_and_its_header_at_most_so_long() -> None:
    assert decode_cast(HEADER + b"\n\x00\xff\n\n") == Cast("t", "audio", b"\x00\xff\n\n")
    assert decode_cast(HEADER + b"\n").data == b""
    most = DEFAULT_LIMITS.cast_header_bytes
    longest = HEADER + b" " * (most - len(HEADER))
    assert decode_cast(longest + b"\nx").data == b"x"
    with pytest.raises(BadMessage):
        decode_cast(longest + b" \nx")


def test_a_client_does_not_write_a_header_that_no_server_takes() -> None:
    with pytest.raises(ValueError, match="header"):
        encode_client(Cast("t", "k" * 5000, b""))

"""What one side writes the other reads as it was, whatever was said."""

from __future__ import annotations

import contextlib
import inspect
import json
import re

import attrs
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.core.event_codec import encode
from actors.errors import RemoteProtocolError
from actors.testing.strategies import strings
from transport.testing.strategies import client_messages, entries, replies_to, server_messages
from transport.wire.client_codec import UnknownMessage, decode_server, encode_client, read_reply
from transport.wire.codec import decode_cast, decode_client, encode_server, events_frame
from transport.wire.layout import shape_of
from transport.wire.messages import (
    CLIENT_MESSAGES,
    REPLIES,
    SERVER_MESSAGES,
    Cast,
    Events,
    Reply,
    Submit,
    Truncate,
)


@given(client_messages())
def test_a_client_message_arrives_as_it_was(message: object) -> None:
    frame = encode_client(message)
    assert isinstance(frame, str)
    assert decode_client(frame) == message


@given(server_messages())
def test_a_server_message_arrives_as_it_was(message: object) -> None:
    assert decode_server(encode_server(message).decode()) == message


@given(st.data(), st.sampled_from(list(REPLIES)))
def test_a_reply_body_arrives_as_it_was(data: st.DataObject, command: type) -> None:
    body = data.draw(replies_to(command))
    decoded = decode_server(encode_server(Reply("7", body)).decode())
    assert isinstance(decoded, Reply)
    assert read_reply(command, decoded.body) == body


@given(strings.filter(bool), st.binary(max_size=64))
def test_a_binary_cast_arrives_as_it_was(kind: str, data: bytes) -> None:
    message = Cast("t-1", kind, data)
    frame = encode_client(message)
    assert isinstance(frame, bytes)
    assert decode_cast(frame) == message


@given(st.lists(entries, max_size=4), strings)
def test_an_events_frame_joins_what_was_encoded(drawn: list, cursor: str) -> None:
    frame = events_frame("t-1", [encode(entry).body for entry in drawn], cursor)
    assert frame == encode_server(Events("t-1", drawn, cursor))
    assert orjson.loads(frame).keys() == {"type", "thread", "events", "cursor"}
    assert decode_server(frame.decode()) == Events("t-1", tuple(drawn), cursor)


@given(client_messages())
@settings(max_examples=30)
def test_a_client_message_has_no_null_that_nobody_said(message: object) -> None:
    raw = json.loads(encode_client(message))
    nulls = {name for name, value in raw.items() if value is None}
    assert nulls <= {"after", "data"}


def test_absent_and_null_are_two_things() -> None:
    assert decode_client('{"type":"submit","id":"1","thread":"t","content":"x"}') == Submit(
        "1", "t", "x"
    )
    cleared = decode_client('{"type":"submit","id":"1","thread":"t","content":"x","after":null}')
    assert cleared == Submit("1", "t", "x", after=None) != Submit("1", "t", "x")
    assert decode_client('{"type":"truncate","id":"1","thread":"t","after":null}') == Truncate(
        "1", "t", None
    )


def test_a_token_does_not_show_in_a_representation() -> None:
    hello = decode_client('{"type":"hello","token":"s3cret"}')
    assert "s3cret" not in repr(hello)


@given(server_messages(), st.builds(dict, **{"x-new": st.integers(0, 9)}))
def test_a_client_ignores_fields_that_it_does_not_know(message: object, extra: dict) -> None:
    raw = orjson.loads(encode_server(message))
    read = decode_server(orjson.dumps({**raw, **extra}).decode())
    # A reply's body and an error's details are open by nature.
    members = {"body": extra, "details": extra}
    for name, more in members.items():
        if hasattr(message, name):
            assert getattr(read, name) == {**getattr(message, name), **more}
            return
    assert read == message


def test_a_client_ignores_types_and_events_that_it_does_not_know() -> None:
    assert decode_server('{"type":"novel","x":1}') == UnknownMessage("novel")
    read = decode_server(
        '{"type":"events","thread":"t","cursor":"1.3",'
        '"events":[{"offset":2,"to":3,"type":"novel.fact","at":1.5,"x":1}]}'
    )
    assert isinstance(read, Events)
    (entry,) = read.events
    assert (entry.offset, entry.to) == (2, 3)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"type":7}',
        '{"type":["welcome"]}',
        '{"type":"welcome"}',
        '{"type":"attached","id":"1","thread":"t","cursor":7,"mode":"resume"}',
        '{"type":"presence","thread":"t","attached":"3"}',
        '{"type":"events","thread":"t","cursor":"1.3","events":[7]}',
        '{"type":"events","thread":"t","cursor":"1.3","events":[{"offset":"2","type":"x","at":1}]}',
        '{"type":"events","thread":"t","cursor":"1.3","events":[{"offset":0,"type":"x","at":1}]}',
        '{"type":"events","thread":"t","cursor":"1.3","events":[{"offset":2,"to":1,"type":"x","at":1}]}',
        '{"type":"snapshot","thread":"t","cursor":"1.3","items":[{}],"before":null,"turn":null,'
        '"queue":[],"attributes":{}}',
        '{"type":"goaway","retry_after_seconds":null}',
    ],
)
def test_a_broken_server_is_a_protocol_error(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_server(text)


@given(st.data(), server_messages())
def test_a_damaged_server_message_is_nothing_worse_than_a_protocol_error(
    data: st.DataObject, message: object
) -> None:
    raw = orjson.loads(encode_server(message))
    name = data.draw(st.sampled_from(sorted(raw)))
    if data.draw(st.booleans()):
        del raw[name]
    else:
        raw[name] = data.draw(st.sampled_from([None, 7, "x", [], {}, [[]], [{}], {"a": 1}]))
    with contextlib.suppress(RemoteProtocolError):
        decode_server(orjson.dumps(raw).decode())


@pytest.mark.parametrize(
    "cls", [*CLIENT_MESSAGES.values(), *SERVER_MESSAGES.values(), *REPLIES.values()]
)
def test_every_field_is_documented_and_has_a_schema(cls: type) -> None:
    documented = set(re.findall(r"^\s+(\w+): ", inspect.getdoc(cls) or "", re.MULTILINE))
    fields = attrs.fields(cls)
    assert documented == {a.name for a in fields}
    for a in fields:
        shape = shape_of(a)
        assert shape is not None or a.name in ("body", "turn")
        assert shape is None or json.dumps(shape.schema)

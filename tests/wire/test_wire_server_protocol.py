"""What a connection may say when, and how it ends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.limits import DEFAULT_LIMITS, Limits
from transport.testing.strategies import client_messages
from transport.wire.client_codec import encode_client
from transport.wire.close_codes import CloseCode
from transport.wire.codec import encode_server
from transport.wire.messages import (
    Attach,
    Cast,
    Detach,
    End,
    ErrorMessage,
    Hello,
    Ping,
    Pong,
    Welcome,
)
from transport.wire.protocol import (
    TRANSITIONS,
    Close,
    Happening,
    Output,
    Received,
    Send,
    ServerProtocol,
    State,
)


def opened(limits: Limits = DEFAULT_LIMITS) -> ServerProtocol:
    protocol = ServerProtocol("i-1", limits)
    (welcome,) = protocol.authenticated("local")
    assert isinstance(welcome, Send)
    return protocol


def say(protocol: ServerProtocol, message: Any) -> list[Output]:
    frame = encode_client(message)
    return protocol.receive_text(frame) if isinstance(frame, str) else protocol.receive_bytes(frame)


def test_the_table_has_every_happening_in_every_state() -> None:
    assert set(TRANSITIONS) == set(State)
    assert all(set(row) == set(Happening) for row in TRANSITIONS.values())
    assert set(TRANSITIONS[State.CLOSED].values()) == {State.CLOSED}


def test_the_welcome_tells_the_limits() -> None:
    (sent,) = ServerProtocol("i-1").authenticated("local")
    assert isinstance(sent, Send)
    assert json.loads(encode_server(sent.message)) == {
        "type": "welcome",
        "protocol": "holdfast.v1",
        "instance": "i-1",
        "heartbeat_seconds": 20.0,
        "limits": {
            "command_bytes": 65536,
            "frame_bytes": 1048576,
            "turn_output_bytes": 33554432,
            "cancel_grace_seconds": 5.0,
            "drain_seconds": 5.0,
            "slow_seconds": 30.0,
        },
    }


def test_hello_first_with_commands_behind_it() -> None:
    protocol = ServerProtocol("i-1")
    hello = Hello("token")
    assert say(protocol, hello) == [Received(hello)]
    assert protocol.state is State.AWAITING_HELLO
    (welcome,) = protocol.authenticated("ann")
    assert isinstance(welcome, Send)
    assert isinstance(welcome.message, Welcome)
    assert say(protocol, End("c1", "t")) == [Received(End("c1", "t"))]


def test_a_command_before_hello_is_unauthenticated_and_changes_nothing() -> None:
    protocol = ServerProtocol("i-1")
    (sent,) = say(protocol, Attach("c1", "t"))
    assert isinstance(sent, Send)
    assert isinstance(sent.message, ErrorMessage)
    assert (sent.message.id, sent.message.code) == ("c1", "unauthenticated")
    assert not sent.message.retryable
    assert not protocol.attached
    (sent,) = say(protocol, Cast("t", "audio", b"x"))
    assert isinstance(sent, Send)
    assert isinstance(sent.message, ErrorMessage)
    assert sent.message.id is None
    assert say(protocol, Ping("p")) == [Send(Pong("p"))]
    assert protocol.state is State.AWAITING_HELLO


def test_a_later_hello_renews_for_its_own_principal_only() -> None:
    protocol = opened()
    hello = Hello("newer")
    assert say(protocol, hello) == [Received(hello)]
    (sent,) = protocol.authenticated("local")
    assert isinstance(sent, Send)
    assert isinstance(sent.message, Welcome)
    assert say(protocol, hello) == [Received(hello)]
    assert protocol.authenticated("eve") == [Close(CloseCode.BAD_CREDENTIALS)]
    assert say(protocol, End("c1", "t")) == []


def test_bad_credentials_and_silence_close_alike() -> None:
    assert ServerProtocol("i-1").refused() == [Close(CloseCode.BAD_CREDENTIALS)]
    protocol = ServerProtocol("i-1")
    expired = CloseCode.CREDENTIALS_EXPIRED
    assert protocol.close(expired) == [Close(expired)]
    assert protocol.authenticated("ann") == []
    assert protocol.state is State.CLOSING
    assert opened().close(expired) == [Close(expired)]


@pytest.mark.parametrize("kind", ["text", "binary"])
def test_the_21st_bad_message_in_a_row_closes(kind: str) -> None:
    protocol = opened()

    def bad() -> list[Output]:
        return protocol.receive_text("x") if kind == "text" else protocol.receive_bytes(b"x")

    for _ in range(20):
        (sent,) = bad()
        assert isinstance(sent, Send)
        assert isinstance(sent.message, ErrorMessage)
        assert sent.message.code == "bad_request"
    assert bad() == [Close(CloseCode.PROTOCOL_ERROR)]
    assert bad() == []
    assert say(protocol, Ping()) == []


@given(st.lists(st.sampled_from(["bad", "good"]), max_size=30), st.integers(1, 4))
def test_only_bad_messages_in_a_row_count(messages: list[str], allowed: int) -> None:
    protocol = opened(Limits(bad_messages=allowed))
    in_a_row = 0
    for message in messages:
        outputs = protocol.receive_text("x") if message == "bad" else say(protocol, Pong())
        in_a_row = in_a_row + 1 if message == "bad" else 0
        if in_a_row > allowed:
            assert outputs == [Close(CloseCode.PROTOCOL_ERROR)]
            return
        assert len(outputs) == (1 if message == "bad" else 0)
        assert not any(isinstance(output, Close) for output in outputs)


def test_a_bad_message_keeps_its_id() -> None:
    (sent,) = opened().receive_text('{"type":"submit","id":"c7","thread":"t"}')
    assert isinstance(sent, Send)
    raw = json.loads(encode_server(sent.message))
    assert (raw["type"], raw["id"], raw["code"], raw["retryable"]) == (
        "error",
        "c7",
        "bad_request",
        False,
    )


def test_a_command_too_large_in_a_legal_frame_closes_and_a_cast_as_large_does_not() -> None:
    protocol = opened()
    cast = Cast("t", "audio", bytes(DEFAULT_LIMITS.command_bytes * 2))
    assert say(protocol, cast) == [Received(cast)]
    text = " " * (DEFAULT_LIMITS.command_bytes + 1)
    assert protocol.receive_text(text) == [Close(CloseCode.COMMAND_TOO_LARGE)]
    assert protocol.state is State.CLOSING


def test_ping_is_answered_with_its_id_and_pong_is_not() -> None:
    protocol = opened()
    assert say(protocol, Ping("p7")) == [Send(Pong("p7"))]
    assert say(protocol, Ping()) == [Send(Pong())]
    assert say(protocol, Pong("p7")) == []


def test_one_thread_more_than_allowed_closes() -> None:
    protocol = opened(Limits(attachments=2))
    first, second = Attach("c1", "a"), Attach("c2", "b")
    assert say(protocol, first) == [Received(first)]
    assert say(protocol, second) == [Received(second)]
    again = Attach("c3", "a")
    assert say(protocol, again) == [Received(again)]
    assert protocol.attached == {"a", "b"}
    assert say(protocol, Attach("c4", "c")) == [Close(CloseCode.THREAD_LIMIT)]


def test_room_is_made_by_detach_and_by_what_the_server_ended() -> None:
    protocol = opened(Limits(attachments=1))
    say(protocol, Attach("c1", "a"))
    say(protocol, Detach("c2", "a"))
    third = Attach("c3", "b")
    assert say(protocol, third) == [Received(third)]
    (output,) = say(protocol, Attach("c4", "b"))
    assert isinstance(output, Received)
    protocol.detached(third)
    assert protocol.attached == {"b"}, "the second attachment stays when the first one is over"
    assert isinstance(output.message, Attach)
    protocol.detached(output.message)
    protocol.detached(output.message)
    assert not protocol.attached


def test_it_closes_once_and_then_takes_nothing() -> None:
    protocol = opened()
    assert protocol.close(CloseCode.DRAINING) == [Close(CloseCode.DRAINING)]
    assert protocol.close(CloseCode.INTERNAL) == []
    assert protocol.receive_text("x") == []
    protocol.connection_lost()
    assert protocol.state is State.CLOSED
    assert protocol.close(CloseCode.INTERNAL) == []
    assert protocol.receive_bytes(b"x") == []
    assert protocol.authenticated("local") == []


STEPS = st.one_of(
    client_messages().map(lambda message: ("say", encode_client(message))),
    st.text(max_size=5).map(lambda text: ("say", text)),
    st.sampled_from([("authenticated", "ann"), ("authenticated", "eve")]),
    st.sampled_from([("refused", None), ("connection_lost", None)]),
    st.just(("close", CloseCode.CREDENTIALS_EXPIRED)),
)


@given(st.lists(STEPS, max_size=12))
def test_whatever_happens_nothing_follows_a_close_and_no_command_precedes_a_welcome(
    steps: list[tuple[str, Any]],
) -> None:
    protocol = ServerProtocol("i-1", Limits(bad_messages=2, attachments=1))
    outputs: list[Output] = []
    for step, argument in steps:
        call = protocol.receive_text if step == "say" else getattr(protocol, step)
        outputs += call(argument) if argument is not None else call() or []
        assert len(protocol.attached) <= 1
    closes = [output for output in outputs if isinstance(output, Close)]
    assert len(closes) <= 1
    assert not closes or outputs[-1] is closes[0]
    for output in outputs:
        if isinstance(output, Send) and isinstance(output.message, Welcome):
            break
        assert not isinstance(output, Received) or isinstance(output.message, Hello)

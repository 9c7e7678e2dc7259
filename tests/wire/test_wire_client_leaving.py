"""A client whose server is about to stop, and commands that are given up."""

from __future__ import annotations

import json
from typing import Any

import pytest

from transport.wire.client_events import Answered, Deliver, NoAnswer, Refused
from transport.wire.client_protocol import ClientProtocol
from transport.wire.codec import encode_server
from transport.wire.messages import (
    Attached,
    Cancel,
    Delete,
    DeleteReply,
    Detached,
    ErrorMessage,
    Goaway,
    Reply,
    ServerMessage,
    Snapshot,
    Submit,
    SubmitReply,
    Welcome,
)

RECEIPT = SubmitReply("u", "1.1", duplicate=False)


def hear(client: ClientProtocol, message: ServerMessage) -> list[Any]:
    return client.receive(encode_server(message).decode())


def sent(client: ClientProtocol) -> list[str]:
    return [json.loads(frame).get("id") for frame in client.frames()]


def connected(*commands: Any) -> ClientProtocol:
    client = ClientProtocol()
    client.connected()
    for command in commands:
        client.send(command)
    assert sent(client) == [command.id for command in commands]
    return client


def test_after_goaway_commands_wait_for_the_next_connection() -> None:
    client = connected(Submit("1", "t", "hello", "k"))
    assert not client.leaving
    assert hear(client, Goaway(5)) == [Deliver(Goaway(5))]
    assert client.leaving
    client.send(Delete("2", "t"))
    client.send(Cancel("3", "t"))
    assert sent(client) == []
    assert [type(e) for e in hear(client, Reply("1", RECEIPT))] == [Answered]
    assert client.connection_lost(4001) == []
    assert not client.leaving
    client.connected()
    assert sent(client) == ["2", "3"]


def test_a_thread_that_is_attached_while_leaving_releases_nothing() -> None:
    client = connected()
    client.attach("t", "1.1")
    client.connection_lost()
    client.send(Submit("1", "t", "hello", "k"))
    client.connected()
    (attach,) = sent(client)
    hear(client, Goaway(5))
    hear(client, Attached(attach, "t", "1.1", "resume"))
    assert sent(client) == []


@pytest.mark.parametrize("command", [Submit("1", "t", "hello", "k"), Delete("1", "t")])
def test_draining_did_nothing_and_is_asked_again(command: Any) -> None:
    client = connected(command, Delete("2", "t"))
    assert hear(client, ErrorMessage("draining", "bye", True, "1")) == []
    assert client.leaving
    (unknown,) = client.connection_lost(4001)
    assert unknown == NoAnswer(Delete("2", "t"), sent=True)
    client.connected()
    assert sent(client) == ["1"]


@pytest.mark.parametrize("welcomed", [False, True])
def test_who_is_turned_away_before_the_welcome_has_done_nothing(welcomed: bool) -> None:
    """Nothing is decided before `welcome`, so the outcome of what was sent ahead of it is known."""
    twice, once = Submit("1", "t", "hello", "k"), Delete("2", "t")
    client = connected(twice)
    client.connection_lost()
    client.connected()
    client.send(once)
    client.frames()
    if welcomed:
        hear(client, Welcome("holdfast.v1", "i", {}, 20.0))
    assert client.connection_lost(4501) == [
        NoAnswer(twice, sent=True),  # the first connection may have carried it out
        NoAnswer(once, sent=welcomed),
    ]


def test_whether_a_refused_command_may_have_been_carried_out_before() -> None:
    once, twice = Delete("1", "t"), Submit("2", "t", "hello", "k")
    client = connected(twice)
    client.connection_lost()
    client.connected()
    client.send(once)
    client.frames()
    for label in "12":
        hear(client, ErrorMessage("draining", "bye", True, label))
    assert client.connection_lost(4501) == [
        NoAnswer(twice, sent=True),
        NoAnswer(once, sent=False),
    ]


def test_what_waits_for_a_deleted_thread_fails() -> None:
    client = connected()
    client.attach("t")
    (attach,) = sent(client)
    hear(client, Attached(attach, "t", "1.1", "snapshot"))
    hear(client, Snapshot("t", "1.1", (), None, None, (), {}))
    hear(client, Goaway(5))
    client.send(Submit("1", "t", "hello", "k"))
    delivered, refused = hear(client, Detached("t", "1.1", "deleted"))
    assert isinstance(delivered, Deliver)
    assert isinstance(refused, Refused)
    assert refused.error.code == "thread_deleted"
    assert client.unanswered == 0


def test_a_command_that_is_given_up_is_not_sent() -> None:
    client = connected()
    client.send(Submit("1", "t", "hello", "k"))
    client.send(Submit("2", "t", "hello", "l"))
    client.withdraw("1")
    client.withdraw("nobody's")
    assert sent(client) == ["2"]
    client.withdraw("2")
    assert client.unanswered == 0
    assert hear(client, Reply("2", RECEIPT)) == []
    assert client.connection_lost() == []
    client.connected()
    assert sent(client) == []


def test_the_last_connection_leaves_nothing_unanswered() -> None:
    asked = Submit("1", "t", "hello", "k")
    client = connected(asked)
    assert client.connection_lost(final=True) == [NoAnswer(asked, sent=True)]
    assert [type(e) for e in hear(connected(Delete("1", "t")), Reply("1", DeleteReply(True)))] == [
        Answered
    ]

"""The client's rules one by one: attaching and detaching, bounds, a server that leaves."""

from __future__ import annotations

import pytest
from client_talk import KEYED, hear, online, reconnect, sent, types

from actors.core.events import Entry, ThreadCreated
from actors.errors import LocalProtocolError, Rejected, RemoteProtocolError
from actors.limits import Limits
from transport.wire.client_events import Deliver, Refused
from transport.wire.client_protocol import ClientProtocol
from transport.wire.messages import (
    Attach,
    Attached,
    Cancel,
    Cast,
    Command,
    Detach,
    Detached,
    End,
    ErrorMessage,
    Events,
    Goaway,
    Ping,
    Pong,
    Reply,
    Submit,
    SubmitReply,
    Welcome,
)


def test_nothing_is_delivered_after_detach() -> None:
    client = online(None, "t")
    run = Events("t", (Entry(1, 1, 0.0, ThreadCreated()),), "1.1")
    assert hear(client, run) == [Deliver(run)]
    assert client.detach("t") == "1.1"
    (detach,) = sent(client)
    assert detach["type"] == "detach"
    later = Events("t", (Entry(2, 2, 0.0, ThreadCreated()),), "1.2")
    assert hear(client, later) == []
    assert hear(client, Detached("t", "1.2", "requested")) == []
    assert hear(client, Reply(detach["id"], {})) == []
    assert client.detach("t") is None
    reconnect(client)
    assert sent(client) == []


def test_detach_lets_go_what_waited_for_attached() -> None:
    client = online(None, "t")
    client.send(KEYED)
    reconnect(client)
    client.frames()
    client.detach("t")
    assert types(client) == ["detach", "submit"]


def test_attach_and_detach_while_away_say_nothing() -> None:
    client = ClientProtocol()
    client.attach("t", "1.7")
    client.attach("u")
    client.detach("u")
    assert client.cursor("t") == "1.7"
    assert client.cursor("u") is None
    assert client.frames() == []
    client.connected()
    (attach,) = sent(client)
    assert (attach["thread"], attach["cursor"]) == ("t", "1.7")


def test_an_attach_refused_for_now_is_asked_again_and_commands_wait_on() -> None:
    client = online(None, "t")
    client.send(KEYED)
    reconnect(client)
    attach = sent(client)[-1]
    (refused,) = hear(client, ErrorMessage("overloaded", "later", True, attach["id"]))
    assert refused.command == Attach(attach["id"], "t", "1.0")
    assert sent(client) == []
    client.reattach("t")
    client.reattach("t")
    (again,) = sent(client)
    assert again["cursor"] == "1.0"
    hear(client, Attached(again["id"], "t", "1.0", "resume"))
    assert types(client) == ["submit"]


def test_an_attach_refused_for_good_follows_no_longer() -> None:
    client = online(None, "t")
    client.send(KEYED)
    reconnect(client)
    attach = sent(client)[-1]
    (refused,) = hear(client, ErrorMessage("forbidden", "no", False, attach["id"]))
    assert isinstance(refused, Refused)
    assert client.following == frozenset()
    assert types(client) == ["submit"]
    assert hear(client, ErrorMessage("forbidden", "no", False, attach["id"])) == []


def test_the_refusal_of_an_attach_that_was_replaced_is_nobodys() -> None:
    client = online()
    client.attach("t")
    client.attach("t")
    first, second = sent(client)
    assert hear(client, ErrorMessage("forbidden", "no", False, first["id"])) == []
    assert client.following == {"t"}
    assert len(hear(client, Attached(second["id"], "t", "1.0", "snapshot"))) == 1


def test_a_broken_run_leaves_the_cursor_for_the_next_connection() -> None:
    client = online(None, "t")
    with pytest.raises(RemoteProtocolError):
        hear(client, Events("t", (Entry(2, 2, 0.0, ThreadCreated()),), "1.2"))
    reconnect(client)
    (attach,) = sent(client)
    assert attach["cursor"] == "1.0"


def test_what_concerns_the_connection_goes_to_its_owner() -> None:
    client = online()
    welcome = Welcome("holdfast.v1", "i", {"command_bytes": 120}, 20)
    assert hear(client, welcome) == [Deliver(welcome)]
    assert hear(client, Goaway(3)) == [Deliver(Goaway(3))]
    assert hear(client, Pong("p")) == [Deliver(Pong("p"))]
    assert hear(client, Ping("p")) == []
    assert client.receive('{"type":"novel"}') == []
    assert client.frames() == []
    with pytest.raises(RemoteProtocolError):
        hear(client, Welcome("holdfast.v2", "i", {}, 20))


def test_a_command_too_large_for_this_server_is_refused_here() -> None:
    client = online()
    hear(client, Welcome("holdfast.v1", "i", {"command_bytes": 120}, 20))
    with pytest.raises(Rejected) as caught:
        client.send(Submit("c1", "t", "é" * 60))
    assert (caught.value.code, client.unanswered) == ("too_large", 0)
    client.send(Submit("c1", "t", "é" * 20))


def test_there_are_only_so_many_unanswered_commands_and_followed_threads() -> None:
    client = ClientProtocol(limits=Limits(unanswered_commands=2, attachments=1))
    client.send(Submit(client.label(), "t", "x"))
    client.send(Submit(client.label(), "t", "x"))
    with pytest.raises(Rejected) as caught:
        client.send(Submit(client.label(), "t", "x"))
    assert caught.value.retryable
    client.attach("t")
    client.attach("t", "1.4")
    with pytest.raises(LocalProtocolError):
        client.attach("u")


@pytest.mark.parametrize("command", [Attach("c9", "t"), Detach("c9", "t"), KEYED])
def test_what_send_does_not_take(command: Command) -> None:
    client = online()
    client.send(KEYED)
    with pytest.raises(LocalProtocolError):
        client.send(command)


def test_a_cast_needs_a_connection() -> None:
    client = ClientProtocol()
    assert not client.cast(Cast("t", "typing", {}))
    client.connected()
    assert client.cast(Cast("t", "audio", b"\x00"))
    assert client.cast(Ping("p"))
    binary, text = client.frames()
    assert isinstance(binary, bytes)
    assert isinstance(text, str)
    client.cast(Ping("q"))
    client.connection_lost()
    assert client.frames() == []


def test_casts_that_wait_are_bounded_and_pings_go_out_all_the_same() -> None:
    client = ClientProtocol(limits=Limits(client_cast_bytes=100, frame_bytes=90))
    client.connected()
    sound = Cast("t", "audio", b"x" * 20)
    assert client.cast(sound)
    assert not client.cast(sound)
    assert client.cast(Ping("p"))
    assert len(client.frames()) == 2
    assert client.cast(sound)
    with pytest.raises(Rejected, match="too_large"):
        client.cast(Cast("t", "audio", b"x" * 90))
    with pytest.raises(Rejected, match="too_large"):
        client.cast(Cast("t", "typing", "x" * 65 * 1024))


def test_a_server_that_leaves_gets_no_more_commands_and_the_next_one_gets_them_all() -> None:
    client = online(None, "t")
    client.send(KEYED)
    client.frames()
    assert not client.leaving
    assert hear(client, Goaway(3)) == [Deliver(Goaway(3))]
    assert client.leaving
    client.send(End("c2", "t"))
    assert sent(client) == []
    assert len(hear(client, Reply("c1", SubmitReply("u", "1.1", False)))) == 1
    assert reconnect(client) == []
    attach = sent(client)[-1]
    hear(client, Attached(attach["id"], "t", "1.0", "resume"))
    assert types(client) == ["end"]


@pytest.mark.parametrize("command", [KEYED, End("c1", "t"), Cancel("c1", "t")])
def test_a_command_that_a_draining_server_refused_goes_to_the_next_one(command: Command) -> None:
    client = online()
    client.send(command)
    first = sent(client)
    assert hear(client, ErrorMessage("draining", "later", True, "c1")) == []
    assert client.leaving
    assert sent(client) == []
    assert reconnect(client) == []
    assert sent(client) == first


def test_what_waits_for_the_next_server_fails_where_its_thread_is_deleted() -> None:
    client = online(None, "t")
    client.send(KEYED)
    hear(client, ErrorMessage("draining", "later", True, "c1"))
    delivered, refused = hear(client, Detached("t", "1.0", "deleted"))
    assert delivered == Deliver(Detached("t", "1.0", "deleted"))
    assert (refused.command, refused.error.code) == (KEYED, "thread_deleted")


@pytest.mark.parametrize("command", [KEYED, Submit("c1", "t", "hello"), End("c1", "t")])
def test_what_a_deletion_overtook_does_not_go_to_the_next_server(command: Command) -> None:
    client = online(None, "t")
    client.send(command)
    client.frames()
    hear(client, Detached("t", "1.0", "deleted"))
    hear(client, ErrorMessage("draining", "later", True, "c1"))
    (refused,) = reconnect(client)
    assert (refused.command, refused.error.code) == (command, "thread_deleted")
    assert sent(client) == []


def test_a_withdrawn_command_is_neither_sent_nor_answered() -> None:
    client = online()
    client.send(KEYED)
    client.withdraw("c1")
    client.withdraw("c1")
    assert sent(client) == []
    client.send(KEYED)
    client.frames()
    client.withdraw("c1")
    assert hear(client, Reply("c1", SubmitReply("u", "1.1", False))) == []
    reconnect(client)
    assert sent(client) == []

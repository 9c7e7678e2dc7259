"""The client's rules one by one: answers, retries, deletions, bounds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from actors.core.events import Entry, ThreadCreated
from actors.errors import LocalProtocolError, Rejected, RemoteProtocolError
from actors.limits import Limits
from transport.wire.client_events import Abandoned, Answered, Deliver, Refused
from transport.wire.client_protocol import ClientProtocol
from transport.wire.codec import encode_server
from transport.wire.messages import (
    Attach,
    Attached,
    Cancel,
    Cast,
    Command,
    Delete,
    Detach,
    Detached,
    End,
    ErrorMessage,
    Events,
    Fork,
    Goaway,
    Hello,
    History,
    Ping,
    Pong,
    Record,
    Reply,
    Snapshot,
    Submit,
    SubmitReply,
    Threads,
    Truncate,
    Welcome,
)

KEYED = Submit("c1", "t", "hello", key="k")


def online(client: ClientProtocol | None = None, *threads: str) -> ClientProtocol:
    client = client or ClientProtocol()
    client.connected()
    for thread in threads:
        client.attach(thread)
        attach = sent(client)[-1]
        hear(client, Attached(attach["id"], thread, "1.0", "snapshot"))
        hear(client, Snapshot(thread, "1.0", (), None, None, (), {}))
    client.frames()
    return client


def sent(client: ClientProtocol) -> list[dict[str, Any]]:
    return [json.loads(frame) for frame in client.frames()]


def types(client: ClientProtocol) -> list[str]:
    return [frame["type"] for frame in sent(client)]


def hear(client: ClientProtocol, message: Any) -> list[Any]:
    return client.receive(encode_server(message).decode())


def reconnect(client: ClientProtocol) -> list[Any]:
    events = client.connection_lost(1006)
    client.connected()
    return events


def test_a_reply_finds_its_command_and_has_the_commands_own_shape() -> None:
    client = online()
    client.send(KEYED)
    client.send(Submit("c2", "t", "again", key="k2"))
    assert hear(client, Reply("c2", SubmitReply("u2", "1.4", False))) == [
        Answered(Submit("c2", "t", "again", key="k2"), SubmitReply("u2", "1.4", False))
    ]
    assert hear(client, Reply("c1", SubmitReply("u1", "1.3", True))) == [
        Answered(KEYED, SubmitReply("u1", "1.3", True))
    ]
    assert hear(client, Reply("c1", SubmitReply("u1", "1.3", True))) == []
    assert client.unanswered == 0


def test_a_reply_without_what_it_has_to_say_is_a_protocol_error() -> None:
    client = online()
    client.send(KEYED)
    with pytest.raises(RemoteProtocolError):
        hear(client, Reply("c1", {"turn": "u"}))
    assert client.unanswered == 1, "the next connection retries it"


def test_an_error_finds_its_command_and_keeps_its_details() -> None:
    client = online()
    client.send(KEYED)
    details = {"turn": "u1", "self": 1, "code2": 2}
    (event,) = hear(client, ErrorMessage("novel_code", "no", True, "c1", details))
    assert isinstance(event, Refused)
    assert event.command == KEYED
    assert (event.error.code, event.error.retryable) == ("novel_code", True)
    assert event.error.details == details
    assert hear(client, ErrorMessage("internal", "?", True, "c1")) == []
    nobodys = ErrorMessage("thread_not_found", "no such thread", False)
    assert hear(client, nobodys) == [Deliver(nobodys)]


RETRIED = [
    (Submit("c1", "t", "x", key="k"), True),
    (Submit("c1", "t", "x"), False),
    (Record("c1", "t", "fact", 1, key="k"), True),
    (Record("c1", "t", "fact", 1), False),
    (Fork("c1", "t", "u", None, key="k"), True),
    (Fork("c1", "t", "u", None), False),
    (Cancel("c1", "t", turn="u1"), True),
    (Cancel("c1", "t"), False),
    (History("c1", "t"), True),
    (Threads("c1"), True),
    (Truncate("c1", "t", None), False),
    (End("c1", "t"), False),
    (Delete("c1", "t"), False),
]


@pytest.mark.parametrize(("command", "retried"), RETRIED)
def test_what_is_retried_and_whose_outcome_is_unknown(command: Command, retried: bool) -> None:
    client = online()
    client.send(command)
    first = sent(client)
    assert len(first) == 1
    events = reconnect(client)
    assert sent(client) == (first if retried else [])
    assert events == ([] if retried else [Abandoned(command, sent=True)])


@pytest.mark.parametrize("command", [command for command, _ in RETRIED])
def test_what_was_never_sent_goes_out_whatever_it_is(command: Command) -> None:
    client = ClientProtocol()
    client.send(command)
    assert client.frames() == []
    assert client.connection_lost() == []
    client.connected()
    assert len(client.frames()) == 1


@pytest.mark.parametrize("command", [command for command, _ in RETRIED])
def test_a_final_close_answers_everything(command: Command) -> None:
    client = online()
    client.send(command)
    client.connection_lost(1006)
    later = Submit("c9", "t", "later", key="k9")
    client.send(later)
    events = client.connection_lost(4502)
    assert Abandoned(later, sent=False) in events
    assert client.unanswered == 0
    client.connected()
    assert client.frames() == []


def test_a_client_that_leaves_for_good_answers_everything_whatever_the_code_says() -> None:
    client = online()
    client.send(KEYED)
    client.frames()
    assert client.connection_lost(4001, final=True) == [Abandoned(KEYED, sent=True)]
    assert client.unanswered == 0


def test_hello_and_attaches_come_before_retries_and_retries_wait_for_attached() -> None:
    client = online(ClientProtocol(Hello("token")), "t")
    client.send(KEYED)
    elsewhere = Submit("c2", "elsewhere", "x", key="k")
    client.send(elsewhere)
    client.frames()
    reconnect(client)
    hello, attach, retry = sent(client)
    assert (hello["type"], hello["token"]) == ("hello", "token")
    assert (attach["type"], attach["cursor"]) == ("attach", "1.0")
    assert (retry["type"], retry["thread"]) == ("submit", "elsewhere")
    client.send(Submit("c3", "t", "behind it"))
    assert sent(client) == []
    assert hear(client, Attached("stale", "t", "1.0", "resume")) == []
    assert sent(client) == []
    attached = Attached(attach["id"], "t", "1.0", "resume")
    assert hear(client, attached) == [Deliver(attached)]
    assert [frame["id"] for frame in sent(client)] == ["c1", "c3"]


def test_what_is_unanswered_of_a_thread_deleted_meanwhile_fails() -> None:
    client = online(None, "t")
    client.send(KEYED)
    client.frames()
    reconnect(client)
    (attach,) = sent(client)
    behind = Submit("c2", "t", "behind it", key="k2")
    client.send(behind)
    attached = Attached(attach["id"], "t", "2.0", "reset", "deleted")
    delivered, *refusals = hear(client, attached)
    assert delivered == Deliver(attached)
    assert [event.command for event in refusals] == [KEYED, behind]
    assert {event.error.code for event in refusals} == {"thread_deleted"}
    assert sent(client) == []
    client.send(Submit("c3", "t", "a new life"))
    assert [frame["id"] for frame in sent(client)] == ["c3"]


@pytest.mark.parametrize("reason", ["epoch", "ahead", "unreadable"])
def test_a_reset_for_another_reason_does_not_keep_a_retry_back(reason: str) -> None:
    client = online(None, "t")
    client.send(KEYED)
    reconnect(client)
    attach = sent(client)[-1]
    assert len(hear(client, Attached(attach["id"], "t", "9.0", "reset", reason))) == 1
    assert [frame["id"] for frame in sent(client)] == ["c1"]


def test_a_deletion_between_attached_and_its_snapshot_is_noticed() -> None:
    client = ClientProtocol()
    client.connected()
    client.attach("t")
    client.send(KEYED)
    attach, _ = sent(client)
    hear(client, Attached(attach["id"], "t", "1.8", "snapshot"))
    reconnect(client)
    (attach,) = sent(client)
    assert "cursor" not in attach
    _, refused = hear(client, Attached(attach["id"], "t", "2.0", "snapshot"))
    assert refused.error.code == "thread_deleted"


def test_what_a_deletion_was_seen_to_overtake_is_not_retried_but_answered_if_it_may_be() -> None:
    client = online(None, "t")
    client.send(KEYED)
    other = Submit("c2", "t", "x", key="k2")
    client.send(other)
    hear(client, Detached("t", "1.0", "deleted"))
    assert "t" not in client.following
    assert len(hear(client, Reply("c1", SubmitReply("u", "2.1", False)))) == 1
    after = Submit("c3", "t", "a new life", key="k3")
    client.send(after)
    client.frames()
    (refused,) = reconnect(client)
    assert (refused.command, refused.error.code) == (other, "thread_deleted")
    assert [frame["id"] for frame in sent(client)] == ["c3"]


def test_the_second_attach_keeps_what_is_known_of_the_threads_life() -> None:
    client = online(None, "t")
    client.attach("t")
    client.send(KEYED)
    client.frames()
    reconnect(client)
    assert types(client) == ["attach"], "the retry waits"


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

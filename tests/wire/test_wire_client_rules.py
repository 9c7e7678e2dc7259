"""The client's rules one by one: answers, retries, deletions."""

from __future__ import annotations

import pytest
from client_talk import KEYED, hear, online, reconnect, sent, types

from actors.errors import RemoteProtocolError
from transport.wire.client_events import Answered, Deliver, NoAnswer, Refused
from transport.wire.client_protocol import ClientProtocol
from transport.wire.messages import (
    Attached,
    Cancel,
    Command,
    Delete,
    Detached,
    End,
    ErrorMessage,
    Fork,
    Hello,
    History,
    Record,
    Reply,
    Submit,
    SubmitReply,
    Threads,
    Truncate,
)


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
    assert events == ([] if retried else [NoAnswer(command, sent=True)])


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
    assert NoAnswer(later, sent=False) in events
    assert client.unanswered == 0
    client.connected()
    assert client.frames() == []


def test_a_client_that_leaves_for_good_answers_everything_whatever_the_code_says() -> None:
    client = online()
    client.send(KEYED)
    client.frames()
    assert client.connection_lost(4001, final=True) == [NoAnswer(KEYED, sent=True)]
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

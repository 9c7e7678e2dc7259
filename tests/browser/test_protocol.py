"""The page against a peer that says what a server seldom does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .scripted_peer import EMPTY, ScriptedPeer

if TYPE_CHECKING:
    from .chat_page import ChatPage
    from .conftest import OpenChat

MESSAGE = {"item": "t1.0", "turn": "t1", "kind": "message", "at": 1, "content": "Hello"}
RUNNING = {**EMPTY, "turn": {"turn": "t1", "attempt": 1, "items": [MESSAGE]}}


def test_a_final_close_code_is_obeyed_until_a_person_asks(open_chat: OpenChat) -> None:
    peer = ScriptedPeer()
    chat = open_chat(peer=peer.connect, virtual_time=True)
    peer.close(4502, "bad messages")
    chat.wait_connection("refused")
    assert chat.page.inner_text("#status") == "Disconnected: bad messages"
    chat.page.clock.fast_forward("10:00")
    assert peer.connections == 1
    chat.page.click("#reconnect")
    chat.wait_connection("open")
    assert peer.connections == 2


def test_any_other_close_code_means_to_come_back(open_chat: OpenChat) -> None:
    peer = ScriptedPeer()
    chat = open_chat(peer=peer.connect)
    for count, code in enumerate((1000, 1011, 4001, 4499), 2):
        peer.close(code, "")
        chat.wait_until(lambda: peer.connections == count)  # noqa: B023 - it is over by the next
        chat.wait_for("[data-connection=open]")


def test_a_gap_is_not_shown_but_asked_about(open_chat: OpenChat) -> None:
    peer = ScriptedPeer(RUNNING)
    chat = open_chat(peer=peer.connect)
    peer.say_events(delta("one "), delta("two "))
    answers_are(chat, "one two ")
    answer = {
        "item": "t1.1",
        "turn": "t1",
        "kind": "answer",
        "at": 1,
        "text": "one two three four ",
    }
    peer.snapshot = {**EMPTY, "items": [MESSAGE, answer]}
    peer.say_events(delta("four "), first=5)
    answers_are(chat, "one two three four ")
    first, second = peer.heard_of("attach")
    assert "cursor" not in first
    assert "cursor" not in second


def delta(text: str) -> dict[str, Any]:
    """Return a piece of the answer of turn `t1`."""
    return {"type": "turn.delta", "item": "t1.1", "text": text}


def answers_are(chat: ChatPage, *texts: str) -> None:
    """Wait until exactly these answers are shown."""
    chat.wait_until(lambda: chat.answers() == list(texts))


def test_a_message_to_a_thread_that_was_deleted_comes_back_into_the_box(
    open_chat: OpenChat,
) -> None:
    peer = ScriptedPeer({**EMPTY, "items": [MESSAGE]}, {"mode": "reset", "reason": "deleted"})
    chat = open_chat(peer=peer.connect)
    chat.send("Are you there?")
    chat.wait_until(lambda: peer.heard_of("submit"))
    peer.snapshot = EMPTY
    peer.close(4001, "draining")
    chat.wait_problem("deleted")
    assert chat.page.input_value("#input") == "Are you there?"
    assert chat.messages() == []
    assert len(peer.heard_of("submit")) == 1


def test_try_again_is_tried_again_and_no_is_taken_for_no(open_chat: OpenChat) -> None:
    peer = ScriptedPeer()
    chat = open_chat(peer=peer.connect)
    chat.send("Hello")
    chat.wait_until(lambda: len(peer.heard_of("submit")) == 1)
    refuse(peer, code="overloaded", message="Too much to do.", retryable=True)
    chat.wait_until(lambda: len(peer.heard_of("submit")) == 2)
    first, second = peer.heard_of("submit")
    assert first == second
    assert chat.messages() == ["Hello"]
    refuse(peer, code="of_the_future", message="This will not do.", retryable=False)
    chat.wait_problem("This will not do.")
    assert chat.page.input_value("#input") == "Hello"
    assert chat.messages() == []


def refuse(peer: ScriptedPeer, **error: Any) -> None:
    """Answer the last submit with an error."""
    peer.say(type="error", id=peer.heard_of("submit")[-1]["id"], **error)


def test_going_away_is_waited_for(open_chat: OpenChat) -> None:
    """After `goaway` nothing new is said on that connection, and the next is not hurried."""
    peer = ScriptedPeer(RUNNING)
    chat = open_chat(peer=peer.connect, virtual_time=True)
    peer.say(type="goaway", retry_after_seconds=60)
    peer.say_events(delta("seen after goaway"))
    answers_are(chat, "seen after goaway")
    chat.send("Hello again")
    chat.wait_for("[data-waiting]")
    peer.close(4001, "draining")
    chat.wait_connection("reconnecting")
    chat.page.clock.fast_forward("00:25")
    assert peer.connections == 1
    chat.page.clock.fast_forward("00:40")
    chat.wait_until(lambda: peer.heard_of("submit"))
    assert peer.connections == 2
    assert [message["type"] for message in peer.heard] == ["attach", "attach", "submit"]


def test_events_of_every_kind_are_folded_in(open_chat: OpenChat) -> None:
    peer = ScriptedPeer(RUNNING)
    chat = open_chat(peer=peer.connect)
    thought = {"type": "turn.delta", "item": "t1.4", "channel": "reasoning", "text": "Hm."}
    call = {"name": "look_up", "arguments": {"what": "<rain>"}}
    result = {"call": "t1.5", "data": [{"mm": 3}]}
    peer.say_events(
        delta("A first attempt"),
        {"type": "turn.started", "attempt": 2},
        {**delta("A second"), "item": "t1.3"},
        {"type": "of.the_future", "turn": "t9", "what": "?"},
        thought,
        {"type": "turn.item", "item": "t1.5", "kind": "tool_call", "data": call},
        {"type": "turn.item", "item": "t1.6", "kind": "tool_result", "data": result},
        {"type": "turn.item", "item": "t1.7", "kind": "citation", "data": {"page": 7}},
        {"type": "turn.submitted", "turn": "t2", "item": "t2.0", "content": "Next", "author": "a"},
        {"type": "record", "turn": None, "item": "r1", "kind": "note", "data": "kept"},
        {"type": "turn.failed", "item": "t1.8", "error": "ValueError", "message": "no model"},
        {"type": "turn.started", "turn": "t2", "attempt": 1},
        {"type": "turn.cancelled", "turn": "t2", "rolled_back": True},
    )
    chat.wait_until(lambda: chat.page.locator("[data-kind=citation]").count() == 1)
    chat.wait_idle()
    items = chat.page.locator("[data-item]").all()
    shown = [
        (item.get_attribute("data-kind"), item.locator("[data-text]").text_content())
        for item in items
    ]
    assert shown == [
        ("message", "Hello"),
        ("answer", "A second"),
        ("reasoning", "Hm."),
        ("tool_call", json.dumps(call["arguments"], indent=2)),
        ("tool_result", json.dumps(result["data"], indent=2)),
        ("citation", json.dumps({"page": 7}, indent=2)),
        ("marker", "Failed: no model"),
        ("record", "kept"),
    ]

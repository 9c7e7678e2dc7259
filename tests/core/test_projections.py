"""I15: two readings of one log, what people see and what a model is given."""

from __future__ import annotations

from typing import Any

import pytest
from core_shell import CoreShell, queue, running, submit, text

from actors.core.commands import Cancel, Ending, Recover
from actors.core.events import Entry, Recorded, TurnItem
from actors.core.items import Item
from actors.core.projections import context, fold_turn
from actors.core.turn_lifecycle import TurnState

S = TurnState
ASK = Item("now.0", "message", 9.0, "now", {"content": "and now?", "author": "ann"})


def item(kind: str, number: int, **body: Any) -> Item:
    return Item(f"t.{number}", kind, float(number), "t", body)


def said(number: int, text: str) -> Item:
    return item("answer", number, text=text)


def asked(number: int, text: str) -> Item:
    return item("message", number, content=text, author="ann")


def call(number: int, arguments: Any = "{}") -> Item:
    return item("tool_call", number, name="look", arguments=arguments)


def result(number: int, of: int, data: Any = "found") -> Item:
    return item("tool_result", number, call=f"t.{of}", data=data)


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def calls(*numbers: int, arguments: str = "{}") -> dict[str, Any]:
    function = {"name": "look", "arguments": arguments}
    each = [{"id": f"t.{n}", "type": "function", "function": function} for n in numbers]
    return {"role": "assistant", "content": None, "tool_calls": each}


def tool(of: int, content: str = "found") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": f"t.{of}", "content": content}


PARTS = [{"type": "text", "text": "look"}, {"type": "image", "url": "x"}]
CONTEXTS: dict[str, tuple[list[Item], list[dict[str, Any]]]] = {
    "nothing before": ([], []),
    "a question and its answer": (
        [asked(0, "hi"), said(1, "ho")],
        [user("hi"), assistant("ho")],
    ),
    "parts stay parts": ([item("message", 0, content=PARTS, author="ann")], [user(PARTS)]),
    "a partial answer is in, its marker is out": (
        [asked(0, "hi"), said(1, "h"), item("marker", 2, reason="cancelled")],
        [user("hi"), assistant("h")],
    ),
    "reasoning, records and the application's own are out": (
        [
            asked(0, "hi"),
            item("reasoning", 1, text="hm"),
            item("note", 2, data=1),
            item("record", 3, record="x", data=1),
            said(4, "ho"),
        ],
        [user("hi"), assistant("ho")],
    ),
    "a call and its result": (
        [asked(0, "hi"), call(1), result(2, of=1), said(3, "ho")],
        [user("hi"), calls(1), tool(1), assistant("ho")],
    ),
    "a call without a result is out": (
        [asked(0, "hi"), call(1), said(2, "ho")],
        [user("hi"), assistant("ho")],
    ),
    "a result without its call is out": ([result(2, of=1), said(3, "ho")], [assistant("ho")]),
    "calls side by side share a message": (
        [call(1), call(2), result(3, of=2), result(4, of=1)],
        [calls(1, 2), tool(1), tool(2)],
    ),
    "of calls side by side only the answered ones": (
        [call(1), call(2), result(3, of=2)],
        [calls(2), tool(2)],
    ),
    "one after the other they do not": (
        [call(1), result(2, of=1), call(3), result(4, of=3)],
        [calls(1), tool(1), calls(3), tool(3)],
    ),
    "a result comes right behind its call, whatever was said meanwhile": (
        [call(1), said(2, "wait"), result(3, of=1)],
        [calls(1), tool(1), assistant("wait")],
    ),
    "a second result of one call is out": (
        [call(1), result(2, of=1), result(3, of=1, data="again")],
        [calls(1), tool(1)],
    ),
    "what is no text is given as JSON": (
        [call(1, arguments={"q": [1]}), result(2, of=1, data={"n": None})],
        [calls(1, arguments='{"q":[1]}'), tool(1, '{"n":null}')],
    ),
}


@pytest.mark.parametrize("name", CONTEXTS)
def test_context(name: str) -> None:
    history, messages = CONTEXTS[name]
    assert context(history, ASK) == [*messages, user("and now?")]


def transcript(shell: CoreShell) -> list[tuple[str, Any]]:
    """What people see, in short."""
    items = [item for part in shell.parts for item in part.items]
    shown = {"message": "content", "marker": "reason"}
    return [(i.kind, i.body[shown.get(i.kind, "text")]) for i in items]


def history(shell: CoreShell) -> list[Item]:
    return [item for part in shell.parts for item in part.items]


def test_a_cancelled_turn_keeps_its_partial_answer_in_both() -> None:
    """W10, B22: what people see is what the model is told."""
    shell = running()
    shell.say(text("a", 1, "hel"))
    shell.do(Cancel())
    shell.exits()
    assert transcript(shell) == [
        ("message", "ask a"),
        ("answer", "hel"),
        ("marker", "cancelled"),
    ]
    assert context(history(shell), ASK)[:-1] == [user("ask a"), assistant("hel")]


def test_a_rolled_back_turn_leaves_both() -> None:
    shell = running()
    shell.say(text("a", 1, "hel"))
    shell.do(Cancel(rollback=True))
    shell.exits()
    assert transcript(shell) == []
    assert context(history(shell), ASK) == [user("and now?")]
    assert fold_turn(shell.entries_of("a")) == ()


def test_a_failure_says_its_message_in_the_marker() -> None:
    shell = running()
    shell.exits(Ending(S.FAILED, error="overloaded", message="try later"))
    assert history(shell)[-1].body == {"reason": "failed", "message": "try later"}


@pytest.mark.parametrize("state", [S.INTERRUPTED, S.TIMED_OUT, S.SUPERSEDED, S.CANCELLED])
def test_every_other_ending_shows_its_name(state: TurnState) -> None:
    shell = running()
    shell.exits(Ending(state))
    assert history(shell)[-1].body == {"reason": state.value}


def test_history_is_in_turn_order_and_not_in_the_order_of_offsets() -> None:
    shell = running()
    shell.say(text("a", 1, "one "))
    shell.do(queue("q"))
    shell.say(text("a", 1, "two"))
    shell.exits()
    shell.say(text("q", 1, "three"))
    shell.exits()
    assert transcript(shell) == [
        ("message", "ask a"),
        ("answer", "one two"),
        ("message", "ask q"),
        ("answer", "three"),
    ]


def test_only_the_last_attempt_is_seen() -> None:
    shell = running()
    shell.say(text("a", 1, "first try"))
    shell.do(Recover(retry=True))
    shell.say(text("a", 2, "second"))
    shell.exits()
    assert transcript(shell) == [("message", "ask a"), ("answer", "second")]


def test_text_that_was_broken_off_by_an_item_goes_on_as_an_item_of_its_own() -> None:
    shell = running()
    shell.say(text("a", 1, "let me "), text("a", 1, "see"))
    shell.say(TurnItem("a", "a.2", "tool_call", {"name": "look", "arguments": {}}))
    shell.say(text("a", 3, "there"))
    shell.exits()
    kinds = [(i.item, i.kind) for i in history(shell)]
    assert kinds == [("a.0", "message"), ("a.1", "answer"), ("a.2", "tool_call"), ("a.3", "answer")]
    assert history(shell)[1].body == {"text": "let me see"}


def test_an_item_of_the_applications_own_kind_wraps_its_data() -> None:
    shell = running()
    shell.say(TurnItem("a", "a.1", "chart", [1, 2]))
    shell.exits()
    assert history(shell)[1].to_json() == {
        "item": "a.1",
        "turn": "a",
        "kind": "chart",
        "at": 1002.0,
        "data": [1, 2],
    }


def test_a_record_folds_to_its_one_item() -> None:
    entry = Entry(5, 5, 1.0, Recorded("r-1.0", "rating", {"stars": 5}))
    (record,) = fold_turn([entry])
    assert record.body == {"record": "rating", "data": {"stars": 5}}
    assert record.turn is None


def test_attachments_and_metadata_travel_with_the_message() -> None:
    shell = CoreShell()
    shell.do(submit("a", attachments=["x.png"], metadata={"m": 1}))
    assert shell.state.live is not None
    assert shell.state.live.metadata == {"m": 1}
    assert shell.state.live.view.message.body["attachments"] == ["x.png"]


@pytest.mark.parametrize("kind", ["message", "answer", "marker", "record"])
def test_items_come_back_from_their_json(kind: str) -> None:
    before = item(kind, 3, text="x", n=[1])
    assert Item.from_json(before.to_json()) == before
    loose = Item("r.0", kind, 1.0, None, {"data": 1})
    assert Item.from_json(loose.to_json()) == loose

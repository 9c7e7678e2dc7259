"""A message that takes the place of a part of history: both are done in one breath, or neither."""

from __future__ import annotations

from typing import Any

from actors.core.effects import Submitted
from actors.testing.facts import Answered
from actors.testing.operations import Submit, Truncate

from .histories import Told, started, submitted


def truncated(after: str | None) -> dict[str, Any]:
    return {"type": "thread.truncated", "after": after, "items": 0}


def edited(after: str | None, *events: dict[str, Any], busy: bool = False) -> list[str]:
    """Tell of a turn, of another one that runs or not, and of an edit that leads to events."""
    told = Told()
    told.store({"type": "thread.created"})
    told.turn("t1")
    if busy:
        told.store(submitted("t2"), started("t2"))
    call = told.call(Submit("1 stop", first=Truncate(clear=after is None)), argument=after)
    told.note(Answered(call, Submitted("t3", told.store(*events))))
    found = told.broken("I18")
    return [message for message in found if f"call {call} " in message]


def test_i18_an_edit_is_a_truncation_and_a_message_in_one() -> None:
    assert edited(None, truncated(None), submitted("t3")) == []
    assert edited("t1.0", truncated("t1.0"), submitted("t3")) == []


def test_i18_finds_an_edit_that_cuts_nothing_or_something_else_or_under_a_turn() -> None:
    wrong = ["call 2 could not be answered so at any time"]
    assert edited("t1.0", submitted("t3")) == wrong
    assert edited("t1.0", truncated(None), submitted("t3")) == wrong
    assert edited(None, truncated(None), submitted("t3"), busy=True) == wrong

"""`decide` on records: taken in every state, at the place where they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from core_shell import EPOCH, CoreShell, running, submit

from actors.core.commands import Delete, End, Record
from actors.core.decide import decide
from actors.core.effects import AnswerNow, RecordReceipt
from actors.core.events import Recorded, ThreadCreated
from actors.core.head import Life, Receipt
from actors.core.position import Position
from actors.errors import Rejected

if TYPE_CHECKING:
    from actors.core.thread_state import ThreadState


def absent() -> ThreadState:
    return CoreShell().state


def busy() -> ThreadState:
    return running().state


def ended() -> ThreadState:
    shell = running()
    shell.exits()
    shell.do(End())
    return shell.state


def deleted() -> ThreadState:
    shell = running()
    shell.exits()
    shell.do(Delete())
    return shell.state


def record(record: str = "r", **more: object) -> Record:
    fields: dict[str, object] = {"principal": "ann", "kind": "vote", "data": {"up": 1}, **more}
    return Record(record=record, **fields)  # type: ignore[arg-type] # the defaults are of the sort


@pytest.mark.parametrize("state", [absent, busy, ended, deleted])
def test_a_record_is_taken_in_every_state(state: object) -> None:
    before = state()  # type: ignore[operator] # one of the functions above
    made = decide(before, record(), 5.0)
    events = tuple(event for event, _ in made.events)
    created = (ThreadCreated(),) if before.life is Life.ABSENT else ()
    assert events == (*created, Recorded("r.0", "vote", {"up": 1}))
    at = Position(before.epoch, before.offset + len(events))
    assert made.effects == (AnswerNow(RecordReceipt(at)),)
    assert made.receipts == ()


def test_a_key_is_noted_and_repeated() -> None:
    first = record(key="k")
    made = decide(busy(), first, 5.0)
    assert made.receipts == (Receipt("ann", "k", first.digest(), None, 4, 5.0),)
    again = decide(busy(), record("other", key="k", prior=made.receipts[0]), 9.0)
    assert again.events == ()
    assert again.effects == (AnswerNow(RecordReceipt(Position(EPOCH, 4), duplicate=True)),)


@pytest.mark.parametrize(
    "other", [record(kind="veto"), record(data=None), record(data=[]), submit("x", content="vote")]
)
def test_another_body_under_a_key_is_a_conflict(other: Record) -> None:
    (prior,) = decide(busy(), record(key="k"), 5.0).receipts
    with pytest.raises(Rejected) as caught:
        decide(busy(), type(other)(**{**vars_of(other), "key": "k", "prior": prior}), 9.0)
    assert caught.value.code == "idempotency_conflict"


def test_a_key_of_a_submit_is_none_of_a_record() -> None:
    (prior,) = decide(absent(), submit("x", key="k"), 5.0).receipts
    with pytest.raises(Rejected) as caught:
        decide(busy(), record(key="k", prior=prior), 9.0)
    assert caught.value.code == "idempotency_conflict"


def vars_of(command: object) -> dict[str, object]:
    return {name: getattr(command, name) for name in command.__slots__ if name != "__weakref__"}  # type: ignore[attr-defined] # of an attrs class

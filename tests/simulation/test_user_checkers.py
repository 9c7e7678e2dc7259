"""The checkers of client libraries find what users are told wrongly, and clients sent away."""

from __future__ import annotations

import pytest

from actors.core.effects import Submitted
from actors.core.position import Position
from actors.testing.checkers import CHECKERS
from actors.testing.facts import Answer, Answered, AtRest, Refused
from actors.testing.operations import Delete, Operation, Submit
from actors.testing.wire_facts import Asked, Connected, Disconnected, Sent, Told, TurnedAway, Went
from tests.simulation.histories import Told as Telling

ANSWERS = "I20, across connections"
CLOSED = Refused("client_closed")
DRAINING = Refused("draining")
UNKNOWN = Refused("outcome_unknown")
NOT_SENT = "ask 1 was sent, and its user is told that it was not"
AGAIN = "ask 1 was sent again, and may have hit what came into being since"


class Users(Telling):
    """One of them has two connections, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.note(Connected(1, 0, "ada"), Connected(2, 0, "ada"))

    def ask(self, ask: int, operation: Operation) -> None:
        self.note(Asked(ask, 0, "a", operation))

    def send(self, operation: Operation, connection: int, answer: Answer | None = None) -> None:
        call = self.call(operation)
        self.note(Sent(connection, call))
        if answer is not None:
            self.note(Answered(call, answer))

    def found(self) -> list[str]:
        invariants = ("I8, across connections", ANSWERS)
        assert self.broken(invariants[0]) == []
        return [each.message for each in CHECKERS[ANSWERS](self.history())]


@pytest.mark.parametrize(
    ("sent", "answer", "wrong"),
    [
        (False, CLOSED, []),
        (True, UNKNOWN, []),
        (True, CLOSED, [NOT_SENT]),
    ],
)
def test_who_leaves_is_told_whether_it_was_sent(
    sent: bool, answer: Refused, wrong: list[str]
) -> None:
    users = Users()
    users.ask(1, Delete())
    if sent:
        users.send(Delete(), 1)
    users.note(Went(0), Told(1, answer), AtRest())
    assert users.found() == wrong


def test_what_a_server_refused_as_it_stopped_was_not_sent() -> None:
    users = Users()
    users.ask(1, Delete())
    users.send(Delete(), 1, DRAINING)
    users.note(Went(0), Told(1, CLOSED))
    assert users.found() == []


def test_of_two_that_are_alike_nobody_knows_which_was_sent() -> None:
    users = Users()
    users.ask(1, Delete())
    users.ask(2, Delete())
    users.send(Delete(), 1)
    users.note(Went(0), Told(1, CLOSED), Told(2, UNKNOWN))
    assert users.found() == []


def test_who_stays_has_a_connection_to_come() -> None:
    users = Users()
    users.ask(1, Delete())
    users.note(Told(1, CLOSED))
    wrong = "ask 1 is told that there is no connection any more, and its user has stayed"
    assert users.found() == [wrong]


@pytest.mark.parametrize(
    ("operation", "first", "wrong"),
    [
        (Delete(), None, [AGAIN]),
        (Delete(), DRAINING, []),
        (Submit("1 stop", "k"), None, []),
    ],
)
def test_only_what_has_a_key_goes_out_again(
    operation: Operation, first: Answer | None, wrong: list[str]
) -> None:
    users = Users()
    users.ask(1, operation)
    users.send(operation, 1, first)
    users.note(Disconnected(1, 1006))
    users.send(operation, 2)
    users.note(Told(1, Submitted("t1", Position(1, 1))))
    assert users.found() == wrong


@pytest.mark.parametrize(
    ("code", "stranger", "wrong"),
    [
        (1006, False, 0),
        (4002, False, 0),
        (4501, True, 0),
        (4501, False, 1),
        (4502, False, 1),
    ],
)
def test_nobody_is_closed_for_good_without_a_reason(code: int, stranger: bool, wrong: int) -> None:
    users = Users()
    if stranger:
        users.note(TurnedAway(1))
    users.note(Disconnected(1, code))
    found = list(CHECKERS["I19, of closings"](users.history()))
    assert len(found) == wrong

"""The checker of credentials finds who is let in, left, or sent away for no reason."""

from __future__ import annotations

import math

import pytest

from actors.testing.facts import Answer, Answered, AtRest, Refused
from actors.testing.operations import Fork, Operation, ReadPage
from actors.testing.read_facts import Page
from actors.testing.schedule import TICK
from actors.testing.wire_facts import (
    Allowed,
    Connected,
    Disconnected,
    Sent,
    TurnedAway,
    Welcomed,
)
from tests.simulation.histories import Told

CREDENTIALS = "I19, of credentials"
EMPTY = Page((), None)
FORBIDDEN = Refused("forbidden")
UNAUTHENTICATED = Refused("unauthenticated")


def connected(until: float = math.inf) -> Told:
    """Ada, who may see everything, has a connection."""
    told = Told()
    told.note(Connected(1, 0, "ada"), Welcomed(1, "ada", until))
    return told


def ask(told: Told, answer: Answer, operation: Operation | None = None) -> int:
    call = told.call(operation or ReadPage())
    told.note(Sent(1, call))
    told.note(Answered(call, answer), after=200)
    return call


@pytest.mark.parametrize(("answer", "found"), [(EMPTY, 0), (FORBIDDEN, 1), (UNAUTHENTICATED, 1)])
def test_who_is_welcome_is_answered(answer: Answer, found: int) -> None:
    told = connected()
    call = ask(told, answer)
    wrong = [f"call {call}, of a thread that is its sender's, got {answer}"]
    assert told.broken(CREDENTIALS) == wrong * found


def test_who_may_not_see_a_thread_at_some_time_may_be_refused() -> None:
    told = connected()
    told.note(Allowed("ada", "a", False))
    call = told.call(ReadPage())
    told.note(Sent(1, call), Allowed("ada", "a", True), Answered(call, FORBIDDEN))
    told.note(Allowed("ada", "c", False))
    ask(told, FORBIDDEN, Fork("c"))
    assert told.broken(CREDENTIALS) == []


@pytest.mark.parametrize(("answer", "found"), [(EMPTY, 1), (UNAUTHENTICATED, 0)])
def test_who_shows_nothing_good_is_answered_nothing(answer: Answer, found: int) -> None:
    told = Told()
    told.note(Connected(1, 0, "ada"), TurnedAway(1))
    call = ask(told, answer)
    wrong = [f"call {call}, of whom nobody has authenticated, got {answer}"]
    assert told.broken(CREDENTIALS) == wrong * found


@pytest.mark.parametrize(("ticks", "found"), [(100, 0), (-1, 1)])
def test_who_asked_in_time_may_be_answered_when_credentials_are_over(
    ticks: int, found: int
) -> None:
    told = connected(Told().records[-1].at + ticks * TICK)
    ask(told, EMPTY)
    assert len(told.broken(CREDENTIALS)) == found


@pytest.mark.parametrize("closed", [True, False])
def test_a_stranger_may_not_stay(closed: bool) -> None:
    told = Told()
    told.note(Connected(1, 0, "ada"))
    if closed:
        told.note(Disconnected(1, 4501))
    told.note(TurnedAway(1), AtRest())
    wrong = "connection 1 shows nothing good, and is left open"
    assert told.broken(CREDENTIALS) == [wrong] * (not closed)


def test_a_stranger_may_learn_of_it_when_the_server_is_gone() -> None:
    told = Told()
    told.note(Connected(1, 0, "ada"))
    told.opened()
    told.note(TurnedAway(1), AtRest())
    assert told.broken(CREDENTIALS) == []

"""Facts of services: when they run, what they take, record and count, and what they lease."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

from attrs import frozen

from ..core.position import Position


@frozen
class ServiceEntered:
    """A thread's service began to run; `run` numbers the services of a life of the process."""

    thread: str
    run: int


@frozen
class ServiceExited:
    """A thread's service is over; `error` names what it raised, None where it returned."""

    thread: str
    run: int
    error: str | None


@frozen
class Took:
    """A service took what was cast to its thread."""

    thread: str
    run: int
    data: Any


@frozen
class Noted:
    """A service was told that its record is durable."""

    thread: str
    run: int
    position: Position


@frozen
class Counted:
    """A service looked at what its thread's projections come to."""

    thread: str
    run: int
    states: Mapping[str, Any]


@frozen
class Held:
    """A service begins to work with what was lent to it.

    Args:
        lasts: seconds for which it may, unless the lease is renewed.
    """

    thread: str
    run: int
    lease: Any
    lasts: float = math.inf


@frozen
class LetGo:
    """A service works with it no longer."""

    thread: str
    run: int
    lease: Any


@frozen
class LeaseTaken:
    """Whoever lends resources has lent one to a thread; `lease` names it, and no other ever."""

    thread: str
    lease: str


@frozen
class RenewalAsked:
    """The lender was asked to renew it."""

    lease: str


@frozen
class LeaseRenewed:
    """The lender has renewed it, counted from when it was asked last."""

    lease: str


@frozen
class LeaseReturned:
    """It was given back."""

    lease: str


ServiceFact: TypeAlias = (
    ServiceEntered
    | ServiceExited
    | Took
    | Noted
    | Counted
    | Held
    | LetGo
    | LeaseTaken
    | RenewalAsked
    | LeaseRenewed
    | LeaseReturned
)

"""A check: one thing that a server has to do, what it needs of the server, and how it fails."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import frozen

from .rules import RULES

if TYPE_CHECKING:
    from .case import Case


class Need(enum.StrEnum):
    """What a check needs beyond the protocol: a word of the handler's, a socket, or patience."""

    SAY = "say"
    HOLD = "hold"
    LINGER = "linger"
    CONTEXT = "context"
    FAIL = "fail"
    EVENTS = "events"  # Server-Sent Events
    SOCKET = "socket"  # frames and requests that no carrier of messages lets through
    SLOW = "slow"  # half a minute and more


WORDS: Final = (Need.SAY, Need.HOLD, Need.LINGER, Need.CONTEXT, Need.FAIL)
"""The words that a handler may or may not follow."""


class Violation(Exception):
    """The server did something else than the rule says.

    Args:
        expected: in words.
        came: what did.
        rule: where it is another one than the check's own.
    """

    def __init__(self, expected: str, came: object, rule: str | None = None) -> None:
        super().__init__(f"expected {expected}, came {came!r}")
        self.expected = expected
        self.came = came
        self.rule = rule


class Skipped(Exception):
    """The server does not have what the check is about. The text says what."""


Body: TypeAlias = "Callable[[Case], Awaitable[None]]"


@frozen
class Check:
    """One check.

    Args:
        rule: a key of `RULES`.
        name: what is checked, in a line.
        needs: without these it is skipped.
        run: raises `Violation` or `Skipped`, or returns.
    """

    rule: str
    name: str
    needs: frozenset[Need]
    run: Body


@frozen
class Group:
    """The checks of one module, in the order of its lines."""

    checks: list[Check]

    def check(self, rule: str, *needs: Need) -> Callable[[Body], Body]:
        """Return a decorator that puts a function among the checks, by its docstring's line."""

        def add(run: Body) -> Body:
            self.add(rule, (run.__doc__ or "").partition("\n")[0].rstrip("."), run, *needs)
            return run

        return add

    def add(self, rule: str, name: str, run: Body, *needs: Need) -> None:
        """Put a check among the others."""
        assert rule in RULES, rule
        self.checks.append(Check(rule, name, frozenset(needs), run))


def holds(condition: object, expected: str, came: object) -> None:
    """Go on where a condition holds.

    Raises:
        Violation: it does not.
    """
    if not condition:
        raise Violation(expected, came)


def same(what: str, came: object, expected: object) -> None:
    """Go on where two things are equal.

    Raises:
        Violation: they are not.
    """
    if came != expected:
        raise Violation(f"{what}: {expected!r}", came)


def has(message: dict[str, Any], **fields: Any) -> None:
    """Go on where a message has these values.

    Raises:
        Violation: it does not.
    """
    if any(message.get(name) != value for name, value in fields.items()):
        told = ", ".join(f"{name} {value!r}" for name, value in fields.items())
        raise Violation(told, message)


def in_order(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return checks by the order of their rules; those of one rule stay as they are."""
    places = {rule: place for place, rule in enumerate(RULES)}
    return tuple(sorted(checks, key=lambda check: places[check.rule]))

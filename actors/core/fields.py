"""Checks of the fields that applications fill in, as attrs calls them.

Each refusal names the field, what it takes, and what came.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from attrs import validators

from .arguments import shown

if TYPE_CHECKING:
    import attrs

# Given the object, the field, and the value.
Check: TypeAlias = Callable[[Any, "attrs.Attribute[Any]", Any], None]
E = TypeVar("E", bound=enum.StrEnum)

# Seconds that are as good as for ever, thirty years; a clock can still add to them.
_FOREVER: Final = 1e9


def is_whole(least: int) -> Check:
    """Return a check that a field is a whole number of at least `least`.

    It raises TypeError for what is no such number, and ValueError for a smaller one.
    """
    return _figure(f"a whole number of at least {least}", int, lambda number: number >= least)


def is_seconds(*, above_zero: bool = False, endless: bool = False) -> Check:
    """Return a check that a field is a number of seconds.

    It raises TypeError for what is no number, and ValueError for one that is out of its range.

    Args:
        above_zero: nought is too little.
        endless: infinity will do; otherwise they are fewer than a thousand million.
    """
    least = "above 0" if above_zero else "at least 0"
    wanted = f"seconds, {least}" if endless else f"seconds, {least} and below {_FOREVER:,.0f}"

    def fits(number: float) -> bool:
        high_enough = number > 0 if above_zero else number >= 0
        return high_enough and (number < _FOREVER or (endless and number <= math.inf))

    return _figure(wanted, (int, float), fits)


def as_seconds(number: float) -> float:
    """Return a whole number of seconds as any other; what cannot be one is left to the check."""
    return float(number) if type(number) is int and abs(number) < _FOREVER else number


def is_one_of(*sorts: type) -> Check:
    """Return a check that a field is of one of these types; it raises TypeError."""
    wanted = " or ".join(each.__name__ for each in sorts)

    def check(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, sorts):
            raise TypeError(f"{attribute.name} takes {wanted}, not {shown(value)}")

    return check


def is_function(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """Check that a field can be called.

    Raises:
        TypeError: where it cannot.
    """
    if not callable(value):
        raise TypeError(f"{attribute.name} takes a function, not {shown(value)}")


def member_of(sort: type[E], name: str, word: object) -> E:
    """Return the member that a field names.

    Args:
        sort: the words that there are.
        name: the field's.
        word: what came.

    Raises:
        ValueError: for any other word, and for what is none.
    """
    for each in sort:
        if isinstance(word, str) and each == word:
            return each
    raise ValueError(f"{name} is one of {', '.join(sort)}, not {shown(word)}")


def _figure(wanted: str, sort: type | tuple[type, ...], fits: Callable[[Any], bool]) -> Check:
    def check(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
        is_number = isinstance(value, sort) and not isinstance(value, bool)
        if not is_number or not fits(value):
            wrong = ValueError if is_number else TypeError
            raise wrong(f"{attribute.name} takes {wanted}, not {shown(value)}")

    return check


# Of a field that may be left open.
SECONDS_OR_NONE: Final = validators.optional(is_seconds(above_zero=True))

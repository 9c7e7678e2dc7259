"""What callers give, told apart at the edge, and shown in the refusal of what is of no use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from ..errors import Rejected

if TYPE_CHECKING:
    import attrs

# Characters of a wrong value that its refusal repeats.
_SHOWN: Final = 80


def shown(value: object) -> str:
    """Return the beginning of what Python shows of a value; its type, where it shows nothing."""
    try:
        return f"{value!r:.{_SHOWN}}"
    except Exception:  # what shows a value is its own code, or went too deep, or is far too long
        return f"a {type(value).__name__}"


def is_text(value: object) -> bool:
    """Say whether it is a text that UTF-8 can carry, as the disk and every peer need it."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_flag(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """Check that a field is True or False, as attrs calls it.

    Raises:
        Rejected: `bad_request`, for anything else, however true or false it seems.
    """
    if not isinstance(value, bool):
        raise Rejected("bad_request", f"{attribute.name} is True or False, not {shown(value)}")


def check_principal(principal: object) -> None:
    """Refuse, as a programming error, what cannot name who speaks: it gets into the history.

    Raises:
        ValueError: where it is no text, or an empty one.
    """
    if not is_text(principal) or not principal:
        raise ValueError(f"a principal is a text that is not empty, not {shown(principal)}")


def check_is(name: str, value: object, sort: type) -> None:
    """Refuse, as a programming error, an argument of another sort.

    Raises:
        TypeError: naming the argument, the sort, and what came.
    """
    if not isinstance(value, sort):
        raise TypeError(f"{name} takes {sort.__name__}, not {shown(value)}")


def checked_words(name: str, words: object) -> frozenset[str]:
    """Return an argument that is several texts; one text alone would pass for its letters.

    Raises:
        TypeError: naming the argument, and what came.
    """
    if isinstance(words, Iterable) and not isinstance(words, str):
        several = tuple(words)
        if all(isinstance(word, str) for word in several):
            return frozenset(several)
    raise TypeError(f"{name} takes several texts, not {shown(words)}")


def check_has(name: str, value: object, method: str) -> None:
    """Refuse, as a programming error, an argument without a method that will be called.

    Raises:
        TypeError: naming the argument, the method, and what came.
    """
    if not callable(getattr(value, method, None)):
        raise TypeError(f"{name} takes something with a method `{method}`, not {shown(value)}")

"""Whether what an application gives as a handler can be one, told as early as it can be."""

from __future__ import annotations

import inspect
import logging
from functools import partial
from typing import Any, Final

from ..core.arguments import shown

log = logging.getLogger("holdfast")

# What a plain function says of itself that returns nothing which could be awaited.
_NO_AWAITABLE: Final = (None, type(None), "None", str, "str")
# The handlers that the log has named: as many as there are functions in the program.
_named: set[str] = set()


def check_handler(what: str, handler: Any) -> None:
    """Refuse, as a programming error, what can be no handler and no service.

    A plain function may well return what is to be awaited, or an async iterator. So what is refused
    is only what cannot be called, a generator without `async`, and a plain function whose own
    annotation says that it returns nothing of the sort.

    Args:
        what: what to call it in the refusal.
        handler: what came.

    Raises:
        TypeError: naming what came.
    """
    if not callable(handler):
        raise TypeError(f"{what} takes an async function, not {shown(handler)}")
    function = _function_of(handler)
    if _is_plain_generator(function) or _returns_nothing(function):
        raise TypeError(f"{what} takes an async function, and {name_of(handler)} is none")


def check_returned(handler: Any, returned: object) -> None:
    """Refuse what a handler returned where it can be no answer.

    Raises:
        TypeError: naming the handler.
    """
    if not inspect.isawaitable(returned):
        kind = "nothing" if returned is None else f"something of type {type(returned).__name__}"
        raise TypeError(f"{name_of(handler)} is no async function: it returned {kind}")


def note_unsaid(handler: Any) -> None:
    """Say in the log, once, that a handler returned its answer instead of writing it."""
    name = name_of(handler)
    if name not in _named:
        _named.add(name)
        log.warning(
            "handler %s returned text and wrote none: `await turn.write(text)` says it", name
        )


def name_of(handler: Any) -> str:
    """Return what to call a handler in the log."""
    handler = getattr(handler, "func", handler)  # what a partial calls
    named = handler if hasattr(handler, "__qualname__") else type(handler)
    return f"{named.__module__}.{named.__qualname__}"


def _function_of(handler: Any) -> Any:
    while isinstance(handler, partial):
        handler = handler.func
    if inspect.isroutine(handler) or inspect.isclass(handler):
        return handler
    return type(handler).__call__


def _is_plain_generator(function: Any) -> bool:
    if not inspect.isgeneratorfunction(function):
        return False
    flags: int = function.__code__.co_flags
    return not flags & inspect.CO_ITERABLE_COROUTINE


def _returns_nothing(function: Any) -> bool:
    # What wraps another has that one's annotations, and may be of another sort.
    if inspect.iscoroutinefunction(function) or hasattr(function, "__wrapped__"):
        return False
    said = getattr(function, "__annotations__", {})
    return inspect.isroutine(function) and "return" in said and said["return"] in _NO_AWAITABLE

"""Who asks: a connection as a whole, or the task that calls."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final
from weakref import WeakKeyDictionary

import trio
from attrs import define

# Set by whoever asks from more than one task, such as a connection.
_caller: ContextVar[Caller | None] = ContextVar("holdfast_caller", default=None)


@define(eq=False)
class Caller:
    """Somebody who asks from several tasks. It has no fields: it is itself."""


def speak_as(caller: Caller) -> None:
    """Have this task, and those that it starts from now on, ask as one caller."""
    _caller.set(caller)


class Numbers:
    """Numbers callers in the order in which they are first met, from 1."""

    def __init__(self) -> None:
        self._numbers: Final[WeakKeyDictionary[object, int]] = WeakKeyDictionary()
        self._last = 0

    def current(self) -> int:
        """Return the number of whoever asks at this instant."""
        caller = _caller.get() or trio.lowlevel.current_task()
        number = self._numbers.get(caller)
        if number is None:
            self._last = number = self._last + 1
            self._numbers[caller] = number
        return number

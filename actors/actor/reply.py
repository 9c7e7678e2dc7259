"""The one answer that a command gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import trio

from ..errors import InternalError, JournalUnavailable, Rejected

if TYPE_CHECKING:
    from ..core.effects import Result

# Called once, with what the command came to. Must return at once and not raise.
Reply: TypeAlias = Callable[["Result | Rejected"], None]


class Awaited:
    """A reply that one task waits for."""

    def __init__(self) -> None:
        self._settled = trio.Event()
        self._answer: Result | Rejected | None = None

    def __call__(self, answer: Result | Rejected) -> None:
        """Take the answer."""
        self._answer = answer
        self._settled.set()

    async def result(self) -> Result:
        """Wait for the answer.

        Raises:
            Rejected: where the command was refused.

        Cancellation leaves the command to its fate: it may or may not take effect.
        """
        await self._settled.wait()
        if self._answer is None:
            raise InternalError("a reply was settled without an answer")
        if isinstance(self._answer, Rejected):
            raise self._answer
        return self._answer


def refusal_for(failure: BaseException) -> Rejected:
    """Return what a caller is told whose command a failing actor had taken.

    It may have taken effect, also where the thread is set aside for the failure: no answer to that
    is final. `thread_failed` is for commands that nobody has looked at.
    """
    if isinstance(failure, JournalUnavailable):
        return Rejected("journal_unavailable", "the journal cannot be written to at present")
    return Rejected("internal", "the thread's actor failed before it could answer")


def draining() -> Rejected:
    """Return what a caller is told while the runtime drains."""
    return Rejected("draining", "the server is shutting down")


def thread_failed() -> Rejected:
    """Return what a caller is told of a quarantined thread."""
    return Rejected("thread_failed", "this thread was set aside after it failed")

"""Running one turn: its scope, its deadlines, its grace, and the first ending that was decided."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

import trio
from attrs import evolve

from ..core.commands import Ending
from ..core.turn_lifecycle import TurnState
from ..errors import Rejected, TurnFailed, unwrapped
from .handler_check import check_returned, name_of, note_unsaid
from .service_runner import FROM_OUTSIDE

if TYPE_CHECKING:
    from ..limits import Limits
    from .kinds import Handler, ThreadKind
    from .pieces import PieceBuffer
    from .turn import Turn

log = logging.getLogger("holdfast")


class TurnRunner:
    """Runs the handler of one turn and reports once how it ended.

    Args:
        thread: the thread's id, for the log.
        turn: the turn's id.
        buffer: what the handler says, and when it last did.
        kind: the handler and its deadlines.
        limits: `cancel_grace_seconds`, where the kind names none, and `failure_chars`.
        report: called once, with the ending, when the scope has exited or the grace ran out.

    Attributes:
        grace: seconds that the handler has to stop in.
        over: set when the scope has exited, or the grace ran out.
        abandoned: whether it was the grace.
    """

    def __init__(
        self,
        thread: str,
        turn: str,
        buffer: PieceBuffer,
        kind: ThreadKind,
        limits: Limits,
        report: Callable[[Ending], None],
    ) -> None:
        self.turn = turn
        self.buffer = buffer
        self.over = trio.Event()
        self.abandoned = False
        self.grace = kind.grace(limits)
        self._thread = thread
        self._kind = kind
        self._limits = limits
        self._report = report
        self._scope = trio.CancelScope()
        self._ending: Ending | None = None
        self._stopping = trio.Event()

    def stop(self, ending: Ending) -> None:
        """Cancel the handler; `ending` counts unless one was decided before (first one wins)."""
        self._decide(ending)
        self._scope.cancel()

    @trio.lowlevel.enable_ki_protection  # Ctrl-C is for the program's main task, not for a handler
    async def run(self, prepare: Callable[[], Awaitable[Turn]]) -> None:
        """Run the handler to its end, within a scope that `stop` cancels.

        Args:
            prepare: gives the handle that the handler gets, with the history read.

        Its own failure ends the turn and nothing else. A cancellation from outside goes through.
        """
        try:
            with self._scope:
                # What became durable with the turn's start goes out first: a long history takes the
                # interpreter's lock, and who submitted would wait for it.
                await trio.lowlevel.checkpoint()
                turn = await prepare()
                handler = self._kind.handler_of(self.turn)
                returned = await call_handler(handler, turn)
                if isinstance(returned, str) and not self.buffer.spoken:
                    note_unsaid(handler)
        except* FROM_OUTSIDE:
            raise
        # The boundary of a turn: it fails alone (I10).
        except* BaseException as failed:  # noqa: ASYNC103 - what is not the turn's own went on above
            self._decide(self._failure(failed))
        self._decide(Ending(TurnState.COMPLETED))
        self._finish()

    @trio.lowlevel.enable_ki_protection
    async def watch(self) -> None:
        """End the turn when it is overdue, and abandon it when it does not stop in its grace.

        Cancellation ends the watch alone.
        """
        await self._stop_when_overdue()
        if self.over.is_set():
            return
        with trio.move_on_after(self.grace):
            await self.over.wait()
            return
        self._abandon()

    async def _stop_when_overdue(self) -> None:
        began = trio.current_time()
        while not self._stopping.is_set():
            with trio.move_on_at(self._due(began)[0]):
                await self._stopping.wait()
            due, reason = self._due(began)
            if due <= trio.current_time():
                self.stop(Ending(TurnState.TIMED_OUT, reason=reason))

    def _due(self, began: float) -> tuple[float, str]:
        deadline = began + (self._kind.deadline or float("inf"))
        spoke_at = max(began, self.buffer.spoke_at)
        silence = spoke_at + (self._kind.no_progress or float("inf"))
        return (deadline, "deadline") if deadline <= silence else (silence, "no_progress")

    def _decide(self, ending: Ending) -> None:
        if self._ending is None:
            self._ending = ending
            self.buffer.close()
            self._stopping.set()

    def _finish(self) -> None:
        if not self.abandoned and self._ending is not None:
            self.over.set()
            self._report(self._ending)

    def _abandon(self) -> None:
        # `watch` only comes here after a stop; the handler may have stopped at the same instant.
        if self._ending is None or self.over.is_set():
            return
        self.abandoned = True
        log.error(
            "handler %s of turn %s, thread %s, did not stop within %g s of being cancelled and is"
            " abandoned",
            name_of(self._kind.handler_of(self.turn)),
            self.turn,
            self._thread,
            self.grace,
        )
        self.over.set()
        self._report(evolve(self._ending, abandoned=True))

    def _failure(self, failed: BaseException) -> Ending:
        exc = unwrapped(failed)  # where it came out of a nursery of the handler's
        if isinstance(exc, TurnFailed):
            log.warning("turn %s of thread %s failed: %r", self.turn, self._thread, exc)
            return self._failed(exc.error, exc.message)
        if not self._stopping.is_set():  # one that breaks while it is stopped has nothing to tell
            log.error("turn %s of thread %s failed", self.turn, self._thread, exc_info=exc)
        if isinstance(exc, Rejected):
            return self._failed(exc.code, exc.message)
        message = "the handler failed; the server's log says how"
        return self._failed(type(exc).__name__, message)

    def _failed(self, error: object, message: object) -> Ending:
        # What a handler says of its failure must not break the event that records it.
        most = self._limits.failure_chars
        words = [str(each)[:most].encode(errors="replace").decode() for each in (error, message)]
        return Ending(TurnState.FAILED, error=words[0], message=words[1])


async def call_handler(handler: Handler, turn: Turn) -> object:
    """Call a handler of either sort; its frames lie right below this one.

    Returns what it returned, which is None unless its author mistook it for the answer. Raises what
    the handler raises. Cancellation is the handler's, whose generator is closed.
    """
    answer = handler(turn)
    if isinstance(answer, AsyncGenerator):
        async with aclosing(answer):
            await write_all(answer, turn)
    elif isinstance(answer, AsyncIterator):
        await write_all(answer, turn)
    else:
        check_returned(handler, answer)
        return await cast("Awaitable[object]", answer)
    return None


async def write_all(pieces: AsyncIterator[str], turn: Turn) -> None:
    """Write what a handler yields; the handler's frames lie right below this one.

    Raises as `Turn.write`, and what the handler raises. Cancellation leaves the rest unsaid.
    """
    async for piece in pieces:
        await turn.write(piece)

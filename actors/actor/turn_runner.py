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
from ..errors import Rejected, TurnFailed

if TYPE_CHECKING:
    from ..core.items import Item
    from .kinds import Handler, ThreadKind
    from .pieces import PieceBuffer
    from .turn import Turn

log = logging.getLogger("holdfast")


class TurnRunner:
    """Runs the handler of one turn and reports once how it ended.

    Args:
        turn: the handle that the handler gets.
        buffer: what it says through that handle.
        kind: the handler and its deadlines.
        grace: seconds that the handler has to stop in.
        report: called once, with the ending, when the scope has exited or the grace ran out.
    """

    def __init__(
        self,
        turn: Turn,
        buffer: PieceBuffer,
        kind: ThreadKind,
        grace: float,
        report: Callable[[Ending], None],
    ) -> None:
        self.turn = turn
        self.buffer = buffer
        self.over = trio.Event()
        self.abandoned = False
        self._kind = kind
        self._grace = grace
        self._report = report
        self._scope = trio.CancelScope()
        self._ending: Ending | None = None
        self._stopping = trio.Event()
        self._progressed = 0.0

    def stop(self, ending: Ending) -> None:
        """Cancel the handler; `ending` counts unless one was decided before (first one wins)."""
        self._decide(ending)
        self._scope.cancel()

    def progressed(self) -> None:
        """Note that the handler said something."""
        self._progressed = trio.current_time()

    async def run(self, load_history: Callable[[], Awaitable[tuple[Item, ...]]]) -> None:
        """Run the handler to its end, within a scope that `stop` cancels.

        Its own failure ends the turn and nothing else. A cancellation from outside goes through.
        """
        with self._scope:
            try:
                self.turn._history = await load_history()
                await _call(self._kind.on_turn, self.turn)
            except (Exception, SystemExit) as exc:  # the boundary of a turn: it fails alone (I10)
                self._decide(_failure(self.turn, exc, expected=self._stopping.is_set()))
        self._decide(Ending(TurnState.COMPLETED))
        self._finish()

    async def watch(self) -> None:
        """End the turn when it is overdue, and abandon it when it does not stop in its grace."""
        await self._stop_when_overdue()
        with trio.move_on_after(self._grace):
            await self.over.wait()
            return
        self._abandon()

    async def _stop_when_overdue(self) -> None:
        began = self._progressed = trio.current_time()
        while not self._stopping.is_set():
            due, reason = self._due(began)
            with trio.move_on_at(due):
                await self._stopping.wait()
            if self._due(began)[0] <= trio.current_time():
                self.stop(Ending(TurnState.TIMED_OUT, reason=reason))

    def _due(self, began: float) -> tuple[float, str]:
        deadline = began + (self._kind.deadline or float("inf"))
        silence = self._progressed + (self._kind.no_progress or float("inf"))
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
        if self._ending is None:  # `watch` only comes here after a stop
            return
        self.abandoned = True
        log.error(
            "handler %s of turn %s, thread %s, did not stop within %g s of being cancelled and is"
            " abandoned",
            _name(self._kind.on_turn),
            self.turn.id,
            self.turn.thread,
            self._grace,
        )
        self.over.set()
        self._report(evolve(self._ending, abandoned=True))


async def _call(handler: Handler, turn: Turn) -> None:
    answer = handler(turn)
    if isinstance(answer, AsyncIterator):
        async with aclosing(cast("AsyncGenerator[str]", answer)) as pieces:
            async for piece in pieces:
                await turn.write(piece)
    else:
        await answer


def _failure(turn: Turn, exc: BaseException, *, expected: bool) -> Ending:
    if not expected:  # a handler that breaks while it is being stopped has nothing to tell
        log.error("turn %s of thread %s failed", turn.id, turn.thread, exc_info=exc)
    if isinstance(exc, TurnFailed):
        return Ending(TurnState.FAILED, error=exc.error, message=exc.message)
    if isinstance(exc, Rejected):
        return Ending(TurnState.FAILED, error=exc.code, message=exc.message)
    message = "the handler failed; the server's log says how"
    return Ending(TurnState.FAILED, error=type(exc).__name__, message=message)


def _name(handler: Handler) -> str:
    module = getattr(handler, "__module__", "?")
    return f"{module}.{getattr(handler, '__qualname__', repr(handler))}"

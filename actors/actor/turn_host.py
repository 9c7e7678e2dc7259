"""The turn of one activation: started, listened to, stopped; at most one runs (I1)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..core.commands import Ending, Exited, Say
from ..errors import JournalError
from .contexts import read_context
from .pieces import PieceBuffer
from .turn import Turn
from .turn_runner import TurnRunner

if TYPE_CHECKING:
    import trio

    from ..core.items import Item
    from ..core.step import Step
    from ..core.thread_state import LiveTurn
    from ..delivery.folding import Folding
    from .activation import Surroundings
    from .committer import Committer
    from .contexts import Context
    from .kinds import ThreadKind
    from .mailbox import Mailbox


class TurnHost:
    """Runs the turns of one activation, one after the other.

    Args:
        thread: the thread's id.
        kind: the handler and its deadlines.
        around: journal, limits and the runtime.
        folding: what the thread's records come to.
        mailbox: the actor's, who is told when a turn is over.
        committer: who is told that a turn has said something, and where the journal failed it.

    Attributes:
        interruption: what every turn that runs, or begins, is stopped with.
    """

    __slots__ = (
        "_around",
        "_committer",
        "_folding",
        "_kind",
        "_mailbox",
        "_nursery",
        "_runner",
        "_thread",
        "interruption",
    )

    def __init__(
        self,
        thread: str,
        kind: ThreadKind,
        around: Surroundings,
        folding: Folding,
        mailbox: Mailbox,
        committer: Committer,
    ) -> None:
        self.interruption: Ending | None = None
        self._thread = thread
        self._kind = kind
        self._around = around
        self._folding = folding
        self._mailbox = mailbox
        self._committer = committer
        self._runner: TurnRunner | None = None

    def open(self, nursery: trio.Nursery) -> None:
        """Take the nursery that turns run in."""
        self._nursery = nursery

    @property
    def turn(self) -> str | None:
        """The turn that runs, or did not stop."""
        return self._runner.turn if self._runner is not None else None

    @property
    def abandoned(self) -> bool:
        """Whether its handler would not stop, and was left to itself."""
        return self._runner is not None and self._runner.abandoned

    @property
    def grace(self) -> float:
        """Seconds that the turn has to stop in, where one runs."""
        return self._runner.grace if self._runner is not None else 0.0

    @property
    def pieces(self) -> int:
        """How many pieces it has said that are not durable."""
        return self._runner.buffer.pieces if self._runner is not None else 0

    def start(self, live: LiveTurn, settled: int) -> None:
        """Start a turn, the thread's live one; the one before it is over.

        Args:
            live: the turn.
            settled: the place of the newest part of history, which may stand behind a turn that is
                tried anew.
        """
        turn, limits = live.turn, self._around.limits
        buffer = PieceBuffer(turn, limits)
        runner = self._runner = TurnRunner(
            self._thread,
            turn,
            buffer,
            self._kind,
            limits,
            lambda end: self._mailbox.note(Exited(turn, end)),
        )
        keep = settled < live.place
        context = self._around.contexts.begin(self, self._kind.context_items, keep=keep)
        self._nursery.start_soon(runner.run, partial(self._handle, live, context, buffer))
        self._nursery.start_soon(runner.watch)
        if self.interruption is not None:
            runner.stop(self.interruption)

    def stop(self, turn: str, ending: Ending) -> None:
        """Stop a turn; nothing where it is not the one that runs."""
        if self._runner is not None and self._runner.turn == turn:
            self._runner.stop(ending)

    def interrupt(self, ending: Ending) -> None:
        """Stop the turn that runs, and any that starts from now on."""
        self.interruption = ending
        if self._runner is not None:
            self._runner.stop(ending)

    async def stopped(self) -> None:
        """Wait until the turn that runs is over, or its grace is.

        Cancellation ends the wait alone.
        """
        if self._runner is not None:
            await self._runner.over.wait()

    def take(self) -> tuple[Say, int] | None:
        """Return what it has said since the last look, and in how many pieces; None for nothing."""
        runner = self._runner
        if runner is None or not (count := runner.buffer.pieces):
            return None
        return Say(runner.turn, runner.buffer.take()), count

    def made_durable(self, pieces: int) -> None:
        """Make room for as many pieces: they are on disk."""
        if pieces and self._runner is not None:
            self._runner.buffer.made_durable(pieces)

    def exited(self) -> None:
        """Forget the turn: it is over."""
        self._runner = None

    def settled(self, step: Step) -> None:
        """Take in a decision that is durable: what it settled is history to later turns."""
        self._around.contexts.take(self, step)

    def close(self) -> None:
        """Keep nothing of the history: another activation may have the thread."""
        self._around.contexts.drop(self)

    async def _handle(self, live: LiveTurn, context: Context, buffer: PieceBuffer) -> Turn:
        """Return what the handler of a turn that starts is given."""
        return Turn(
            runtime=self._around.runtime,
            thread=self._thread,
            id=live.turn,
            attempt=live.attempt,
            history=await self._history(live.place, context),
            message=live.view.message,
            metadata=live.metadata,
            numbered=live.view.numbered,
            buffer=buffer,
            announce=self._committer.soon,
            limits=self._around.limits,
            records=self._kind.records,
            folding=self._folding,
        )

    async def _history(self, place: int, context: Context) -> tuple[Item, ...]:
        """Return what the turn that started at `place` is given."""
        if context.items is not None:
            return context.items
        journal, limits = self._around.journal, self._around.limits
        try:
            items, weight = await read_context(self._thread, place, journal, limits, context.most)
        except JournalError as exc:
            # The thread's failure or the file's, not the handler's (I16).
            self._committer.fail(exc)
            raise
        self._around.contexts.fill(self, context, items, weight)
        return items

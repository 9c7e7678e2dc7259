"""The actor: the one writer of one thread while it is active.

It decides commands one by one, hands what follows to the journal, and carries out the rest once
that is durable. One task loops over the mailbox; a second one commits, and is there only while
there is something to commit.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import trio
from attrs import evolve, frozen

from ..core.apply import restore
from ..core.commands import Command, Ending, Exited, Recover, Say, Submit
from ..core.decide import Decision, decide
from ..core.effects import (
    Answer,
    AnswerWhenEnded,
    Cancelled,
    CancelOutcome,
    CloseThread,
    DecideAgain,
    Effect,
    StartTurn,
    StopTurn,
)
from ..core.event_codec import decode
from ..core.head import Life
from ..core.position import Position
from ..core.step import Step, take_step
from ..core.turn_lifecycle import TurnState
from ..errors import JournalError, Rejected
from ..journal.contract import Claim, Journal
from ..limits import Limits
from ..ports import Clock
from .committer import Committer
from .facts import load_context, needs_facts, with_facts, with_known_receipt
from .lifetime import EndAfter
from .outbox import Outgoing
from .pieces import PieceBuffer
from .receipts import ReceiptCache
from .reply import refusal_for
from .turn import Turn
from .turn_runner import TurnRunner

if TYPE_CHECKING:
    from ..core.events import TurnEnded
    from ..core.items import Item
    from ..delivery.tail import Tail
    from .kinds import ThreadKind
    from .mailbox import Letter, Mailbox
    from .reply import Reply


class Departure(enum.Enum):
    """Why an activation is over."""

    IDLE = "idle"
    CLOSED = "closed"
    DRAINED = "drained"
    STRANDED = "stranded"
    FAILED = "failed"


@frozen
class Surroundings:
    """What an actor works with, the same for every thread of a runtime."""

    journal: Journal
    clock: Clock
    limits: Limits


class Actor:
    """One activation of one thread.

    Args:
        tail: where durable events are published.
        mailbox: where commands come from; it outlives the activation.
        kind: the thread's handler and policies.
        claim: the generation it writes under, and the thread as it was read from disk.
        around: journal, clock and limits.
        on_settled: called once what an earlier activation left open is settled, durably.
    """

    def __init__(
        self,
        tail: Tail,
        mailbox: Mailbox,
        kind: ThreadKind,
        claim: Claim,
        around: Surroundings,
        on_settled: Callable[[], None],
    ) -> None:
        loaded = claim.loaded
        self.thread = tail.thread
        self.state = restore(loaded.head, (decode(row) for row in loaded.rows))
        self.runner: TurnRunner | None = None
        self._on_settled = on_settled
        self._tail = tail
        self._mailbox = mailbox
        self._kind = kind
        self._around = around
        self._limits = around.limits
        self._receipts = ReceiptCache(
            around.limits.receipts_in_memory,
            loaded.receipts,
            complete=not loaded.more_receipts,
        )
        self._committer = Committer(
            tail,
            around.journal,
            claim.generation,
            self.state.position,
            gather=self._take_pieces,
            carry_out=self._carry_out,
            done=mailbox.nudge,
            bound=around.limits.mailbox_commands,
        )
        self._held: tuple[Letter, str] | None = None
        self._waiters: dict[str, list[Reply]] = {}
        self._draining = False
        self._interruption: Ending | None = None
        self._departure: Departure | None = None

    # The loop

    async def run(self, nursery: trio.Nursery, reason: str) -> Departure:
        """Settle what was left open, then serve the mailbox until there is a reason to stop.

        Args:
            nursery: where the turn and the commits run; the caller's, and closed by it.
            reason: why a turn may have been left open, in a word.

        Returns:
            Why the activation is over. Everything decided is durable by then, unless it raises.

        Raises:
            JournalError: the journal refused or failed; what was decided ahead of it is void.
            Exception: a bug; the supervisor decides what becomes of the thread (I10).
        """
        self._nursery = nursery
        self._committer.open(nursery)
        self._tail.show(self.state)
        self._decide(
            Recover(retry=self._kind.retry, reason=reason, start_next=not self._draining), None
        )
        await self._committer.flushed()
        self._on_settled()
        while self._departure is None:
            self._committer.check()
            if not await self._decide_next():
                await self._wait()
        await self._committer.flushed()
        if self._held is not None:
            self._mailbox.put_back(self._held[0])
        return self._departure

    def handling(self) -> tuple[str, str]:
        """Name the thread and the turn of the handler that runs, or did not stop."""
        return self.thread, self.runner.turn.id if self.runner is not None else ""

    @property
    def busy(self) -> bool:
        """Whether a turn runs or waits, as far as was decided."""
        return self.state.live is not None or bool(self.state.queue)

    def drain(self) -> None:
        """Start nothing new, and depart as soon as nothing runs and everything is answered."""
        self._draining = True
        self._mailbox.nudge()

    def interrupt(self, ending: Ending) -> None:
        """Stop the turn that runs, and any that starts from now on."""
        self._interruption = ending
        if self.runner is not None:
            self.runner.stop(ending)

    async def wind_down(self, ending: Ending) -> bool:
        """Stop the turn, and wait for its scope or its grace; True where it was abandoned.

        What it ended as is not recorded: the next activation settles it from disk (I9).
        """
        self.interrupt(ending)
        if self.runner is None:
            return False
        await self.runner.over.wait()
        return self.runner.abandoned

    def fail(self, failure: Exception) -> None:
        """Make `run` raise: what was decided and is not durable is void."""
        self._committer.fail(failure)

    def refuse_unanswered(self, refusal: Rejected) -> None:
        """Answer everybody whose command was taken and will not be answered otherwise."""
        replies = list(self._committer.take_replies())
        if self._held is not None:
            replies.append(self._held[0].reply)
        replies += [reply for waiting in self._waiters.values() for reply in waiting]
        self._held, self._waiters = None, {}
        for reply in replies:
            reply(refusal)

    async def _decide_next(self) -> bool:
        """Decide one thing that waits; False where nothing does."""
        note = self._mailbox.take_note()
        if note is not None:
            self._turn_exited(note)
            return True
        letter = self._next_letter()
        if letter is None:
            return False
        await self._decide_letter(letter)
        return True

    def _next_letter(self) -> Letter | None:
        if self._held is None:
            return self._mailbox.take()
        letter, turn = self._held
        if self.state.live is not None and self.state.live.turn == turn:
            return None  # commands behind it wait as well
        self._held = None
        return letter

    async def _decide_letter(self, letter: Letter) -> None:
        try:
            await self._committer.room()
            if self._draining and isinstance(letter.command, Submit):
                raise Rejected("draining", "the server is shutting down")
            self._decide(await self._with_facts(letter.command), letter)
        except Rejected as refusal:
            self._committer.send(Outgoing(Step(self.state), letter.reply, refusal))
        except BaseException as exc:
            letter.reply(refusal_for(exc))
            raise

    async def _with_facts(self, command: Command) -> Command:
        if not needs_facts(self.state, command, self._receipts):
            return with_known_receipt(command, self._receipts)
        await self._committer.flushed()
        return await with_facts(self.thread, command, self._receipts, self._around.journal)

    async def _wait(self) -> None:
        if self._may_depart_drained():
            self._departure = Departure.DRAINED
            return
        if self.state.live is not None or self._held is not None or self._committer.busy:
            await self._mailbox.news()
            return
        with trio.move_on_after(self._patience()) as patience:
            await self._mailbox.news()
        if patience.cancelled_caught and not self._has_work():
            # From this line to the registry's next there is no checkpoint, so nothing slips in.
            self._departure = Departure.IDLE

    def _patience(self) -> float:
        """Return for how many seconds the actor stays with nothing to do."""
        if self.state.life is not Life.OPEN:
            return 0.0  # nothing is there that would be worth keeping
        lifetime = self._kind.lifetime
        if isinstance(lifetime, EndAfter):
            return math.inf
        return lifetime.idle if lifetime.idle is not None else self._limits.idle_seconds

    def _has_work(self) -> bool:
        return bool(len(self._mailbox)) or self._committer.busy

    def _may_depart_drained(self) -> bool:
        return self._draining and self.state.live is None and not self._has_work()

    # Deciding

    def _decide(self, command: Command, letter: Letter | None) -> None:
        """Decide a command, and let the state run ahead of the disk; raises as `decide`."""
        reply = letter.reply if letter is not None else None
        now = self._around.clock.now()
        decision = decide(self.state, command, now, self._limits)
        again = next((e for e in decision.effects if isinstance(e, DecideAgain)), None)
        if again is not None and letter is not None:
            self._held = (letter, again.turn)
            reply = None
        if any(isinstance(effect, CloseThread) for effect in decision.effects):
            self._departure = Departure.CLOSED
        self._take(decision, now, reply)

    def _take(self, decision: Decision, now: float, reply: Reply | None, pieces: int = 0) -> None:
        step = take_step(self.state, decision, now)
        self.state = step.state
        for receipt in step.receipts:
            self._receipts.add(receipt)
        self._committer.send(Outgoing(step, reply, None, pieces))

    def _take_pieces(self) -> None:
        """Decide what the turn's handler has said since the last look."""
        runner = self.runner
        if runner is None or runner.buffer.empty:
            return
        said = Say(runner.turn.id, runner.buffer.take())
        now = self._around.clock.now()
        count = sum(width for _, width in said.pieces)
        self._take(decide(self.state, said, now, self._limits), now, None, count)

    def _turn_exited(self, note: Exited) -> None:
        self._take_pieces()
        stranded = note.ending.abandoned
        self._decide(evolve(note, start_next=not (self._draining or stranded)), None)
        if stranded:
            self._departure = Departure.STRANDED
        else:
            self.runner = None

    # Carrying out

    def _carry_out(self, outgoing: Outgoing) -> None:
        if outgoing.pieces and self.runner is not None:
            self.runner.buffer.made_durable(outgoing.pieces)
        if outgoing.refusal is not None and outgoing.reply is not None:
            outgoing.reply(outgoing.refusal)
        for event, offset in outgoing.step.ended:
            self._answer_waiters(event, Position(outgoing.step.state.epoch, offset))
        for effect in outgoing.step.effects:
            self._carry_out_effect(effect, outgoing)

    def _carry_out_effect(self, effect: Effect, outgoing: Outgoing) -> None:
        reply = outgoing.reply
        match effect:
            case Answer(result=result) if reply is not None:
                reply(result)
            case AnswerWhenEnded(turn=turn) if reply is not None:
                self._answer_when_ended(turn, reply)
            case StartTurn(turn=turn):
                self._start_turn(turn)
            case StopTurn(turn=turn, ending=ending):
                self._stop_turn(turn, ending)
            case CloseThread(reason=reason):
                self._tail.detach_all(outgoing.step.last, reason)
            case _:
                pass

    def _start_turn(self, turn: str) -> None:
        live = self.state.live
        if live is None or live.turn != turn:
            return
        buffer = PieceBuffer(turn, self._limits)
        handle = Turn(
            thread=self.thread,
            id=turn,
            attempt=live.attempt,
            message=live.view.message,
            metadata=live.metadata,
            numbered=live.view.numbered,
            buffer=buffer,
            announce=self._said_something,
            limits=self._limits,
            records=self._kind.records,
        )
        grace = self._kind.cancel_grace
        if grace is None:
            grace = self._limits.cancel_grace_seconds
        runner = TurnRunner(
            handle, buffer, self._kind, grace, lambda end: self._mailbox.note(Exited(turn, end))
        )
        self.runner = runner
        self._nursery.start_soon(runner.run, partial(self._load_history, live.place))
        self._nursery.start_soon(runner.watch)
        if self._interruption is not None:
            runner.stop(self._interruption)

    async def _load_history(self, place: int) -> tuple[Item, ...]:
        try:
            return await load_context(self.thread, place, self._around.journal, self._limits)
        except JournalError as exc:
            self.fail(exc)  # the thread's failure or the file's, not the handler's (I16)
            raise

    def _said_something(self) -> None:
        if self.runner is not None:
            self.runner.progressed()
        self._committer.soon()

    def _stop_turn(self, turn: str, ending: Ending) -> None:
        if self.runner is not None and self.runner.turn.id == turn:
            self.runner.stop(ending)

    def _answer_when_ended(self, turn: str, reply: Reply) -> None:
        waiting = self._waiters.setdefault(turn, [])
        if len(waiting) < self._limits.mailbox_commands:
            waiting.append(reply)
        else:
            reply(Rejected("overloaded", "too many wait for this turn to end"))

    def _answer_waiters(self, event: TurnEnded, position: Position) -> None:
        outcome = CancelOutcome.ALREADY_ENDED
        if event.abandoned:
            outcome = CancelOutcome.ABANDONED
        elif event.state is TurnState.CANCELLED:
            outcome = CancelOutcome.CANCELLED
        for reply in self._waiters.pop(event.turn, ()):
            reply(Cancelled(event.turn, outcome, position))

"""The actor: the one writer of one thread while it is active.

It decides commands one by one, hands what follows to the journal, and carries out the rest once
that is durable. One task loops over the mailbox; the runtime's commits are no task of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from ..core.apply import restore
from ..core.commands import FINALISING, Command, End, Exited, Recover
from ..core.decide import Decision, decide
from ..core.effects import CloseThread, DecideAgain
from ..core.event_codec import decode
from ..core.head import Life
from ..core.step import Step, take_step
from ..delivery.folding import Folding
from ..errors import Rejected
from .activation import Departure, Surroundings
from .admission import Admission
from .committer import Committer
from .consequences import Consequences
from .hosts import Hosts
from .lifetime import idle_timeout
from .mailbox import Letter, Note
from .outbox import Outgoing
from .reply import draining, refusal_for
from .service_host import ServiceHost, Verdict
from .service_runner import ServiceExited
from .turn_host import TurnHost

if TYPE_CHECKING:
    from ..delivery.tail import Tail
    from ..journal.contract import Claim
    from .inbox import CastBox
    from .kinds import ThreadKind
    from .mailbox import Mailbox
    from .reply import Reply


class Actor:
    """One activation of one thread.

    Args:
        tail: where durable events are published.
        mailbox: where commands come from; it outlives the activation.
        kind: the thread's handler and policies.
        claim: the generation it writes under, and the thread as it was read from disk.
        around: journal, clock, ids, leases and limits.
        box: what is cast to the thread; None where the kind has no service.
        on_settled: called once what an earlier activation left open is settled, durably.
    """

    __slots__ = (
        "_admission",
        "_around",
        "_committer",
        "_consequences",
        "_departure",
        "_draining",
        "_folding",
        "_held",
        "_kind",
        "_leaving",
        "_limits",
        "_mailbox",
        "_on_settled",
        "_tail",
        "_timeout",
        "hosts",
        "service",
        "state",
        "thread",
        "turns",
    )

    def __init__(
        self,
        tail: Tail,
        mailbox: Mailbox,
        kind: ThreadKind,
        claim: Claim,
        around: Surroundings,
        box: CastBox | None,
        on_settled: Callable[[], None],
    ) -> None:
        self.thread, loaded = tail.thread, claim.loaded
        self.state = restore(loaded.head, (decode(row) for row in loaded.rows))
        self._on_settled = on_settled
        self._tail = tail
        self._mailbox = mailbox
        self._kind = kind
        self._around = around
        self._limits = around.limits
        self._admission = Admission(self.thread, kind, claim, around)
        self._folding = Folding(kind.projections, loaded.kept, around.limits)
        self._committer = Committer(
            tail,
            around.commits,
            claim.generation,
            self.state.position,
            self._folding,
            self,
            around.limits.mailbox_commands,
        )
        self._held: tuple[Letter, str | None] | None = None
        knows = around, self._folding, mailbox
        self.service = ServiceHost(self.thread, kind, box, *knows)
        self.turns = TurnHost(self.thread, kind, *knows, self._committer)
        self.hosts = Hosts(self.thread, self.service, self.turns)
        self._consequences = Consequences(tail, around, self.service, self.turns)
        self._draining = False
        self._leaving: Departure | None = None
        self._departure: Departure | None = None
        self._timeout = math.inf  # of the timer that runs while the loop waits, in seconds

    # The loop

    async def run(self, nursery: trio.Nursery, reason: str) -> Departure:
        """Settle what was left open, then serve the mailbox until there is a reason to stop.

        Args:
            nursery: where turn, service and commits run; the caller's, and closed by it.
            reason: why a turn may have been left open, in a word.

        Returns:
            Why the activation is over. Everything decided is durable by then, unless it raises.

        Raises:
            JournalError: the journal refused or failed; what was decided ahead of it is void.
            Exception: a bug; the supervisor decides what becomes of the thread (I10).
            trio.Cancelled: at the next wait; nothing more is shown then.
        """
        self.hosts.open(nursery)
        self._tail.show(self.state, await self._folding.catch_up(self.thread, self._around.journal))
        self._decide(
            Recover(retry=self._may_retry(), reason=reason, start_next=not self._draining), None
        )
        await self._committer.flushed()
        self._on_settled()
        self._mailbox.serve(self._deal_with)
        while self._departure is None:
            self._committer.check()
            if not await self._decide_next():
                await self._wait()
        await self._committer.flushed()
        if self._held is not None:
            self._mailbox.put_back(self._held[0])
        for waiting in self._consequences.take_waiting():  # for a turn that goes on later
            waiting(draining())
        return self._departure

    def _may_retry(self) -> bool:
        live = self.state.live
        return live is not None and self._kind.may_retry(live.turn)

    @property
    def busy(self) -> bool:
        """Whether a turn runs or waits, as far as was decided."""
        return self.state.busy

    def drain(self) -> None:
        """Start nothing new, and depart as soon as nothing runs and everything is answered."""
        self._draining = True
        self._mailbox.nudge()

    def fail(self, failure: Exception) -> None:
        """Make `run` raise: what was decided and is not durable is void."""
        self._committer.fail(failure)

    def close(self) -> None:
        """Show and answer nothing more: another activation may have the thread."""
        self._mailbox.serve(None)
        self._committer.close()
        self.turns.close()

    def refuse_unanswered(self, refusal: Rejected) -> None:
        """Answer everybody whose command was taken and will not be answered otherwise."""
        replies = list(self._committer.take_replies())
        if self._held is not None:
            replies.append(self._held[0].reply)
        replies += self._consequences.take_waiting()
        self._held = None
        for reply in replies:
            reply(refusal)

    async def _decide_next(self) -> bool:
        """Decide one thing that waits; False where nothing does."""
        note = self._mailbox.take_note()
        if isinstance(note, ServiceExited):
            self._service_exited(note)
            return True
        if note is not None:
            self._turn_exited(note)
            return True
        letter = self.service.take() or self._next_letter()
        if letter is None:
            return False
        await self._decide_letter(letter)
        return True

    def _next_letter(self) -> Letter | None:
        if self._leaving is not None:
            return None  # the next activation decides it
        if self._held is None:
            return self._mailbox.take()
        letter, turn = self._held
        if self.service.running or (self.state.live is not None and self.state.live.turn == turn):
            return None  # commands behind it wait as well
        self._held = None
        return letter

    def _deal_with(self, what: Letter | Note) -> bool:
        """Decide what comes in where it comes from, while the loop waits; see `Mailbox.serve`."""
        free = self._held is None and self._stays and not self._committer.full
        if not (free and self._admission.at_once(self.state, what)):
            return False
        try:
            if isinstance(what, Letter):
                self._decide_known(what)
            elif isinstance(what, Exited):
                self._turn_exited(what)
        except Exception as exc:  # raised in the loop, the one place that winds down
            if isinstance(what, Letter):
                what.reply(refusal_for(exc))
            self.fail(exc)
        return True

    def _decide_known(self, letter: Letter) -> None:
        try:
            self._decide(self._admission.known(letter.command), letter)
        except Rejected as refusal:
            self._refuse(letter, refusal)

    async def _decide_letter(self, letter: Letter) -> None:
        try:
            await self._committer.room()
            command = await self._with_facts(letter.command)
            # Behind the last wait: a drain may have begun since.
            self._admission.check(command, draining=self._draining)
            self._decide(command, letter)
        except Rejected as refusal:
            self._refuse(letter, refusal)
        except trio.Cancelled as exc:  # by the end of the runtime, or a task beside it that broke
            letter.reply(draining() if self._draining else refusal_for(exc))
            raise
        except BaseException as exc:
            letter.reply(refusal_for(exc))
            raise

    def _refuse(self, letter: Letter, refusal: Rejected) -> None:
        self._committer.send(Outgoing(Step(self.state), letter.reply, refusal))

    async def _with_facts(self, command: Command) -> Command:
        if not self._admission.needs_facts(self.state, command):
            return self._admission.known(command)
        await self._committer.flushed()
        return await self._admission.with_facts(self.state, command)

    async def _wait(self) -> None:
        self.service.refuse_unclaimed(self.state.life)
        if self._leaving is None and self._may_depart_drained():
            self._leave(Departure.DRAINED)
            return
        self._restart_timer()
        try:
            await self._mailbox.news()
        finally:
            in_time = self._around.timers.stop(self._mailbox, self._timeout)
        has_come = bool(len(self._mailbox)) or self.service.waiting
        if not (in_time or has_come or self._idle_timeout() == math.inf):
            # Without a service, there is no checkpoint from here to the registry's next line, so
            # nothing slips in; what comes while it stops, the next activation serves (I14).
            self._leave(Departure.IDLE)

    def _restart_timer(self) -> None:
        """Begin anew to count how long nothing comes."""
        self._around.timers.stop(self._mailbox, self._timeout)
        self._timeout = self._idle_timeout()
        self._around.timers.start(self._mailbox, self._timeout)

    def _idle_timeout(self) -> float:
        """Return for how many seconds the actor stays with nothing to do."""
        running = self.state.live is not None or self._held is not None or self._committer.busy
        if running or self._leaving is not None:
            return math.inf
        if self.state.life is not Life.OPEN:
            return 0.0  # nothing is there that would be worth keeping
        return idle_timeout(self._kind.lifetime, self._limits, serving=self.service.running)

    def _leave(self, departure: Departure) -> None:
        """Depart once the service has stopped, and decide nothing in between."""
        if self.service.running:
            self._leaving = departure
            self.service.stop()
        else:
            self._departure = departure

    def _may_depart_drained(self) -> bool:
        free = self.state.live is None and self._held is None
        has_work = bool(len(self._mailbox)) or self._committer.busy
        return self._draining and free and not has_work

    # Deciding

    def _decide(self, command: Command, letter: Letter | None) -> None:
        """Decide a command, and let the state run ahead of the disk; raises as `decide`."""
        reply = letter.reply if letter is not None else None
        now = self._around.clock.now()
        decision = decide(self.state, command, now, self._limits)
        again = next((e for e in decision.effects if isinstance(e, DecideAgain)), None)
        closes = CloseThread in map(type, decision.effects)
        if again is not None and letter is not None:
            self._held = (letter, again.turn)
            self.service.stop()
            reply = None
        elif closes and letter is not None and self.service.running:
            self._held = (letter, None)  # and decided again when the service is gone
            self.service.stop()
            return
        elif closes:
            self._departure = Departure.CLOSED
        self._take(decision, now, reply)

    def _take(self, decision: Decision, now: float, reply: Reply | None, pieces: int = 0) -> None:
        step = take_step(self.state, decision, now)
        self.state = step.state
        for receipt in step.receipts:
            self._admission.receipts.add(receipt)
        self._committer.send(Outgoing(step, reply, None, pieces))

    def gather(self) -> None:
        """Decide what the turn's handler has said since the last look; see `Decider`."""
        said = self.turns.take()
        if said is not None:
            now, (words, count) = self._around.clock.now(), said
            self._take(decide(self.state, words, now, self._limits), now, None, count)

    def _turn_exited(self, note: Exited) -> None:
        self.gather()
        if self._goes_on_later(note):
            self.turns.exited()
            self._leave(Departure.DRAINED)
            return
        stranded = note.ending.abandoned
        exited = Exited(note.turn, note.ending, start_next=not (self._draining or stranded))
        self._decide(exited, None)
        if stranded:
            self._leave(Departure.STRANDED)
        else:
            self.turns.exited()

    def _service_exited(self, note: ServiceExited) -> None:
        verdict = self.service.exited(note)
        if self._leaving is not None:
            self._departure = self._leaving
        elif verdict is Verdict.ENDS:
            self._mailbox.put_back(Letter(End(), lambda _: None))

    def _goes_on_later(self, note: Exited) -> bool:
        """Say whether a turn is left open for the next start: finalising is never given up."""
        shut_down = self._draining and note.ending == self.turns.interruption
        return shut_down and note.turn == FINALISING and not note.ending.abandoned

    # Carrying out

    def carry_out(self, outgoing: Outgoing) -> None:
        """Act on a decision that is durable; see `Decider`."""
        self._consequences.of(outgoing, self.state.live)
        serves = self._kind.service is not None and self._stays
        if serves and outgoing.step.state.life is Life.OPEN:
            self.service.begin()

    @property
    def _stays(self) -> bool:
        return not self._draining and self._leaving is None and self._departure is None

    def committed(self) -> None:
        """Nothing is left to commit, or can be; see `Decider`."""
        # While a turn runs the loop waits for what comes in, whatever is durable; each piece would
        # wake it for nothing.
        if self.state.live is not None and self._committer.failure is None:
            return
        if self._rests:
            self._restart_timer()
        else:
            self._mailbox.nudge()

    @property
    def _rests(self) -> bool:
        """Whether the loop would only wait again, if it were woken."""
        is_at_rest = self._mailbox.waited_for and self._stays and self._held is None
        served = self._kind.service is not None or self._committer.failure is not None
        return is_at_rest and self.state.life is Life.OPEN and not served

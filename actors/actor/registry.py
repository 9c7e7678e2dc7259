"""The registry: one entry per thread that somebody uses.

An entry holds what outlives an activation: the mailbox, and the tail with its watchers. It goes
when nobody needs it, so a passivated thread costs nothing. Its activations are the supervisor's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import trio
from attrs import evolve

from ..core.commands import Command, Delete, End, Ending, Fork
from ..core.position import Position
from ..delivery.folding import read_folded
from ..delivery.subscription import Subscription
from ..delivery.tail import Tail
from ..errors import JournalUnavailable, Rejected
from ..journal.reporting import ReportingJournal
from .attending import Attending
from .capacities import Capacities
from .commits import Commits
from .entry import ThreadEntry
from .figures import Figures
from .mailbox import Letter, Mailbox
from .reply import Awaited, Reply, draining, thread_failed
from .supervisor import Supervisor

if TYPE_CHECKING:
    from ..core.casting import Waiting
    from ..core.effects import Result
    from ..core.folds import Folded
    from ..incident.recording import Watched
    from ..journal.contract import Journal
    from ..limits import Limits
    from ..timers import Timers
    from .activation import Surroundings
    from .actor import Actor
    from .kinds import ThreadKind

log = logging.getLogger("holdfast")


class Registry:
    """Finds or starts the actor of a thread.

    Args:
        nursery: where the activations run.
        around: journal, clock and limits.
        kind_of: gives a thread's kind from its id.
        on_journal_failure: called when an activation, or whoever reads, found the journal failed.

    Attributes:
        figures: what all threads come to, for operators.
    """

    def __init__(
        self,
        nursery: trio.Nursery,
        around: Surroundings,
        kind_of: Callable[[str], ThreadKind],
        on_journal_failure: Callable[[JournalUnavailable], None],
    ) -> None:
        self._nursery = nursery
        self._kind_of = kind_of
        self._on_journal_failure = on_journal_failure
        self._entries: dict[str, ThreadEntry] = {}
        # One for all tails.
        self._projections_of = lambda thread: self.kind(thread).projections
        self._refusal: Rejected | None = None
        self._quiet = trio.lowlevel.ParkingLot()
        self._capacities = Capacities()
        self._supervisor = Supervisor(
            nursery, around, kind_of, on_journal_failure, on_over=self._retire
        )
        self.figures = Figures(self._entries, self._supervisor)
        self._reads = self._reporting(around.journal)
        self._attending = Attending(nursery, around, kind_of, self.post, self._tidy)

    # What callers do: each as in `Gateway`

    @trio.lowlevel.enable_ki_protection
    def post(
        self, thread: str, command: Command, reply: Reply, principal: str | None = None
    ) -> None:
        """Hand a command to the thread's actor, activating it where it is not there."""
        if self.around.recording is not None:
            reply = self.around.recording.asked(thread, command, principal, reply)
        if isinstance(command, Fork):
            reply = partial(self._forked, command.to, reply)
        try:
            entry = self._admit(thread, command)
            entry.mailbox.put(Letter(command, reply))
        except Rejected as refusal:
            reply(refusal)
        else:
            self._activate(entry)

    async def ask(self, thread: str, command: Command, principal: str | None = None) -> Result:
        """Post a command and wait for its answer."""
        reply = Awaited()
        self.post(thread, command, reply, principal)
        return await reply.result()

    @trio.lowlevel.enable_ki_protection
    def cast(self, thread: str, waiting: Waiting) -> bool:
        """Hand something ephemeral to the thread's service, activating it where it is not there."""
        kind = self.kind(thread)
        if kind.service is None:
            raise Rejected("unsupported", "this thread has no service to cast to")
        entry = self._admit(thread)
        try:
            taken = entry.box_for(kind, self.limits).put(waiting)
        except Rejected:
            self._tidy(thread)
            raise
        self._activate(entry)
        entry.mailbox.nudge()
        return taken

    def subscribe(
        self,
        thread: str,
        principal: str | None,
        on_ready: Callable[[Subscription], None] | None = None,
    ) -> Subscription:
        """Return a subscription that is yet to be attached; it activates nothing (I5)."""
        entry = self._entry(thread)
        kind = self._attending.kind(thread)
        return Subscription(
            entry.tail,
            lambda: self.journal,
            self.limits,
            attendance=self._attending.of(entry) if principal is not None else None,
            principal=principal or "",
            presence=kind is not None and kind.presence,
            on_ready=on_ready,
            watched=self._watched(thread, principal),
            on_close=lambda _: self._tidy(thread),
        )

    def _watched(self, thread: str, principal: str | None) -> Watched | None:
        recording = self.around.recording
        return recording.attaching(thread, principal) if recording and principal else None

    async def folded(self, thread: str) -> Folded:
        """Return what a thread's projections come to; it activates nothing (I5).

        Raises:
            Rejected: as `kind`.
            JournalError: as the journal does.

        Cancellation changes nothing.
        """
        entry = self._entries.get(thread)
        if entry is not None and entry.tail.folded is not None:
            return entry.tail.folded
        projections = self.kind(thread).projections
        kept = (await self.journal.load(thread)).kept if projections else None
        folded, _ = await read_folded(thread, projections, kept, self.journal, self.limits)
        return folded

    def kind(self, thread: str) -> ThreadKind:
        """Return a thread's kind, to check at the edge what is asked of it."""
        try:
            return self._kind_of(thread)
        except Exception as exc:  # the application's own code, called on a client's behalf
            log.exception("thread %s has no kind", thread)
            raise Rejected("internal", "the kind of this thread is not known") from exc

    def is_failed(self, thread: str) -> bool:
        """Say whether a thread is quarantined."""
        entry = self._entries.get(thread)
        return entry is not None and entry.quarantined is not None

    def release(self, thread: str) -> bool:
        """Lift a thread's quarantine, and settle it; False where there was none, or all is over."""
        entry = self._entries.get(thread)
        if entry is None or entry.quarantined is None or self._supervisor.closed:
            return False
        entry.quarantined = None
        self._supervisor.forgive(thread)
        self._activate(entry)  # turns may be open or queued
        return True

    @property
    def journal(self) -> Journal:
        """The journal in force, for those who read: where it fails, the runtime is told."""
        return self._reads

    @property
    def around(self) -> Surroundings:
        """Journal, clock and limits in force."""
        return self._supervisor.around

    @property
    def limits(self) -> Limits:
        """The limits in force."""
        return self.around.limits

    @property
    def timers(self) -> Timers:
        """Timers of those who wait, nearly always in vain."""
        return self.around.timers

    # What the runtime does

    async def settle(self, thread: str, *, restarted: bool) -> None:
        """Activate a thread to settle what was left open, and wait until that is durable (I9).

        A quarantined one stays as it is (I10). After a restart, nobody is attached. Cancellation
        ends the wait alone.
        """
        entry = self._entry(thread)
        if entry.quarantined is None:
            self._activate(entry)
            await entry.settled()
            if restarted:
                self._attending.left_behind(entry)

    def refuse_all(self, refusal: Rejected | None) -> None:
        """Refuse every further command in these words; None lets them in again, unless draining."""
        if not self._supervisor.draining:
            self._refusal = refusal

    def drain(self) -> None:
        """Start nothing new; actors depart as they become free."""
        self.refuse_all(draining())
        self._supervisor.draining = True
        for actor in self._actors():
            actor.drain()

    def interrupt(self, ending: Ending) -> None:
        """Stop every turn that runs, and any that starts from now on."""
        self._supervisor.interruption = ending
        for actor in self._actors():
            actor.turns.interrupt(ending)

    def fail(self, failure: Exception) -> None:
        """Make every actor give up: what it has decided and not made durable is void."""
        for actor in self._actors():
            actor.fail(failure)

    async def quiet(self) -> None:
        """Wait until no thread is active, abandoned turns apart. Cancellation is harmless."""
        while any(entry.active for entry in self._entries.values()):
            await self._quiet.park()

    def reopened(self, journal: Journal) -> None:
        """Go on with a journal that was opened anew; nobody is active."""
        self.around.commits.retire()
        commits = Commits(self._nursery, journal, self.limits)
        self._supervisor.around = evolve(self.around, journal=journal, commits=commits)
        self._reads.retire()
        self._reads = self._reporting(journal)
        for entry in list(self._entries.values()):
            entry.tail.forget()

    def close(self, reason: str) -> None:
        """Answer everybody who still waits for an answer, and detach everybody, where they are."""
        self.drain()
        self._supervisor.closed = True
        self._attending.close()
        for entry in list(self._entries.values()):
            if entry.actor is not None:
                entry.actor.refuse_unanswered(draining())
            entry.refuse_waiting(draining())
            entry.tail.detach_all(entry.tail.position or Position(0, 0), reason)
            entry.tail.forget()

    @property
    def abandoned(self) -> tuple[tuple[str, str], ...]:
        """(thread, turn) of the handlers that would not stop and still run."""
        left = (actor for actor in self._actors() if actor.hosts.stranded)
        return (*self._supervisor.stranded, *(actor.hosts.handling() for actor in left))

    @property
    def unstopped(self) -> tuple[tuple[str, str], ...]:
        """(thread, turn) of all handlers that still run, the stranded ones first."""
        running = (actor for actor in self._actors() if actor.hosts.running or actor.hosts.stranded)
        return (*self._supervisor.stranded, *(actor.hosts.handling() for actor in running))

    @property
    def grace(self) -> float:
        """Seconds that the handlers which run have to stop in, at the most."""
        return max((actor.hosts.grace for actor in self._actors()), default=0.0)

    def _reporting(self, journal: Journal) -> ReportingJournal:
        set_aside = self._supervisor.set_aside
        return ReportingJournal(
            journal, self._on_journal_failure, lambda t, exc: set_aside(self._entry(t), exc)
        )

    # Entries

    def _admit(self, thread: str, command: Command | None = None) -> ThreadEntry:
        if self._refusal is not None:
            raise self._refusal
        entry = self._entry(thread)
        if entry.quarantined is not None:
            raise thread_failed()
        if not entry.active and not isinstance(command, End | Delete):
            try:
                self._capacities.check(self._attending.capacity(thread))
            except Rejected:
                self._tidy(thread)
                raise
        return entry

    def _entry(self, thread: str) -> ThreadEntry:
        entry = self._entries.get(thread)
        if entry is None:
            mailbox = Mailbox(self.limits.mailbox_commands)
            tail = Tail(thread, self.limits, self._projections_of)
            entry = self._entries[thread] = ThreadEntry(thread, mailbox, tail)
        return entry

    def _actors(self) -> list[Actor]:
        return [entry.actor for entry in self._entries.values() if entry.actor is not None]

    def _tidy(self, thread: str) -> None:
        entry = self._entries.get(thread)
        if (
            entry is not None
            and not entry.active
            and entry.quarantined is None
            and not entry.tail.watchers
            and not entry.kept
        ):
            del self._entries[thread]

    def _forked(self, to: str, reply: Reply, answer: Result | Rejected) -> None:
        """Have those who watch a thread that was begun by a fork see it, then answer."""
        entry = self._entries.get(to)
        failed = isinstance(answer, Rejected) and answer.code != "internal"
        if entry is not None and entry.quarantined is None and not failed:
            entry.stale = True
            self._activate(entry)
        reply(answer)

    # Activations

    def _activate(self, entry: ThreadEntry) -> None:
        if not entry.active:
            entry.active = True
            entry.is_settled = False
            self._capacities.take(self._attending.capacity(entry.thread), entry.thread)
            self._supervisor.start(entry)

    def _retire(self, entry: ThreadEntry) -> None:
        entry.active = False
        self._capacities.leave(entry.thread)
        entry.note_settled()
        self._tidy(entry.thread)
        self._quiet.unpark_all()

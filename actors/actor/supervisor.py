"""Supervision: one activation of a thread after another, for as long as there is something to do.

A failing actor is started again, its subscribers staying attached; too many failures in a period,
or damage, set its thread aside, alone (I10). What will not stop is left to itself, counted and
named.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import trio

from ..core.commands import Ending
from ..core.position import Position
from ..core.restart_intensity import RestartIntensity
from ..core.turn_lifecycle import TurnState
from ..errors import JournalCorrupt, JournalUnavailable
from .activation import Departure, Surroundings
from .actor import Actor
from .reply import refusal_for, thread_failed
from .service_host import ServiceFailed

if TYPE_CHECKING:
    from .entry import ThreadEntry
    from .kinds import ThreadKind

log = logging.getLogger("holdfast")

DAMAGED: Final = "its rows in the journal are damaged"


class Supervisor:
    """Runs the activations of a registry's entries.

    Args:
        nursery: where they run.
        around: journal, clock and limits; those in force when an activation begins count for it.
        kind_of: gives a thread's kind from its id.
        on_journal_failure: called when an activation found the journal failed.
        on_over: called when an entry has no activation any more.

    Attributes:
        restarts: how often actors were started again.
        stranded: (thread, turn) of the handlers that would not stop, and were left alone.
        draining: whether activations depart as soon as they may.
        interruption: what every turn that runs, or begins, is stopped with.
        closed: whether nothing is to be started any more.
    """

    def __init__(
        self,
        nursery: trio.Nursery,
        around: Surroundings,
        kind_of: Callable[[str], ThreadKind],
        on_journal_failure: Callable[[JournalUnavailable], None],
        on_over: Callable[[ThreadEntry], None],
    ) -> None:
        self.around = around
        self.restarts = 0
        self.stranded: list[tuple[str, str]] = []
        self.draining = False
        self.interruption: Ending | None = None
        self.closed = False
        self._nursery = nursery
        self._kind_of = kind_of
        self._on_journal_failure = on_journal_failure
        self._on_over = on_over
        # Of the threads that failed within the last period; an entry may go long before that.
        self._failing: dict[str, RestartIntensity] = {}

    def start(self, entry: ThreadEntry) -> None:
        """Run an entry's activations from now on; nobody does yet."""
        self._nursery.start_soon(self._supervise, entry)

    def forgive(self, thread: str) -> None:
        """Forget a thread's failures: an operator released it."""
        self._failing.pop(thread, None)

    def set_aside(self, entry: ThreadEntry, damage: JournalCorrupt) -> None:
        """Set a thread aside where somebody who reads met damage, as if its actor had (I16)."""
        if entry.actor is not None:
            entry.actor.fail(damage)  # once it is gone, its supervisor does the rest
        elif entry.quarantined is None and not self.closed:
            self._quarantine(entry, damage, DAMAGED)

    @trio.lowlevel.enable_ki_protection
    async def _supervise(self, entry: ThreadEntry, failure: Exception | None = None) -> None:
        """Run one activation after another while there is something to do.

        Args:
            entry: whose.
            failure: what ended the activation before, where that was stranded by a failure.
        """
        # An append that is still on its way may fail an actor when all is closed: that is no news.
        while not self.closed and (failure is None or self._survives(entry, failure)):
            reason = "restart" if failure is None else "actor_failed"
            try:
                departure = await self._run_activation(entry, reason)
            except Exception as exc:  # an actor fails alone; its supervisor decides (I10)
                failure = exc
                continue
            failure = None
            if departure is Departure.STRANDED:
                return  # another task supervises the entry by now
            if departure is Departure.DRAINED or not entry.has_work:
                break
        self._on_over(entry)

    async def _run_activation(self, entry: ThreadEntry, reason: str) -> Departure:
        kind = self._kind_of(entry.thread)
        box = entry.box_for(kind, self.around.limits) if kind.service is not None else None
        entry.stale = False
        journal = self.around.journal
        claim = await journal.claim(entry.thread)
        generation = claim.generation
        if self.around.recording is not None:
            self.around.recording.claimed(entry.thread, claim.loaded.head.position)
        stuck: tuple[str, str] | None = None
        try:
            if entry.quarantined is not None:  # a reader met damage while this one claimed it
                return Departure.DRAINED
            settled = entry.note_settled
            actor = Actor(entry.tail, entry.mailbox, kind, claim, self.around, box, settled)
            del claim  # and the thread as it was, for as long as the activation lasts
            async with trio.open_nursery() as nursery:
                departure, failure = await self._run_actor(entry, actor, nursery, reason)
                if actor.hosts.stranded:
                    stuck = actor.hosts.handling()
                    self._strand(entry, stuck, departure, failure)
                nursery.cancel_scope.cancel()
        finally:
            journal.release(entry.thread, generation)
        if stuck is not None:
            self.stranded.remove(stuck)
            return Departure.STRANDED
        if failure is not None:
            raise failure
        return departure

    async def _run_actor(
        self, entry: ThreadEntry, actor: Actor, nursery: trio.Nursery, reason: str
    ) -> tuple[Departure, Exception | None]:
        entry.actor = actor
        if self.draining:
            actor.drain()
        if self.interruption is not None:
            actor.turns.interrupt(self.interruption)
        try:
            return await actor.run(nursery, reason), None
        except Exception as exc:  # handed on as a value, so that the turn can be wound down first
            actor.refuse_unanswered(refusal_for(exc))
            ending = Ending(TurnState.INTERRUPTED, reason="actor_failed")
            abandoned = await actor.hosts.wind_down(ending)
            return (Departure.STRANDED if abandoned else Departure.FAILED), exc
        except BaseException as exc:  # cancelled, by a task beside it that broke or from outside
            actor.refuse_unanswered(refusal_for(exc))
            raise
        finally:
            actor.close()
            entry.mailbox.forget_notes()
            entry.actor = None

    def _strand(
        self,
        entry: ThreadEntry,
        stuck: tuple[str, str],
        departure: Departure,
        failure: Exception | None,
    ) -> None:
        """Leave an activation alone with what will not stop, and start a fresh one if need be."""
        self.stranded.append(stuck)
        has_work = entry.has_work and departure is not Departure.DRAINED
        if departure is Departure.STRANDED or has_work:
            self._nursery.start_soon(self._supervise, entry, failure)
        else:
            self._on_over(entry)

    def _survives(self, entry: ThreadEntry, failure: Exception) -> bool:
        """Count a failure, and say whether the actor is to be started again."""
        if isinstance(failure, JournalUnavailable):
            # A file-wide failure is no thread's fault: nothing is counted.
            entry.refuse_waiting(refusal_for(failure))
            self._on_journal_failure(failure)
            return False
        self.restarts += 1
        if self.around.recording is not None:
            self.around.recording.failed(entry.thread, failure)
        restarts = self._count_restart(entry.thread)
        if isinstance(failure, JournalCorrupt):
            self._quarantine(entry, failure, DAMAGED)
        elif isinstance(failure, ServiceFailed):
            self._quarantine(entry, failure, "its service failed too often")
        elif restarts.exceeded:
            self._quarantine(entry, failure, "its actor failed too often")
        else:
            log.error("the actor of thread %s failed; restarting", entry.thread, exc_info=failure)
        return entry.quarantined is None

    def _count_restart(self, thread: str) -> RestartIntensity:
        now, limits = trio.current_time(), self.around.limits
        count = self._failing.pop(
            thread, RestartIntensity(limits.restart_intensity, limits.restart_period_seconds)
        )
        self._failing = {each: c for each, c in self._failing.items() if c.is_recent(now)}
        self._failing[thread] = count.after_restart(now)
        return self._failing[thread]

    def _quarantine(self, entry: ThreadEntry, failure: Exception, why: str) -> None:
        # Of damage it says what to mend; who met it is of no use.
        shown = None if isinstance(failure, JournalCorrupt) else failure
        log.error("thread %s is quarantined: %s (%s)", entry.thread, why, failure, exc_info=shown)
        entry.quarantined = why
        entry.refuse_waiting(thread_failed())
        entry.tail.detach_all(entry.tail.position or Position(0, 0), "failed")
        entry.tail.forget()

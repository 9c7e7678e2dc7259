"""The runtime: opens the journal, settles what a crash left, hosts the actors, and drains."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import trio

from .actor.activation import Surroundings
from .actor.commits import Commits
from .actor.contexts import Contexts
from .actor.leases import Leases
from .actor.registry import Registry
from .actor.reply import refusal_for
from .core.amounts import checked_page
from .core.commands import Ending
from .core.turn_lifecycle import TurnState
from .errors import (
    InternalError,
    JournalCorrupt,
    JournalError,
    JournalUnavailable,
    TurnsAbandoned,
    unwrapped,
)
from .handles import LOCAL, Thread
from .statistics import RuntimeStatistics
from .timers import Timers
from .watchdog import run_watchdog

if TYPE_CHECKING:
    from .actor.kinds import ThreadKind
    from .gateway import Gateway
    from .incident.recording import Recording
    from .journal.contract import Journal, SummaryPage
    from .limits import Limits
    from .opening import JournalOpener
    from .ports import Clock, Ids

log = logging.getLogger("holdfast")


class Runtime:
    """Threads, each with its actor. Made by `open_runtime`."""

    def __init__(
        self,
        opener: JournalOpener,
        kind_of: Callable[[str], ThreadKind],
        ids: Ids,
        limits: Limits,
        on_failure: Callable[[], None],
        recording: Recording | None = None,
    ) -> None:
        self.ids = ids
        self.limits = limits
        self._on_failure = on_failure
        self._recording = recording
        self._opener = opener
        self._kind_of = kind_of
        self._ready = trio.Event()
        self._draining = trio.Event()
        self._closing = trio.Event()
        self._drained = trio.Event()
        self._finished = trio.Event()
        self._journal_failure: JournalUnavailable | None = None
        self._journal_failed = trio.Event()
        self._reopening = trio.CancelScope()
        self._unstopped: tuple[tuple[str, str], ...] = ()
        self._failure: BaseException | None = None
        self._registry: Registry | None = None
        self._leases: Leases | None = None

    @property
    def registry(self) -> Registry:
        """Where actors are found; the runtime's own, see `gateway`."""
        if self._registry is None:
            raise InternalError("the runtime is not open")
        return self._registry

    @property
    def gateway(self) -> Gateway:
        """The threads by their ids, for a server of connections."""
        return self.registry

    def thread(self, id: str, principal: str = LOCAL) -> Thread:
        """Return a handle on a thread, whether it is there or not.

        Args:
            id: 1 to 128 of `A–Z a–z 0–9 . _ : -`, starting with a letter or a digit.
            principal: who speaks through the handle, a text that is not empty.

        Raises:
            ValueError: for another id, or another principal.
        """
        return Thread(id, self.registry, self.ids, principal)

    async def threads(self, after: str | None = None, limit: int | None = None) -> SummaryPage:
        """Return a page of the threads that are there, last activity first.

        Args:
            after: what the page before gave; None for the first.
            limit: threads, at least 1; `limits.page_items_max` at the most, and
                `limits.page_items` where there is none.

        Raises:
            Rejected: `bad_request`, for an `after` that no page gave, or a limit below 1.
            JournalUnavailable: where the store failed.

        Cancellation changes nothing.
        """
        return await self.registry.journal.summaries(after, checked_page(limit, self.limits))

    async def compact(self, *, everything: bool = False) -> int:
        """Merge the deltas of turns that ended long enough ago, and return how many turns.

        Args:
            everything: do not wait for `limits.compact_after_seconds`.

        Raises:
            JournalUnavailable: where the store failed.

        A cancelled call has compacted some of them, each wholly or not at all.
        """
        now = self.registry.around.clock.now()
        wait = 0.0 if everything else self.limits.compact_after_seconds
        total = 0
        while True:
            batch = self.limits.compact_turns
            keys_before = now - self.limits.key_seconds
            done = await self.registry.journal.compact(now - wait, keys_before, batch)
            total += done
            if done < batch:
                return total

    def release(self, thread: str) -> bool:
        """Lift a thread's quarantine, once what was wrong is mended (I10).

        Its commands are taken again at once, and what was left open in it is settled. Where it
        fails as before, it is set aside as before.

        Args:
            thread: the thread's id.

        Returns:
            False where it was not quarantined, or the runtime is closing.

        Raises:
            ValueError: for an id that no thread can have.
        """
        return self.registry.release(self.thread(thread).id)

    def statistics(self) -> RuntimeStatistics:
        """Return what the runtime is doing."""
        registry, figures = self.registry, self.registry.figures
        return RuntimeStatistics(
            active=figures.active,
            restarts=figures.restarts,
            quarantined=figures.quarantined,
            abandoned=registry.abandoned,
            subscribers=figures.subscribers,
            fill=figures.fill,
            leases=len(self._leases) if self._leases is not None else 0,
            journal_failed=self._journal_failure is not None,
            commands_waiting=figures.commands_waiting,
            context_bytes=registry.around.contexts.weight,
            turns=dict(registry.around.endings),
            journal=registry.journal.statistics(),
        )

    # Hosting

    async def host(self, clock: Clock, watchdog: bool) -> None:
        """Run until `close` asks for the end. The actors' nursery is in here.

        Raises nothing: what goes wrong is handed to `opened` and `close`. Cancellation, which only
        the end of the whole program brings, cuts every turn; the next start settles them.
        """
        try:
            journal = await self._opener()
            async with trio.open_nursery() as nursery:
                around = self._surroundings(nursery, journal, clock)
                self._registry = Registry(nursery, around, self._kind_of, self._note_failure)
                await self._settle_unsettled(restarted=True)
                self._start_chores(nursery, watchdog)
                self._ready.set()
                await self._draining.wait()
                await self._drain()
                await self._closing.wait()
                await self._leave()
                nursery.cancel_scope.cancel()
        except Exception as exc:  # handed to whoever opened the runtime
            self._failure = unwrapped(exc)
            self._on_failure()
            await self._leave()
        finally:
            self._ready.set()
            self._drained.set()
            self._finished.set()

    def _surroundings(self, nursery: trio.Nursery, journal: Journal, clock: Clock) -> Surroundings:
        self._leases = Leases(nursery, self.limits)
        timers = Timers()
        nursery.start_soon(timers.run)
        return Surroundings(
            self,
            journal,
            Commits(nursery, journal, self.limits),
            timers,
            clock,
            self.ids,
            self._leases,
            self.limits,
            Contexts(self.limits),
            recording=self._recording,
        )

    def _start_chores(self, nursery: trio.Nursery, watchdog: bool) -> None:
        nursery.start_soon(self._keep_journal_open)
        nursery.start_soon(self._keep_compact)
        if self._recording is not None:
            self._recording.heads = lambda: self.registry.figures.heads
            nursery.start_soon(self._recording.run)
        if watchdog:
            nursery.start_soon(run_watchdog, self.limits)

    async def opened(self) -> None:
        """Wait until every turn that was left open is settled.

        Raises:
            JournalError: where the journal cannot be opened.

        Cancellation changes nothing; call `close` then.
        """
        await self._ready.wait()
        if self._failure is not None:
            raise self._failure

    async def drain(self) -> None:
        """Refuse further commands, and wait until every turn has ended or was interrupted.

        Turns may go on for `limits.drain_seconds`; what is left is interrupted then. Reads and
        subscriptions go on until the runtime is closed, so that everybody sees how it ended.

        Raises nothing. Cancellation ends the wait; the draining goes on.
        """
        self._draining.set()
        await self._drained.wait()

    async def close(self) -> None:
        """Drain, and wait until nothing is left.

        Raises:
            TurnsAbandoned: where handlers would not stop; they are left to themselves (I20).
            Exception: what ended the runtime itself, if anything did.

        Shielded from cancellation; every wait is bounded.
        """
        self._draining.set()
        self._closing.set()
        limits = self.limits
        seconds = limits.drain_seconds + self._grace() + limits.close_seconds
        seconds += 2 * limits.lease_release_seconds
        with trio.move_on_after(seconds, shield=True):
            await self._drained.wait()
        with trio.move_on_after(limits.close_seconds, shield=True):
            await self._finished.wait()
        if not self._unstopped:  # then it is the journal that is slow to open or close
            with trio.move_on_after(seconds, shield=True):
                await self._finished.wait()
        if self._failure is not None:
            raise self._failure
        if not self._finished.is_set():
            raise TurnsAbandoned(self._unstopped)

    async def _leave(self) -> None:
        """Answer and detach whoever is left, and close the journal."""
        if self._registry is not None:
            self._unstopped = self._registry.unstopped
            self._registry.close("failed")
            await self._registry.journal.aclose()

    def _grace(self) -> float:
        """Seconds that interrupted turns get, those included whose kind has a grace of its own."""
        grace = self.limits.cancel_grace_seconds
        if self._registry is not None:
            grace = max(grace, self._registry.grace)
        # Once for the handlers, and once for the commits that record their endings.
        return 2 * grace + self.limits.close_seconds

    async def _settle_unsettled(self, *, restarted: bool) -> None:
        """Settle every turn that was left open, before anybody is served (I9)."""
        bound = trio.CapacityLimiter(self.limits.recovery_concurrency)

        @trio.lowlevel.enable_ki_protection
        async def settle(thread: str) -> None:
            async with bound:
                await self.registry.settle(thread, restarted=restarted)

        threads = await self.registry.journal.unsettled()
        async with trio.open_nursery() as nursery:
            for thread in threads:
                nursery.start_soon(settle, thread)

    async def _drain(self) -> None:
        """Let turns finish for a while, and interrupt the rest."""
        registry = self.registry
        self._reopening.cancel()  # a journal that fails from now on stays failed
        registry.drain()
        with trio.move_on_after(self.limits.drain_seconds):
            await registry.quiet()
        registry.interrupt(Ending(TurnState.INTERRUPTED, reason="shutdown"))
        with trio.move_on_after(self._grace()):
            await registry.quiet()
        if self._leases is not None:
            await self._leases.release_all()
        self._drained.set()

    def _note_failure(self, failure: JournalUnavailable) -> None:
        if self._journal_failure is None:
            self._journal_failure = failure
            self._journal_failed.set()
            if self._recording is not None:
                self._recording.failed(None, failure)

    @trio.lowlevel.enable_ki_protection
    async def _keep_journal_open(self) -> None:
        """After a file-wide failure: stop everything, open the journal anew, settle, go on."""
        with self._reopening:
            while True:
                await self._journal_failed.wait()
                failure = cast("JournalUnavailable", self._journal_failure)
                log.error("the journal failed; reopening it", exc_info=failure)
                await self._reopen(failure)

    async def _reopen(self, failure: JournalUnavailable) -> None:
        self.registry.refuse_all(refusal_for(failure))
        self.registry.fail(failure)
        await self.registry.quiet()
        await self.registry.journal.aclose()
        self.registry.reopened(await self._open_again())
        self._journal_failure, self._journal_failed = None, trio.Event()
        try:
            await self._settle_unsettled(restarted=False)
        except JournalUnavailable as exc:
            self._note_failure(exc)
        if self._journal_failed.is_set():
            await trio.sleep(self.limits.journal_reopen_seconds)
        else:
            self.registry.refuse_all(None)
            log.warning("the journal is open again")

    async def _open_again(self) -> Journal:
        while True:
            try:
                return await self._open_and_try()
            except JournalError as exc:
                log.warning("the journal cannot be opened yet: %s", exc)
                await trio.sleep(self.limits.journal_reopen_seconds)

    async def _open_and_try(self) -> Journal:
        journal = await self._opener()
        try:
            await journal.unsettled()  # an opener may hand out the one that failed
        except BaseException:
            with trio.move_on_after(self.limits.close_seconds, shield=True):
                await journal.aclose()
            raise
        return journal

    @trio.lowlevel.enable_ki_protection
    async def _keep_compact(self) -> None:
        while True:
            await trio.sleep(self.limits.compact_every_seconds)
            try:
                await self.compact()
            except JournalUnavailable:
                log.warning("compaction was cut short: the journal failed")
            except JournalCorrupt:  # of some thread: no reason to stop all of them (I16)
                log.exception("compaction met damage")

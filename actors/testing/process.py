"""One life of the simulated process: a runtime, and those who speak to it."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Container, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import trio
from attrs import evolve

from ..actor.fill import Fill
from ..actor.lifetime import EndAfter
from ..errors import TurnsAbandoned
from ..runtime import Runtime
from .facts import (
    Called,
    Claimed,
    Closed,
    Closing,
    Drained,
    Fact,
    Fault,
    Filled,
    Killed,
    KindGiven,
    Lost,
    Opened,
    Opening,
    Said,
    Saw,
    Struck,
    Surprise,
    Unanswered,
)
from .lender import Lender
from .schedule import TICK
from .simulated_journal import SimulatedJournal
from .watched_service import ServiceWatch
from .watched_turn import watched

if TYPE_CHECKING:
    from ..actor.kinds import Handler, ThreadKind
    from ..journal.contract import Journal
    from ..limits import Limits
    from .scripted_service import MakeService
    from .wire_facts import WireFact
    from .world import World

# What is noted when a queue may just have grown.
_TELLING: Final = (Called, Said, Saw)


class Process:
    """Runs a runtime until it is told to close, or killed.

    Args:
        number: which life it is, from 1.
        world: where it runs.
        handler: answers its turns.
        kind: makes a thread's kind of its id and the handler.
        shut_down: called before the runtime drains: closes what stands in front of it.
        make_service: makes the service of its threads; None where they have none.
    """

    def __init__(
        self,
        number: int,
        world: World,
        handler: Handler,
        kind: Callable[[str, Handler], ThreadKind],
        shut_down: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint,
        make_service: MakeService | None = None,
    ) -> None:
        self.number = number
        self.alive = True
        self.serving = False
        self._was_open = False  # whether the journal was opened in this life
        self._world = world
        self._watched = watched(handler, self)
        self._kind = kind
        self._shut_down = shut_down
        world.lender = Lender(world, self.note)
        self._services = make_service and ServiceWatch(make_service(world), self)
        self._kinds: dict[str, ThreadKind] = {}
        self._fill = Fill()
        self._close = trio.Event()
        self._gone = trio.Event()
        self._life = trio.CancelScope()
        self._connections: dict[trio.CancelScope, None] = {}
        self.runtime = Runtime(self._open, self._kind_of, world, world.limits, self._failed)
        self.note(Opening(world.limits, world.slowest))

    def note(self, fact: Fact | WireFact) -> None:
        """Note a fact of this life; what a killed process still does is nobody's to see."""
        if self.alive:
            self._world.recorder.note(self.number, fact)
            if self.serving and isinstance(fact, _TELLING):
                self._fill = self._fill.or_more(self.runtime.registry.figures.fill)

    async def run(self, on_open: Callable[[], None]) -> None:
        """Open the runtime, and host it until `close` or `kill`.

        Args:
            on_open: called when it begins to serve.
        """
        with self._life:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(self.runtime.host, self._world, watchdog=False))
                try:
                    await self.runtime.opened()
                    await trio.lowlevel.checkpoint_if_cancelled()  # it was killed as it opened
                    self.note(Opened())
                    self.serving = True
                    on_open()
                    await self._close.wait()
                    await self._close_down()
                except Exception as exc:  # whatever it is, it is what the run has found
                    self.note(Surprise(f"the runtime failed: {exc!r}"))
                nursery.cancel_scope.cancel()
                self._over()

    @property
    def closing(self) -> bool:
        """Whether it was asked to close."""
        return self._close.is_set()

    async def healthy(self) -> None:
        """Wait until the journal is open, and lift every quarantine; the faults are off by now."""
        await trio.sleep(self._world.limits.cancel_grace_seconds + TICK)  # for what winds down
        await self._world.delays.quiet()
        while self.runtime.statistics().journal_failed:
            await trio.sleep(TICK)
            await self._world.delays.quiet()
        self.release_all()

    def release_all(self, but: Container[str] = ()) -> None:
        """Lift the quarantine of every thread but these; there is none before it serves."""
        for thread in self.runtime.statistics().quarantined if self.serving else ():
            if thread not in but:
                self.release(thread)

    def release(self, thread: str) -> None:
        """Lift a thread's quarantine, if there is one."""
        if self.runtime.release(thread):
            self.note(Struck(Fault.RELEASED, thread))

    def close(self) -> None:
        """Ask it to drain and close."""
        self._close.set()

    async def closed(self) -> None:
        """Wait until it is closed, or killed."""
        await self._gone.wait()

    def kill(self) -> None:
        """Stop it between two steps: it neither writes nor says anything more."""
        self.note(Filled(self._fill))
        self.note(Killed())
        self._lose(Lost)
        self._over()
        self._life.cancel()

    @contextmanager
    def connection(self) -> Iterator[trio.CancelScope]:
        """Run the block as long as somebody may speak to this process."""
        scope = trio.CancelScope()
        self._connections[scope] = None
        if not self.alive:
            scope.cancel()
        try:
            with scope:
                yield scope
        finally:
            del self._connections[scope]

    async def _open(self) -> Journal:
        if self.alive:
            self._world.disk.reopen()
        if self._was_open:  # also where it failed before anything was served
            self.note(Struck(Fault.REOPENED))
        self._was_open = True
        return SimulatedJournal(self._world, self)

    def _kind_of(self, thread: str) -> ThreadKind:
        kind = self._kinds.get(thread)
        if kind is None:
            kind = self._kind(thread, self._watched)
            if self._services is not None:
                kind = evolve(kind, service=self._services.of(kind))
            self._kinds[thread] = kind
            self.note(self._given(thread, kind))
        return kind

    def _given(self, thread: str, kind: ThreadKind) -> KindGiven:
        grace = kind.cancel_grace
        if grace is None:
            grace = self._world.limits.cancel_grace_seconds
        served = kind.service is not None
        deadline, silence = kind.deadline or math.inf, kind.no_progress or math.inf
        return KindGiven(
            thread,
            kind.retry,
            grace,
            on_exit=kind.on_exit if served else None,
            overflow=kind.overflow if served else None,
            ends=isinstance(kind.lifetime, EndAfter),
            projections=kind.projections,
            presence=kind.presence,
            overdue=min(deadline, silence),
            deadline=deadline,
            silence=silence,
        )

    def projections_of(self, thread: str) -> Iterable[str]:
        """Return the names of a thread's projections."""
        return self._kinds[thread].projections

    @property
    def limits(self) -> Limits:
        """The bounds of the runtime."""
        return self._world.limits

    def strike(self, fact: Struck) -> None:
        """Note what the application itself does to a thread of its own."""
        self._world.faults.struck = True
        self.note(fact)

    def claimed(self, fact: Claimed) -> None:
        """Note that an activation became a thread's writer."""
        self.note(fact)
        if self._services is not None:
            self._services.claimed(fact.thread)

    async def _close_down(self) -> None:
        self.note(Closing())
        abandoned: tuple[tuple[str, str], ...] = ()
        await self._shut_down()
        await self.runtime.drain()
        statistics = self.runtime.statistics()
        self.note(Filled(self._fill))
        self.note(Drained(statistics.restarts, tuple(sorted(statistics.quarantined))))
        try:
            await self.runtime.close()
        except TurnsAbandoned as exc:
            abandoned = exc.turns
        await self._world.delays.quiet()
        self.note(Closed(abandoned))
        self._lose(Unanswered)

    def _lose(self, fact: type[Lost] | type[Unanswered]) -> None:
        calls = self._world.recorder.open_calls
        for call in [call for call, (life, _) in calls.items() if life == self.number]:
            self.note(fact(call))
        for connection in list(self._connections):
            connection.cancel()

    def _failed(self) -> None:
        self.note(Surprise("the runtime failed"))

    def _over(self) -> None:
        self.alive = self.serving = False
        self._gone.set()

"""The service of one activation: begun, supervised, stopped; and what it records on its way in."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import trio

from ..core.head import Life
from ..core.restart_intensity import RestartIntensity
from ..errors import HoldfastError, Rejected
from .inbox import Inbox
from .kinds import OnExit
from .leases import Holdings
from .mailbox import Letter
from .reply import Awaited
from .service import Service
from .service_runner import ServiceExited, ServiceRunner

if TYPE_CHECKING:
    from ..core.commands import Record
    from ..core.effects import Result
    from ..delivery.folding import Folding
    from .activation import Surroundings
    from .inbox import CastBox
    from .kinds import ThreadKind
    from .mailbox import Mailbox


class ServiceFailed(HoldfastError):
    """A thread's service failed too often: the thread is set aside (I10)."""


class Verdict(enum.Enum):
    """What the end of a service means for its thread."""

    GOES_ON = "goes on"
    ENDS = "ends"


class ServiceHost:
    """Runs the service of one activation, where the kind has one.

    Args:
        thread: the thread's id.
        kind: the service and its policies.
        box: what is cast to the thread; None where the kind has no service.
        around: limits, clock, ids and leases.
        folding: what the thread's records come to.
        mailbox: the actor's, who is told what the service recorded, and when it is over.

    Attributes:
        abandoned: whether it would not stop, and was left to itself.
    """

    __slots__ = (
        "_around",
        "_box",
        "_folding",
        "_kind",
        "_mailbox",
        "_nursery",
        "_over",
        "_recorded",
        "_restarts",
        "_runner",
        "_thread",
        "abandoned",
    )

    def __init__(
        self,
        thread: str,
        kind: ThreadKind,
        box: CastBox | None,
        around: Surroundings,
        folding: Folding,
        mailbox: Mailbox,
    ) -> None:
        self.abandoned = False
        self._thread = thread
        self._kind = kind
        self._box = box
        self._around = around
        self._folding = folding
        self._mailbox = mailbox
        self._over = kind.service is None
        self._runner: ServiceRunner | None = None
        self._recorded: list[Letter] = []
        self._restarts: RestartIntensity | None = None

    def open(self, nursery: trio.Nursery) -> None:
        """Take the nursery that the service runs in."""
        self._nursery = nursery

    @property
    def running(self) -> bool:
        """Whether the service runs, or was stopped and has not exited yet."""
        return self._runner is not None

    @property
    def waiting(self) -> bool:
        """Whether something was cast that the service has not taken."""
        return self._box is not None and bool(len(self._box))

    @property
    def grace(self) -> float:
        """Seconds that the service has to stop in, where it runs."""
        return self._runner.grace if self._runner is not None else 0.0

    def begin(self) -> None:
        """Start the service, unless it runs, was stopped, or is over in this activation."""
        if self._runner is None and not self._over:
            self._start()

    def stop(self) -> None:
        """Cancel the service, if any; what it has not got decided by now is void (I7)."""
        self._over = True
        if self._runner is not None:
            self._runner.stop()
        while self._recorded:
            self._recorded.pop(0).reply(Rejected("internal", "this service was stopped"))

    async def stopped(self) -> None:
        """Wait until the service is over, or its grace ran out.

        Cancellation ends the wait alone.
        """
        if self._runner is not None:
            await self._runner.over.wait()
            self.abandoned |= self._runner.abandoned

    def take(self) -> Letter | None:
        """Take the oldest thing that the service wants recorded, or None."""
        return self._recorded.pop(0) if self._recorded else None

    def exited(self, note: ServiceExited) -> Verdict:
        """Take note that the service is over, start it again where it is to be.

        Raises:
            ServiceFailed: it failed more often than a restart can help.
        """
        self._runner = None
        self.abandoned |= note.runner.abandoned
        if self._over:
            return Verdict.GOES_ON  # it was stopped
        if note.failed and self._kind.on_exit is OnExit.RESTART:
            if self._fails_too_often():
                raise ServiceFailed(f"the service of thread {self._thread} failed too often")
            self._start()
            return Verdict.GOES_ON
        self._over = True
        return Verdict.ENDS if self._kind.on_exit is OnExit.END_THREAD else Verdict.GOES_ON

    def _fails_too_often(self) -> bool:
        limits, restarts = self._around.limits, self._restarts
        if restarts is None:
            restarts = RestartIntensity(limits.restart_intensity, limits.restart_period_seconds)
        self._restarts = restarts.after_restart(trio.current_time())
        return self._restarts.exceeded

    def refuse_unclaimed(self, life: Life) -> None:
        """Refuse what was cast, where no service will take it."""
        if self._box is None or self._runner is not None or not len(self._box):
            return
        if life is not Life.OPEN:
            self._box.refuse_all(not_open())
        elif self._over:
            self._box.refuse_all(Rejected("unsupported", "the service of this thread is over"))

    def drop_casts(self) -> None:
        """Refuse what was cast: the thread has ended."""
        if self._box is not None:
            self._box.refuse_all(not_open())

    def _start(self) -> None:
        assert self._kind.service is not None
        assert self._box is not None
        around = self._around
        limits = around.limits
        service = Service(
            runtime=around.runtime,
            thread=self._thread,
            inbox=Inbox(self._box),
            holdings=Holdings(around.leases, self._thread, limits.service_leases),
            deliver=self._deliver,
            records=self._kind.records,
            folding=self._folding,
            ids=around.ids,
            clock=around.clock,
            limits=limits,
        )
        grace = self._kind.grace(limits) + limits.lease_release_seconds
        runner = ServiceRunner(service, self._kind.service, grace, self._mailbox.note)
        self._runner = runner
        self._nursery.start_soon(runner.run)
        self._nursery.start_soon(runner.watch)

    async def _deliver(self, command: Record) -> Result:
        reply = Awaited()
        self._recorded.append(Letter(command, reply))
        self._mailbox.nudge()
        return await reply.result()


def not_open() -> Rejected:
    """Return what is told to whoever casts to a thread that is not there, or has ended."""
    return Rejected("thread_not_found", "no such thread is open: a submit or a record opens it")

"""Running a thread's service: its scope, its grace, and the word that it is over."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import trio
from attrs import frozen

if TYPE_CHECKING:
    from .service import Service

log = logging.getLogger("holdfast")

# The function that is a thread's service: it runs for as long as the thread is active.
ServiceFunction: TypeAlias = "Callable[[Service], Awaitable[None]]"

# What a service, or a handler, does not raise of itself: it comes from whoever ends the program or
# the actor. Ctrl-C is not in it: trio keeps that from system tasks, so it is the service's own.
FROM_OUTSIDE: Final = (trio.Cancelled, GeneratorExit)


@frozen
class ServiceExited:
    """A thread's service is over, or its grace ran out.

    Args:
        runner: which one.
        failed: whether it raised, without having been stopped.
    """

    runner: ServiceRunner
    failed: bool = False


class ServiceRunner:
    """Runs a service once and reports once that it is over.

    Args:
        service: the handle that the function gets.
        function: the service.
        grace: seconds that it has to stop in.
        report: called once, when its scope has exited or the grace ran out.

    Attributes:
        over: it has exited, or was abandoned.
        abandoned: it did not stop, and is left alone.
    """

    def __init__(
        self,
        service: Service,
        function: ServiceFunction,
        grace: float,
        report: Callable[[ServiceExited], None],
    ) -> None:
        self.over = trio.Event()
        self.abandoned = False
        self.grace = grace
        self._service = service
        self._function = function
        self._report = report
        self._scope = trio.CancelScope()
        self._stopping = trio.Event()

    def stop(self) -> None:
        """Cancel the service; its handle does nothing any more (I7)."""
        self._stopping.set()
        self._scope.cancel()  # first: what waits is to be cancelled, and not to fail
        self._service.close()

    @trio.lowlevel.enable_ki_protection  # Ctrl-C is for the program's main task
    async def run(self) -> None:
        """Run the service to its end, within a scope that `stop` cancels.

        Its own failure is reported and goes no further. A cancellation from outside goes through.
        """
        failed = False
        try:
            with self._scope:
                await self._function(self._service)
        except* FROM_OUTSIDE:
            raise
        # The boundary of a service: its supervision policy decides what its failure means (I10).
        except* BaseException as failure:  # noqa: ASYNC103 - what is not its own went on above
            failed = not self._stopping.is_set()
            if failed:
                log.error("the service of thread %s failed", self._service.thread, exc_info=failure)
        self._service.close()
        self._stopping.set()
        if not self.abandoned:
            self.over.set()
            self._report(ServiceExited(self, failed))

    @trio.lowlevel.enable_ki_protection
    async def watch(self) -> None:
        """Abandon the service when it does not stop in its grace.

        Cancellation ends the watch alone.
        """
        await self._stopping.wait()
        with trio.move_on_after(self.grace):
            await self.over.wait()
            return
        self._abandon()

    def _abandon(self) -> None:
        if self.over.is_set():  # it stopped at the same instant
            return
        self.abandoned = True
        log.error(
            "the service of thread %s did not stop within %g s of being cancelled and is abandoned",
            self._service.thread,
            self.grace,
        )
        self._service.abandon()
        self.over.set()
        self._report(ServiceExited(self))

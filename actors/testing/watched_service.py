"""A service under observation: when it runs, what it takes, records and holds, and how it ends."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, Final, cast

from ..actor.kinds import OnExit
from .facts import Fault, Struck
from .service_facts import Counted, Held, LetGo, Noted, ServiceEntered, ServiceExited, Took

if TYPE_CHECKING:
    from ..actor.inbox import Inbox
    from ..actor.kinds import ThreadKind
    from ..actor.leases import Lease
    from ..actor.service import Service
    from ..actor.service_runner import ServiceFunction
    from ..core.casting import Cast
    from ..core.effects import RecordReceipt
    from .process import Process

# How a service ends that was stopped.
STOPPED: Final = ("Cancelled", "ServiceOver")


class WatchedService:
    """A service's handle that notes what is taken, recorded and held."""

    def __init__(self, service: Service, run: int, process: Process) -> None:
        self._service = service
        self._place = (service.thread, run)
        self._process = process
        self.inbox = WatchedInbox(service.inbox, self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._service, name)

    def took(self, cast: Cast) -> None:
        """Note what was taken, and what the projections come to by then."""
        self._process.note(Took(*self._place, cast.data))
        self._count()

    async def record(self, kind: str, data: Any) -> RecordReceipt:
        """See `Service.record`."""
        receipt = await self._service.record(kind, data)
        self._process.note(Noted(*self._place, receipt.position))
        self._count()
        return receipt

    @asynccontextmanager
    async def hold(self, lease: Lease[Any]) -> AsyncIterator[Any]:
        """See `Service.hold`."""
        async with self._service.hold(lease) as resource:
            if resource is None or lease.static is not None:
                yield resource
                return
            self._process.note(Held(*self._place, resource, lease.lasts or math.inf))
            try:
                yield resource
            finally:
                self._process.note(LetGo(*self._place, resource))

    def _count(self) -> None:
        names = self._process.projections_of(self._service.thread)
        states = {name: self._service.projection(name) for name in names}
        if states:
            self._process.note(Counted(*self._place, states))


class WatchedInbox:
    """An inbox that tells what is taken from it."""

    def __init__(self, inbox: Inbox, watched: WatchedService) -> None:
        self._inbox = inbox
        self._watched = watched

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inbox, name)

    def __len__(self) -> int:
        return len(self._inbox)

    async def receive(self) -> Cast:
        """See `Inbox.receive`."""
        cast = await self._inbox.receive()
        self._watched.took(cast)
        return cast

    def __aiter__(self) -> WatchedInbox:
        return self

    async def __anext__(self) -> Cast:
        return await self.receive()


class ServiceWatch:
    """Watches the services of one life of the process.

    Args:
        function: the service under test.
        process: whose.
    """

    def __init__(self, function: ServiceFunction, process: Process) -> None:
        self._function = function
        self._process = process
        self._runs = count(1)
        self._failures: Counter[str] = Counter()

    def claimed(self, thread: str) -> None:
        """Forget the failures of a thread: another activation has begun."""
        del self._failures[thread]

    def of(self, kind: ThreadKind) -> ServiceFunction:
        """Return the service for a kind, noting when it runs and how it ends."""

        async def watched(handle: Service) -> None:
            thread, run = handle.thread, next(self._runs)
            self._process.note(ServiceEntered(thread, run))
            error: str | None = None
            try:
                await self._function(cast("Service", WatchedService(handle, run, self._process)))
            except BaseException as exc:
                error = type(exc).__name__
                raise
            finally:
                self._process.note(ServiceExited(thread, run, error))
                if error not in (None, *STOPPED) and kind.on_exit is OnExit.RESTART:
                    self._failed(thread)

        return watched

    def _failed(self, thread: str) -> None:
        # Whether these are too many in the period is for the runtime to say: it counts them later.
        self._failures[thread] += 1
        if self._failures[thread] > self._process.limits.restart_intensity:
            self._process.strike(Struck(Fault.SERVICE, thread))

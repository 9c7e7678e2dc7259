"""The service as its function holds it: what is cast to the thread, and the way into its log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import trio

from ..core.arguments import shown
from ..core.effects import RecordReceipt
from ..core.record_kinds import RecordKinds, checked_record
from ..errors import InternalError, Rejected, ServiceOver
from .leases import Lease

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from ..core.commands import Record
    from ..core.effects import Result
    from ..delivery.folding import Folding
    from ..limits import Limits
    from ..ports import Clock, Ids
    from ..runtime import Runtime
    from .inbox import Inbox
    from .leases import Holdings

R = TypeVar("R")

# The principal of what a service records.
SERVICE: Final = "service"

# Hands a record to the service's actor, and returns what came of it once it is durable.
Deliver: TypeAlias = Callable[["Record"], Awaitable["Result"]]


class Service:
    """A background task of a thread, handed to the function that is it.

    Every method that does something raises `ServiceOver` once the service was stopped (I7).

    Attributes:
        runtime: where it runs, and so the way to other threads.
        thread: the thread's id.
        inbox: what is cast to the thread.
    """

    def __init__(
        self,
        *,
        runtime: Runtime,
        thread: str,
        inbox: Inbox,
        holdings: Holdings,
        deliver: Deliver,
        records: RecordKinds | None,
        folding: Folding,
        ids: Ids,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self.runtime = runtime
        self.thread = thread
        self.inbox = inbox
        self._holdings = holdings
        self._deliver = deliver
        self._records = records
        self._folding = folding
        self._ids = ids
        self._clock = clock
        self._limits = limits
        self._room = trio.Semaphore(limits.service_records)
        self._open = True

    def now(self) -> float:
        """Return Unix seconds, of the runtime's clock: the `at` of what is recorded now."""
        return self._clock.now()

    def projection(self, name: str) -> Any:
        """Return what a projection of `ThreadKind.projections` comes to: all durable records.

        Returns:
            A copy, which is the caller's own.

        Raises:
            ValueError: where there is none of that name.
        """
        return self._folding.folded.copy_of(name)

    async def record(self, kind: str, data: Any) -> RecordReceipt:
        """Put a fact into the thread's history, and return once it is durable (I4).

        Args:
            kind: the application's own word, one of `ThreadKind.records` where that names any.
            data: anything with a JSON form, of at most `limits.item_bytes` together with the kind.

        Raises:
            ServiceOver: where the service was stopped; it recorded nothing then (I7).
            Rejected: `too_large`, or `bad_request` for what the thread does not take.

        A cancelled call may have recorded it.
        """
        command = checked_record(
            self._records,
            record=self._ids.fresh("r"),
            principal=SERVICE,
            kind=kind,
            data=data,
            limits=self._limits,
        )
        async with self._room:
            self._check_open()
            receipt = await self._delivered(command)
        if not isinstance(receipt, RecordReceipt):
            raise InternalError(f"expected a receipt, got {type(receipt).__name__}")
        return receipt

    def hold(self, lease: Lease[R]) -> AbstractAsyncContextManager[R | None]:
        """Hold a resource from outside for as long as the body runs.

        The static one where the lease has one; otherwise one that is allocated, renewed before it
        runs out, and given back exactly once, however the body, the service, its actor or the
        runtime comes to its end (I11). Where none is had in time the body runs without, and the log
        says so.

        Yields:
            The resource, or None where there is none.

        Raises:
            TypeError: for anything but a `Lease`.
            ServiceOver: where the service was stopped.
            LeaseLost: it could not be renewed; the body was cancelled.
            Rejected: `overloaded`, beyond `limits.service_leases`.

        Cancellation waits for what was lent to be given back, for `limits.lease_release_seconds`.
        """
        if not isinstance(lease, Lease):
            raise TypeError(f"`hold` takes a Lease, not {shown(lease)}")
        self._check_open()
        return self._holdings.hold(lease)

    def close(self) -> None:
        """Have the handle do nothing any more."""
        self._open = False
        self.inbox.close()

    def abandon(self) -> None:
        """Have what the service holds given back: it would not stop, and is left to itself."""
        self.close()
        self._holdings.let_go()

    async def _delivered(self, command: Record) -> Result:
        try:
            return await self._deliver(command)
        except Rejected:
            self._check_open()  # then that is why
            raise

    def _check_open(self) -> None:
        if not self._open:
            raise ServiceOver("this service was stopped")

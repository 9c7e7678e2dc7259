"""Leases: something from outside that a thread's service works with, and that has to be given back.

Each is kept by a task of its own in the runtime's nursery: neither the service's cancellation nor
its thread's crash can come between what was lent and its return (I11).
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import trio
from attrs import field, frozen, validators

from ..core.fields import SECONDS_OR_NONE, is_function
from ..errors import LeaseLost, Rejected

if TYPE_CHECKING:
    from ..limits import Limits

log = logging.getLogger("holdfast")

R = TypeVar("R")

# Of a lease that lasts so long, renewing it is tried so often: two tries may fail.
_RENEWALS: Final = 3

_A_FUNCTION: Final = validators.optional(is_function)


def _seconds() -> Any:
    return field(default=None, validator=SECONDS_OR_NONE)


@frozen(kw_only=True)
class Lease(Generic[R]):
    """How to come by a resource, and how to give it back.

    Args:
        allocate: gets one, given the thread's id. It is cancelled only when `allocate_seconds` have
            passed or the process shuts down, and has to undo then what it had begun.
        release: gives it back. Called exactly once for each that `allocate` returned (I11).
        renew: tells its lender that it is still in use.
        lasts: seconds after which the lender takes it back where it was not renewed; given together
            with `renew`, which is called three times in that time.
        static: one that is there anyway: it wins, and is never released.
        allocate_seconds, release_seconds: what each may take; None takes the limit's.

    Raises:
        ValueError: where one of `allocate` and `release`, or of `renew` and `lasts`, is missing, or
            seconds are not above 0.
        TypeError: for what is no function, or no number of seconds.
    """

    allocate: Callable[[str], Awaitable[R]] | None = field(default=None, validator=_A_FUNCTION)
    release: Callable[[R], Awaitable[None]] | None = field(default=None, validator=_A_FUNCTION)
    renew: Callable[[R], Awaitable[None]] | None = field(default=None, validator=_A_FUNCTION)
    lasts: float | None = _seconds()
    static: R | None = None
    allocate_seconds: float | None = _seconds()
    release_seconds: float | None = _seconds()

    def __attrs_post_init__(self) -> None:
        if (self.allocate is None) != (self.release is None):
            raise ValueError("a lease has both allocate and release, or neither")
        if (self.renew is None) != (self.lasts is None):
            raise ValueError("a lease has both renew and lasts, or neither")


class Leases:
    """All leases of a runtime.

    Args:
        nursery: where they are kept.
        limits: the bounds in force.
    """

    def __init__(self, nursery: trio.Nursery, limits: Limits) -> None:
        self._nursery = nursery
        self._limits = limits
        self._kept: dict[Keeper, None] = {}

    def __len__(self) -> int:
        """How many are asked for, lent, or being given back."""
        return len(self._kept)

    def keep(self, lease: Lease[Any], thread: str) -> Keeper:
        """Ask for a resource; the keeper says when it is there."""
        keeper = Keeper(lease, thread, self._limits)
        self._kept[keeper] = None
        self._nursery.start_soon(self._run, keeper)
        return keeper

    async def release_all(self) -> None:
        """Give everything back; what is asked for and does not come in time is given up.

        Returns after twice `limits.lease_release_seconds` at the most. Cancellation ends the wait;
        what was lent is given back all the same.
        """
        for keeper in list(self._kept):
            keeper.let_go()
        await self._wait_a_little()
        for keeper in list(self._kept):
            keeper.give_up()
        await self._wait_a_little()

    async def _wait_a_little(self) -> None:
        with trio.move_on_after(self._limits.lease_release_seconds):
            for keeper in list(self._kept):
                await keeper.gone.wait()

    @trio.lowlevel.enable_ki_protection
    async def _run(self, keeper: Keeper) -> None:
        try:
            await keeper.run()
        finally:
            del self._kept[keeper]


class Keeper:
    """Keeps one lease from the asking to the giving back.

    Attributes:
        ready: it is known whether there is a resource.
        taken: whether there is, or was.
        resource: what was lent.
        lost: it ran out, not being renewed.
        body: what is cancelled then.
        gone: it was given back, or there never was one.
    """

    def __init__(self, lease: Lease[Any], thread: str, limits: Limits) -> None:
        self.lease = lease
        self.thread = thread
        self.allocate_seconds = lease.allocate_seconds or limits.lease_allocate_seconds
        self.release_seconds = lease.release_seconds or limits.lease_release_seconds
        self.ready = trio.Event()
        self.gone = trio.Event()
        self.taken = self.lost = False
        self.resource: Any = None
        self.body = trio.CancelScope()
        self._unwanted = trio.Event()
        self._asking = trio.CancelScope()
        self._renewing = trio.CancelScope()

    def let_go(self) -> None:
        """Give the resource back, now or as soon as it comes; the first call counts."""
        self._unwanted.set()
        self._renewing.cancel()

    def give_up(self) -> None:
        """Ask no longer for what did not come yet."""
        self._asking.cancel()

    async def run(self) -> None:
        """Ask, keep, and give back. Raises nothing of the lender's; the log has it.

        A cancellation from outside goes through, once the resource was given back.
        """
        try:
            await self._ask()
            if self.taken:
                try:
                    await self._keep()
                finally:
                    await self._give_back()  # noqa: ASYNC102 - it shields itself, and has a bound
        finally:
            self.ready.set()
            self.gone.set()

    async def _ask(self) -> None:
        assert self.lease.allocate is not None
        self._asking.deadline = trio.current_time() + self.allocate_seconds
        try:
            with self._asking:
                self.resource = await self.lease.allocate(self.thread)
                self.taken = True
        except Exception:  # the lender's failure; the service does without
            log.warning("no lease for thread %s", self.thread, exc_info=True)
        else:
            if not self.taken:
                log.warning("no lease for thread %s in time", self.thread)
        self.ready.set()

    async def _keep(self) -> None:
        if self.lease.lasts is None:
            await self._unwanted.wait()
            return
        with self._renewing:
            await self._renew_until_lost(self.lease.lasts)
            self.lost = True
            self.body.cancel()
        await self._unwanted.wait()

    async def _renew_until_lost(self, lasts: float) -> None:
        expires = trio.current_time() + lasts
        while (now := trio.current_time()) < expires:
            await trio.sleep_until(min(now + lasts / _RENEWALS, expires))
            asked_at = trio.current_time()
            deadline = min(asked_at + lasts / _RENEWALS, expires)
            if asked_at < expires and await self._renew(deadline):
                expires = asked_at + lasts
        log.error("the lease of thread %s ran out", self.thread)

    async def _renew(self, deadline: float) -> bool:
        assert self.lease.renew is not None
        try:
            with trio.move_on_at(deadline):
                await self.lease.renew(self.resource)
                return True
        except Exception:  # the lender's failure; there are further tries
            log.warning("renewing the lease of thread %s failed", self.thread, exc_info=True)
        return False

    async def _give_back(self) -> None:
        assert self.lease.release is not None
        try:
            with trio.move_on_after(self.release_seconds, shield=True) as scope:
                await self.lease.release(self.resource)
        except Exception:  # the lender's failure; nothing more can be done here
            log.exception("giving the lease of thread %s back failed", self.thread)
        else:
            if scope.cancelled_caught:
                log.error("giving the lease of thread %s back took too long", self.thread)


@asynccontextmanager
async def held(keeper: Keeper) -> AsyncIterator[Any]:
    """Wait for a lease, and have it given back on the way out; None where there is none in time.

    Raises:
        LeaseLost: it ran out; the body was cancelled.

    Cancellation waits for what was asked for or lent to be given back, for the release's seconds;
    what is still asked for then is given back by its keeper when it comes.
    """
    try:
        with trio.move_on_after(keeper.allocate_seconds):
            await keeper.ready.wait()
        if not keeper.taken:
            keeper.let_go()
            yield None
            return
        with keeper.body:
            yield keeper.resource
        if keeper.body.cancelled_caught:
            raise LeaseLost(f"the lease of thread {keeper.thread} ran out")
    finally:
        keeper.let_go()
        with trio.move_on_after(keeper.release_seconds, shield=True):
            await keeper.gone.wait()


class Holdings:
    """The leases of one service.

    Args:
        leases: where they are kept.
        thread: whose.
        most: how many at a time.
    """

    def __init__(self, leases: Leases, thread: str, most: int) -> None:
        self._leases = leases
        self._thread = thread
        self._most = most
        self._keepers: dict[Keeper, None] = {}

    @asynccontextmanager
    async def hold(self, lease: Lease[R]) -> AsyncIterator[R | None]:
        """Hold a resource for as long as the body runs; in all as `Service.hold`."""
        if lease.static is not None or lease.allocate is None:
            yield lease.static
            return
        if len(self._keepers) >= self._most:
            raise Rejected("overloaded", f"a service has at most {self._most} leases at a time")
        keeper = self._leases.keep(lease, self._thread)
        self._keepers[keeper] = None
        try:
            async with held(keeper) as resource:
                yield resource
        finally:
            del self._keepers[keeper]

    def let_go(self) -> None:
        """Give everything back, because the service would not stop and is left to itself."""
        for keeper in self._keepers:
            keeper.let_go()

"""A lender: lends what services lease, each thing once, and takes drawn times over it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import trio
from attrs import evolve

from ..actor.leases import Lease
from .schedule import TICK
from .service_facts import LeaseRenewed, LeaseReturned, LeaseTaken, RenewalAsked

if TYPE_CHECKING:
    from .facts import Fact
    from .world import World

# Seconds that a brief lease lasts without being renewed: shorter than many a service runs.
LASTS: Final = 24 * TICK
# Whether a lease is renewed; one that was refused once is never renewed again.
_RENEWED: Final = (True, True, True, False)


class Lender:
    """Whoever lends to the services of one process. What a killed process has runs out by itself.

    Args:
        world: where it is.
        note: notes a fact of the process that it lends to.

    Attributes:
        lease: what is lent until it is given back.
        brief: what runs out unless it is renewed, and is not always renewed.
    """

    def __init__(self, world: World, note: Callable[[Fact], None]) -> None:
        self._world = world
        self._note = note
        self._refused: set[str] = set()
        self._until: dict[str | None, float] = {}
        self.lease: Lease[str] = Lease(allocate=self._allocate, release=self._release)
        self.brief: Lease[str] = evolve(
            self.lease, allocate=self._allocate_briefly, renew=self._renew, lasts=LASTS
        )

    async def _allocate(self, thread: str) -> str:
        await self._world.pause(f"lender asked for {thread}")
        lent = self._world.fresh("lease")
        self._note(LeaseTaken(thread, lent))
        try:
            await self._world.pause(f"lender answers {thread}")
        except BaseException:  # cut off: as the contract of `allocate` has it, it undoes that
            self._note(LeaseReturned(lent))
            raise
        return lent

    def ran_out(self, lent: str | None) -> bool:
        """Say whether a brief lease is over by now, not having been renewed."""
        return self._until.get(lent, math.inf) <= trio.current_time()

    async def _allocate_briefly(self, thread: str) -> str:
        lent = await self._allocate(thread)
        self._until[lent] = trio.current_time() + LASTS
        return lent

    async def _renew(self, lent: str) -> None:
        until = trio.current_time() + LASTS
        self._note(RenewalAsked(lent))
        await self._world.pause(f"lender is asked to renew {lent}")
        if lent in self._refused or not self._world.delays.choose(_RENEWED):
            self._refused.add(lent)
            raise LookupError(f"{lent} is wanted elsewhere")
        self._until[lent] = until
        self._note(LeaseRenewed(lent))

    async def _release(self, lent: str) -> None:
        try:
            await self._world.pause(f"lender is given {lent}")
        finally:  # also where nobody waits for it any longer
            self._note(LeaseReturned(lent))

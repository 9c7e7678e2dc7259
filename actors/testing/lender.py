"""A lender: lends what services lease, each thing once, and takes drawn times over it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..actor.leases import Lease
from .service_facts import LeaseReturned, LeaseTaken

if TYPE_CHECKING:
    from .facts import Fact
    from .world import World


class Lender:
    """Whoever lends to the services of one process. What a killed process has runs out by itself.

    Args:
        world: where it is.
        note: notes a fact of the process that it lends to.
    """

    def __init__(self, world: World, note: Callable[[Fact], None]) -> None:
        self._world = world
        self._note = note
        self.lease: Lease[str] = Lease(allocate=self._allocate, release=self._release)

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

    async def _release(self, lent: str) -> None:
        try:
            await self._world.pause(f"lender is given {lent}")
        finally:  # also where nobody waits for it any longer
            self._note(LeaseReturned(lent))

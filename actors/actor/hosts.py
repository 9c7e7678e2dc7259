"""What runs for one activation: its turns, and its service where the kind has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from .service_host import ServiceHost
from .turn_host import TurnHost

if TYPE_CHECKING:
    import trio

    from ..core.commands import Ending


@define(eq=False)
class Hosts:
    """The service and the turns of one activation.

    Args:
        thread: the thread's id.
        service: runs its service.
        turns: runs its turns.
    """

    thread: str
    service: ServiceHost
    turns: TurnHost

    def open(self, nursery: trio.Nursery) -> None:
        """Take the nursery that both run in."""
        self.service.open(nursery)
        self.turns.open(nursery)

    def handling(self) -> tuple[str, str]:
        """Name the thread and the turn, or the service, that runs or did not stop."""
        return self.thread, self.turns.turn or "service"

    @property
    def running(self) -> bool:
        """Whether a handler or the service runs."""
        return self.turns.turn is not None or self.service.running

    @property
    def stranded(self) -> bool:
        """Whether a handler or the service would not stop, and was abandoned."""
        return self.service.abandoned or self.turns.abandoned

    @property
    def grace(self) -> float:
        """Seconds that what runs has to stop in, at the most."""
        return max(self.service.grace, self.turns.grace)

    async def wind_down(self, ending: Ending) -> bool:
        """Stop turn and service, and wait for both or their grace; True where one was abandoned.

        What the turn ended as is not recorded: the next activation settles it from disk (I9).
        Cancellation ends the wait; both are stopped all the same.
        """
        self.turns.interrupt(ending)
        self.service.stop()
        await self.turns.stopped()
        await self.service.stopped()
        return self.stranded

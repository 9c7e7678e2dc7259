"""What runs for one activation: its turns, and its service where the kind has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .service_host import ServiceHost
from .turn_host import TurnHost

if TYPE_CHECKING:
    import trio

    from ..core.commands import Ending
    from ..delivery.folding import Folding
    from .activation import Surroundings
    from .committer import Committer
    from .inbox import CastBox
    from .kinds import ThreadKind
    from .mailbox import Mailbox


class Hosts:
    """The service and the turns of one activation.

    Args:
        thread: the thread's id.
        kind: its handler, service and policies.
        box: what is cast to it; None where the kind has no service.
        around: journal, limits and the runtime.
        folding: what the thread's records come to.
        mailbox: the actor's, who is told what is over.
        committer: who is told that a turn has said something.
    """

    __slots__ = ("_thread", "service", "turns")

    def __init__(
        self,
        thread: str,
        kind: ThreadKind,
        box: CastBox | None,
        around: Surroundings,
        folding: Folding,
        mailbox: Mailbox,
        committer: Committer,
    ) -> None:
        self._thread = thread
        self.service = ServiceHost(thread, kind, box, around, folding, mailbox)
        self.turns = TurnHost(thread, kind, around, folding, mailbox, committer)

    def open(self, nursery: trio.Nursery) -> None:
        """Take the nursery that both run in."""
        self.service.open(nursery)
        self.turns.open(nursery)

    def handling(self) -> tuple[str, str]:
        """Name the thread and the turn, or the service, that runs or did not stop."""
        return self._thread, self.turns.turn or "service"

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
        """
        self.turns.interrupt(ending)
        self.service.stop()
        await self.turns.stopped()
        await self.service.stopped()
        return self.stranded

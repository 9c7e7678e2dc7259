"""What each request of a page has: who makes it, and of which life of the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from actors.testing.process import Process
from actors.testing.wire_facts import Connected, Delivered, Sent

from .wire_steps import Surroundings

if TYPE_CHECKING:
    from actors.testing.facts import Called, Fact
    from actors.testing.wire_facts import WireFact

    from ..exchange import Request, Response


@frozen
class PageRequest:
    """One request, which counts as a connection of its own.

    Args:
        number: of the connection.
        client, principal: who makes it.
        surroundings: what the clients share.
        process: the life of the server that is asked.
    """

    number: int
    client: int
    principal: str
    surroundings: Surroundings
    process: Process

    def note(self, fact: Fact | WireFact) -> None:
        """Note what was seen of the request."""
        self.process.note(fact)

    def begin(self, called: Called) -> None:
        """Note what is asked."""
        self.note(Connected(self.number, self.client, self.principal))
        self.note(called)
        self.note(Sent(self.number, called.call))

    def deliver(self, thread: str, type: str) -> None:
        """Note what of a thread was put on the connection."""
        self.note(Delivered(self.number, thread, type))

    def bearer(self) -> tuple[str, str]:
        """Return the header that says who asks."""
        return ("authorization", f"Bearer {self.surroundings.token(self.principal, self.number)}")

    async def answer(self, request: Request) -> Response:
        """Return what the server answers."""
        return await self.surroundings.answer(request)

    async def pause(self) -> None:
        """Wait for one's turn; see `World.pause`."""
        await self.surroundings.world.pause()

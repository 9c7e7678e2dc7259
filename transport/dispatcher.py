"""Between a client's callers and its connections: what the server says reaches who waits for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import trio

from actors.errors import ClientClosed, HoldfastError, OutcomeUnknown

from .calls import Calls
from .following import Following
from .wire.client_events import Answered, Deliver, NoAnswer, Refused
from .wire.client_messages import Attach, Cast, Hello, Pong, Threads
from .wire.server_messages import ErrorMessage, Goaway, StreamMessage, Welcome

if TYPE_CHECKING:
    from actors.limits import Limits

    from .wire.client_protocol import ClientProtocol

# What the server says of the connection itself.
Notice: TypeAlias = Welcome | Goaway | ErrorMessage


class Dispatcher:
    """What a client asked and follows, from one connection to the next.

    Args:
        protocol: the client's side of the wire.
        limits: the bounds in force.
        random: returns a number in [0, 1).

    Attributes:
        calls: the commands that wait for an answer.
        following: the threads that are followed.
    """

    def __init__(
        self, protocol: ClientProtocol, limits: Limits, random: Callable[[], float]
    ) -> None:
        self.protocol = protocol
        self.calls = Calls(protocol, self._wake)
        self.following = Following(protocol, limits, random, self._wake)
        self._news = trio.lowlevel.ParkingLot()
        self._closed: tuple[str, int | None] | None = None

    def check_open(self) -> None:
        """Raises ClientClosed where the client is closed."""
        if self._closed is not None:
            raise ClientClosed(*self._closed)

    # For the connection.

    def begin(self, nursery: trio.Nursery) -> None:
        """Begin a connection; its tasks may run in `nursery` as long as it lasts."""
        self.following.begin(nursery)
        self.protocol.connected()
        self.calls.ping_again()

    def cast(self, message: Hello | Cast) -> bool:
        """Say something that is not replied to, where there is a connection; see its protocol."""
        sent = self.protocol.cast(message)
        self._wake()
        return sent

    async def frames(self) -> list[str | bytes]:
        """Wait for what is to be sent next, and return it, once.

        Cancellation takes none.
        """
        while not (frames := self.protocol.frames()):
            await self._news.park()
        return frames

    def receive(self, text: str) -> list[Notice]:
        """Take a text frame, and return what it says of the connection.

        Raises:
            RemoteProtocolError: the server broke the protocol: drop the connection.
        """
        notices: list[Notice] = []
        for event in self.protocol.receive(text):
            if isinstance(event, Deliver):
                notices += self._deliver(event.message, len(text))
            else:
                self._settle(event)
        self._wake()
        return notices

    def lost(self, reason: str, code: int | None = None, *, final: bool = False) -> None:
        """End a connection, or note that none could be had.

        Args:
            reason: why, in a sentence for a person.
            code: of the close frame; None where there was none.
            final: whether there will be no other, whatever the code says.
        """
        self.following.lost()
        for event in self.protocol.connection_lost(code, final=final):
            if isinstance(event, NoAnswer) and not event.sent:
                self.calls.settle(event.command.id, ClientClosed(reason, code))
            elif not isinstance(event, Deliver):
                self._settle(event)

    def close(self, reason: str, code: int | None = None) -> None:
        """Fail every caller, present and future; the first call counts."""
        if self._closed is None:
            self._closed = reason, code
            self.lost(reason, code, final=True)
            self.calls.close(self._failure)
            self.following.close(self._failure)

    def _failure(self) -> HoldfastError:
        assert self._closed is not None
        return ClientClosed(*self._closed)

    def _wake(self) -> None:
        self._news.unpark_all()

    def _deliver(
        self, message: StreamMessage | Welcome | Goaway | Pong | ErrorMessage, size: int
    ) -> list[Notice]:
        match message:
            case Welcome() | Goaway() | ErrorMessage():
                return [message]
            case Pong(id=label):
                self.calls.pong(label)
            case _:
                self.following.heed(message, size)
        return []

    def _settle(self, event: Answered | Refused | NoAnswer) -> None:
        command = event.command
        match event:
            case Answered(body=body):
                self.calls.settle(command.id, body)
            case Refused(error=error) if isinstance(command, Attach):
                self.following.refused(command.thread, error)
            case Refused(error=error):
                self.calls.settle(command.id, error)
            case NoAnswer():
                thread = None if isinstance(command, Threads) else command.thread
                unknown = OutcomeUnknown(type(command).__name__.lower(), thread)
                self.calls.settle(command.id, unknown)

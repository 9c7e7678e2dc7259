"""The calls of a client that wait for the server's answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import trio
from attrs import define, field

from .wire.client_messages import Ping

if TYPE_CHECKING:
    from actors.errors import HoldfastError

    from .wire.client_messages import Command
    from .wire.client_protocol import ClientProtocol
    from .wire.replies import ReplyBody

R = TypeVar("R")


@define(eq=False)
class _Call:
    """One task that waits."""

    _answered: trio.Event = field(factory=trio.Event, init=False)
    _answer: object = field(default=None, init=False)

    def settle(self, answer: object) -> None:
        if not self._answered.is_set():
            self._answer = answer
            self._answered.set()

    async def answer(self) -> object:
        await self._answered.wait()
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


class Calls:
    """Brings each answer to the call that waits for it.

    Args:
        protocol: what commands are sent with.
        on_frames: called when the protocol has something to send.
    """

    def __init__(self, protocol: ClientProtocol, on_frames: Callable[[], None]) -> None:
        self._protocol = protocol
        self._on_frames = on_frames
        self._calls: dict[str, _Call] = {}
        self._pings: dict[str, _Call] = {}

    async def ask(self, command: Command, reply: type[R]) -> R:
        """Send a command and wait for its answer, across connections.

        Args:
            command: with a label of the protocol's.
            reply: the class of the answer.

        Raises:
            Rejected: the command was refused, or could not be sent.
            OutcomeUnknown: it is not safe to send twice, and the connection was lost over it.
            ClientClosed: it was not sent and never will be.
            TypeError: the caller's own data has no JSON form.

        A cancelled call is not sent, or not again; what was sent may be carried out.
        """
        self._protocol.send(command)
        self._on_frames()
        call = self._calls[command.id] = _Call()
        try:
            answer = await call.answer()
        finally:
            del self._calls[command.id]
            self._protocol.withdraw(command.id)
        assert isinstance(answer, reply)  # as the protocol read it
        return answer

    async def ping(self) -> None:
        """Ask for a sign of life and wait for it, across connections.

        Raises:
            ClientClosed: there is no connection and there will be none.

        Cancellation leaves nothing behind.
        """
        label = self._protocol.label()
        call = self._pings[label] = _Call()
        self._protocol.cast(Ping(label))
        self._on_frames()
        try:
            await call.answer()
        finally:
            del self._pings[label]

    def settle(self, label: str, answer: ReplyBody | HoldfastError) -> None:
        """Bring the answer to a command, or the error that there is instead."""
        call = self._calls.get(label)
        if call is not None:
            call.settle(answer)

    def pong(self, label: str | None) -> None:
        """Bring the answer to a ping."""
        call = self._pings.get(label) if label is not None else None
        if call is not None:
            call.settle(None)

    def ping_again(self) -> None:
        """Send the pings that are unanswered, on a new connection."""
        for label in self._pings:
            self._protocol.cast(Ping(label))
        self._on_frames()

    def close(self, failure: Callable[[], HoldfastError]) -> None:
        """Fail the pings; what becomes of the commands, the protocol says."""
        for call in self._pings.values():
            call.settle(failure())

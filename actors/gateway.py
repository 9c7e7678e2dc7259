"""What a server of connections reaches threads by: their ids, where handles would cost too much."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .actor.kinds import ThreadKind
    from .actor.reply import Reply
    from .core.casting import Waiting
    from .core.commands import Command
    from .core.effects import Result
    from .delivery.subscription import Subscription
    from .timers import Timers


class Gateway(Protocol):
    """The threads of a runtime, as a transport knows them. `Runtime.gateway` is one.

    A principal is who asks, as the transport has made sure of: nothing is checked here. What a
    thread is asked is decided by its kind, whoever asks.
    """

    @property
    def timers(self) -> Timers:
        """Timers of those who wait, nearly always in vain, such as for a peer's next ping."""
        ...

    def post(
        self, thread: str, command: Command, reply: Reply, principal: str | None = None
    ) -> None:
        """Hand a command to the thread's actor, activating it where it is not there.

        Args:
            thread: the thread's id.
            command: what is asked.
            reply: gets the one answer, perhaps before this returns.
            principal: who asks; None where it is the runtime itself.
        """
        ...

    async def ask(self, thread: str, command: Command, principal: str | None = None) -> Result:
        """Post a command and wait for its answer.

        Raises:
            Rejected: where the command was refused.

        Cancellation leaves the command to its fate: it may or may not take effect.
        """
        ...

    def cast(self, thread: str, waiting: Waiting) -> bool:
        """Hand something ephemeral to the thread's service, activating it where it is not there.

        Args:
            thread: the thread's id.
            waiting: the cast, and who is told where it turns out later that nobody will take it.

        Returns:
            Whether it waits for the service; False where the overflow policy dropped it.

        Raises:
            Rejected: `unsupported` where the thread has no service, `too_large` or `overloaded`
                where the inbox does not take it, and what every command may raise.
        """
        ...

    def subscribe(
        self,
        thread: str,
        principal: str | None,
        on_ready: Callable[[Subscription], None] | None = None,
    ) -> Subscription:
        """Return a subscription that is yet to be attached; it activates nothing (I5).

        Args:
            thread: the thread's id.
            principal: who is attached; None where nobody is to be counted.
            on_ready: as `Subscription`'s.
        """
        ...

    def kind(self, thread: str) -> ThreadKind:
        """Return a thread's kind, to check at the edge what is asked of it.

        Raises:
            Rejected: `internal`, where the application does not say.
        """
        ...

    def is_failed(self, thread: str) -> bool:
        """Say whether a thread is quarantined."""
        ...

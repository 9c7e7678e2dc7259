"""What a session needs of a connection: messages in, text out, and three ways to end it.

`WebSocketLink` is the real one, `transport.testing.memory` has one without sockets, and both pass
`transport.testing.link_contract`. The rules that hold for every link:

- Exactly one task receives, and it never stops for long: pings are answered, pongs noticed and
  close frames read by the same reader that delivers messages, and it waits for the receiver.
- Any number of tasks may send; messages never mix, and leave in the order of the calls.
- A send that was cancelled or ran out of time may have left a torn frame. It has aborted the link.
- Every wait on the peer is bounded by a figure in `Limits` (I12, I20), but for `receive`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, runtime_checkable

from actors.errors import HoldfastError

if TYPE_CHECKING:
    from .exchange import Request


# Close codes of RFC 6455, which a link itself gives or reports; the protocol's are in `wire`.
NORMAL: Final = 1000
GOING_AWAY: Final = 1001
PROTOCOL_VIOLATION: Final = 1002
NO_STATUS: Final = 1005
ABNORMAL: Final = 1006
INVALID_TEXT: Final = 1007
TOO_BIG: Final = 1009

# What a peer says that leaves on purpose; one that breaks off may be back in a moment.
GOODBYES: Final = frozenset({NORMAL, GOING_AWAY, NO_STATUS})


class LinkClosed(HoldfastError):
    """The link is closed, or closing, and carries nothing more.

    Args:
        code: the close code; 1005 where the peer gave none, 1006 where the connection broke, was
            aborted, or took nothing for `Limits.slow_seconds`.
        reason: the text that came with it, at most 123 bytes; often empty.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"link closed with {code}" + (f": {reason}" if reason else ""))
        self.code = code
        self.reason = reason


class ConnectFailed(HoldfastError):
    """No link came about.

    Args:
        message: why, in a sentence for a person.
        status: the HTTP status that the server refused with; None where it never answered.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Link(Protocol):
    """One connection that carries messages both ways; the module's text has the common rules."""

    @property
    def peer(self) -> str:
        """The other side's address, as `127.0.0.1:51234`, or `unknown`; for logs."""
        ...

    async def receive(self) -> str | bytes:
        """Return the next message: str for text, bytes for binary, at most `Limits.frame_bytes`.

        What the peer sent before it closed is still delivered. Cancellation loses nothing.

        Raises:
            LinkClosed: no message follows. After `aclose` and `abort` of this side it is raised at
                once, also by a call that is waiting.
        """
        ...

    async def send_text(self, text: bytes | str) -> None:
        """Send one text message, and return once the transport has taken all of it.

        Cancellation aborts the link: nobody knows how much of the frame went out.

        Args:
            text: UTF-8, as bytes where it is encoded already (that is the cheap form).

        Raises:
            LinkClosed: also where the peer took nothing for `Limits.slow_seconds`, which aborts.
        """

    async def send_binary(self, data: bytes) -> None:
        """Send one binary message, as only a client does.

        Returns and raises as `send_text`, and a cancelled call is as one of that.
        """

    async def ping(self) -> None:
        """Ask whether the peer is there, and return when it has answered.

        Cancellation is harmless, unless it hits the sending itself: then it aborts the link.

        Raises:
            trio.TooSlowError: no answer within `Limits.heartbeat_seconds`.
            LinkClosed: the link is closed.
        """

    async def aclose(self, code: int = NORMAL, reason: str = "") -> None:
        """Say goodbye and close; after `Limits.close_seconds` at the latest without an answer.

        Closing twice is closing once. Raises nothing. Cancellation aborts the link.

        Args:
            code: the close code that the peer sees, 1000 or 4000–4999.
            reason: at most 123 bytes of UTF-8.
        """

    def abort(self) -> None:
        """Cut the connection now, without a close frame. Never waits, never fails."""


@runtime_checkable
class SendsNow(Protocol):
    """What a server's link may be able to do besides: send without a task that waits."""

    def send_text_now(self, text: bytes) -> bool:
        """Send a text message as far as that goes without waiting. Never raises.

        Args:
            text: as of `send_text`.

        Returns:
            Whether all of it went. What did not goes out with `flush`, which has to be called
            next, and in any case before whatever else is sent.
        """
        ...

    async def flush(self) -> None:
        """Send what `send_text_now` could not; returns and raises as `send_text`."""


@runtime_checkable
class HearsNow(Protocol):
    """What a server's link may be able to do besides: show a message to who need not wait for it.

    To hand a message to another task takes a turn of the loop, and most are dealt with at once.
    """

    def hear(self, listener: Callable[[str], bool]) -> None:
        """Show each text message to `listener` where a call of `receive` waits for it.

        Args:
            listener: says at once whether it took the message, and never raises; `receive` returns
                what it did not take. It gets none while an earlier one is on its way to `receive`,
                and none once the link closes.
        """
        ...


# Serves one accepted connection. Returning closes it with 1000, raising with 4005; being cancelled
# cuts it.
ServeLink: TypeAlias = "Callable[[Link, Request], Awaitable[None]]"

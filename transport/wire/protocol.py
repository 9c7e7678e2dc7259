"""The server's side of one connection, without I/O: frames in; messages, answers and a close out.

Time, authentication and threads are the session's. What is decided here is what may be said when.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from attrs import frozen

from actors.limits import DEFAULT_LIMITS, Limits

from .client_messages import Attach, ClientMessage, Detach, Hello, Ping, Pong
from .close_codes import CloseCode
from .codec import BadMessage, decode_cast, decode_client
from .server_messages import PROTOCOL, ErrorMessage, ServerMessage, Welcome


class State(enum.Enum):
    """Where a connection stands."""

    AWAITING_HELLO = "awaiting hello"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


class Happening(enum.Enum):
    """What moves a connection from state to state."""

    AUTHENTICATED = "authenticated"
    CLOSE = "close"
    GONE = "gone"


# Total: the session and the peer race, so everything may happen in every state.
TRANSITIONS: Final[Mapping[State, Mapping[Happening, State]]] = {
    State.AWAITING_HELLO: {
        Happening.AUTHENTICATED: State.OPEN,
        Happening.CLOSE: State.CLOSING,
        Happening.GONE: State.CLOSED,
    },
    State.OPEN: {
        Happening.AUTHENTICATED: State.OPEN,
        Happening.CLOSE: State.CLOSING,
        Happening.GONE: State.CLOSED,
    },
    State.CLOSING: {
        Happening.AUTHENTICATED: State.CLOSING,
        Happening.CLOSE: State.CLOSING,
        Happening.GONE: State.CLOSED,
    },
    State.CLOSED: dict.fromkeys(Happening, State.CLOSED),
}


@frozen
class Received:
    """The client said something that the session has to see to."""

    message: ClientMessage


@frozen
class Send:
    """Send this."""

    message: ServerMessage


@frozen
class Close:
    """Close the connection with this code; nothing follows it, and it comes once."""

    code: CloseCode


Output: TypeAlias = Received | Send | Close

# What a connection is asked to do of itself; whatever else is said goes to a thread.
_CHANGE_PROTOCOL: Final = frozenset((Hello, Attach, Detach, Ping, Pong))


class ServerProtocol:
    """What one connection has said and may say.

    A call returns what to do, in order. After `Received(Hello)` the session authenticates and calls
    `authenticated` or `refused` before it passes on the next frame, so that the commands behind a
    hello find the connection open.

    Args:
        instance: names this run of the server, for the welcome.
        limits: the bounds in force.
    """

    __slots__ = ("_attached", "_bad_in_a_row", "_instance", "_limits", "_principal", "_state")

    def __init__(self, instance: str, limits: Limits = DEFAULT_LIMITS) -> None:
        self._instance = instance
        self._limits = limits
        self._state = State.AWAITING_HELLO
        self._principal: str | None = None
        self._bad_in_a_row = 0
        self._attached: dict[str, Attach] = {}

    @property
    def state(self) -> State:
        """Where the connection stands."""
        return self._state

    @property
    def attached(self) -> frozenset[str]:
        """The threads that it is attached to, or asked to be; at most `Limits.attachments`."""
        return frozenset(self._attached)

    def receive_text(self, text: str) -> list[Output]:
        """Take a text frame of any content."""
        return self._receive(lambda: decode_client(text, self._limits))

    def take_text(self, text: str) -> ClientMessage | None:
        """Return what a text frame says, where taking it changes nothing here.

        None for whatever else it says, and in any state but the open one: `receive_text` has to be
        told instead.
        """
        if self._state is not State.OPEN:
            return None
        try:
            message = decode_client(text, self._limits)
        except BadMessage:
            return None
        if type(message) in _CHANGE_PROTOCOL:
            return None
        self._bad_in_a_row = 0
        return message

    def receive_bytes(self, frame: bytes) -> list[Output]:
        """Take a binary frame of any content."""
        return self._receive(lambda: decode_cast(frame, self._limits))

    def authenticated(self, principal: str) -> list[Output]:
        """Note who the client is: by the handshake, because nothing is required, or by a hello.

        Each time is answered with a welcome. A hello of another principal than the connection's
        closes it.
        """
        if self._principal not in (None, principal):
            return self.refused()
        self._principal = principal
        self._move(Happening.AUTHENTICATED)
        return [Send(self._welcome())] if self._state is State.OPEN else []

    def refused(self) -> list[Output]:
        """Note that the credentials are no good."""
        return self.close(CloseCode.BAD_CREDENTIALS)

    def detached(self, attach: Attach) -> None:
        """Note that this attach was refused, or its attachment is over; a later one stays."""
        if self._attached.get(attach.thread) is attach:
            del self._attached[attach.thread]

    def close(self, code: CloseCode) -> list[Output]:
        """Close, unless that has begun."""
        closes = self._state in (State.AWAITING_HELLO, State.OPEN)
        self._move(Happening.CLOSE)
        return [Close(code)] if closes else []

    def connection_lost(self) -> None:
        """Note that the connection is gone, however that came."""
        self._move(Happening.GONE)
        self._attached.clear()

    def _move(self, happening: Happening) -> None:
        self._state = TRANSITIONS[self._state][happening]

    def _receive(self, decode: Callable[[], ClientMessage]) -> list[Output]:
        if self._state in (State.CLOSING, State.CLOSED):
            return []
        try:
            message = decode()
        except BadMessage as exc:
            return self._bad(exc)
        self._bad_in_a_row = 0
        return self._good(message)

    def _bad(self, bad: BadMessage) -> list[Output]:
        if bad.code == "too_large":
            return self.close(CloseCode.COMMAND_TOO_LARGE)
        self._bad_in_a_row += 1
        if self._bad_in_a_row > self._limits.bad_messages:
            return self.close(CloseCode.PROTOCOL_ERROR)
        return [Send(ErrorMessage(bad.code, bad.message, bad.retryable, bad.id))]

    def _good(self, message: ClientMessage) -> list[Output]:
        match message:
            case Ping(id):
                return [Send(Pong(id))]
            case Pong():
                return []
            case Hello():
                return [Received(message)]
        if self._state is State.AWAITING_HELLO:
            return [Send(_say_hello_first(message))]
        return self._note_attachment(message)

    def _note_attachment(self, message: ClientMessage) -> list[Output]:
        match message:
            case Attach(thread=thread):
                full = len(self._attached) >= self._limits.attachments
                if full and thread not in self._attached:
                    return self.close(CloseCode.THREAD_LIMIT)
                self._attached[thread] = message
            case Detach(thread=thread):
                self._attached.pop(thread, None)
        return [Received(message)]

    def _welcome(self) -> Welcome:
        limits = {name: getattr(self._limits, name) for name in TOLD_LIMITS}
        return Welcome(PROTOCOL, self._instance, limits, self._limits.heartbeat_seconds)


# The figures that a client has to keep to, or waits by (rule 16).
TOLD_LIMITS: Final = (
    "command_bytes",
    "frame_bytes",
    "turn_output_bytes",
    "cancel_grace_seconds",
    "drain_seconds",
    "slow_seconds",
)


def _say_hello_first(message: ClientMessage) -> ErrorMessage:
    label: str | None = getattr(message, "id", None)
    return ErrorMessage("unauthenticated", "say hello with a token first", False, label)

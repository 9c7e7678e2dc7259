"""The client's side of one server, without I/O, across connections: cursors, answers, retries.

Threads are followed and commands stay asked while connections come and go. The shell around it
connects, carries frames, waits (see `backoff`) and hands events to whoever waits for them.
"""

from __future__ import annotations

from collections.abc import Mapping

from actors.errors import LocalProtocolError, Rejected, RemoteProtocolError
from actors.limits import DEFAULT_LIMITS, Limits

from .attachment import Attachment, Stage
from .client_codec import UnknownMessage, decode_server, encode_client, read_reply
from .client_events import Answered, ClientEvent, Deliver, NoAnswer, Refused
from .client_messages import Attach, Cast, Command, Detach, Hello, Ping, Pong
from .close_codes import should_reconnect
from .codec import utf8_length
from .server_messages import (
    PROTOCOL,
    Attached,
    Detached,
    ErrorMessage,
    Goaway,
    Reply,
    ServerMessage,
    StreamMessage,
    Welcome,
)
from .unanswered import Unanswered, UnansweredCommands


class ClientProtocol:
    """What a client follows and has asked.

    Calls that return events are to be told in order; after every call, `frames` has what to send.

    Args:
        hello: what to say first on every connection; None to say nothing.
        limits: `attachments`, `unanswered_commands` and, until a server told its own,
            `command_bytes`.
    """

    def __init__(self, hello: Hello | None = None, limits: Limits = DEFAULT_LIMITS) -> None:
        self.hello = hello
        self._limits = limits
        self._command_bytes = limits.command_bytes
        self._connected = False
        self._leaving = False  # the server wants no further commands on this connection
        self._heard_welcome = False  # on this connection: nothing is decided before it
        self._labels = 0
        self._frames: list[str | bytes] = []
        self._cast_bytes = 0  # of the casts among them
        self._attachments: dict[str, Attachment] = {}
        # Threads followed before this connection whose commands wait for `attached` (rule 7).
        self._holding: set[str] = set()
        self._attaches: dict[str, Attach] = {}
        self._unanswered = UnansweredCommands(limits)

    # What the shell says of the connection.

    def connected(self) -> None:
        """Begin a connection: hello, then attaches, then the commands that need not await those."""
        self._connected, self._leaving, self._heard_welcome = True, False, False
        if self.hello is not None:
            self._frames.append(encode_client(self.hello))
        for attachment in self._attachments.values():
            if attachment.epoch is not None:
                self._holding.add(attachment.thread)
            self._ask(attachment)
        for unanswered in self._unanswered:
            self._offer(unanswered)

    def connection_lost(self, code: int | None = None, *, final: bool = False) -> list[ClientEvent]:
        """End a connection, or note that none could be had.

        Args:
            code: of the close frame; None where there was none.
            final: whether there will be no other, whatever the code says.

        Returns:
            What became of the commands that will not be sent again: all of them, where there will
            be no other connection.
        """
        self._connected = False
        self.frames()
        self._attaches.clear()
        self._holding.clear()
        for attachment in self._attachments.values():
            attachment.lost()
        if not should_reconnect(code) and not self._heard_welcome:
            self._unanswered.turned_away()
        final = final or not should_reconnect(code)
        return [self._give_up(u) for u in self._unanswered if final or not self._keep(u)]

    def frames(self) -> list[str | bytes]:
        """Return, once, what to send: strings as text frames, bytes as binary ones."""
        frames, self._frames, self._cast_bytes = self._frames, [], 0
        return frames

    def receive(self, text: str) -> list[ClientEvent]:
        """Take a text frame of the server's.

        Raises:
            RemoteProtocolError: the server broke the protocol. Drop the connection; cursors stand
                where they stood, so that the next one resumes before the fault.
        """
        message = decode_server(text)
        return [] if isinstance(message, UnknownMessage) else self._take(message)

    # What the caller wants.

    def label(self) -> str:
        """Return a fresh `id` for a command."""
        self._labels += 1
        return f"c{self._labels}"

    def attach(self, thread: str, cursor: str | None = None, window: int | None = None) -> None:
        """Follow a thread from a cursor, or from a snapshot; anew where it is followed already.

        Raises:
            LocalProtocolError: where the client follows too many.
            ValueError: where an argument is none that the protocol knows.
        """
        followed = self._attachments.get(thread)
        if followed is None and len(self._attachments) >= self._limits.attachments:
            raise LocalProtocolError(f"{len(self._attachments)} threads are followed already")
        attachment = Attachment(thread, cursor, window, followed.epoch if followed else None)
        self._attachments[thread] = attachment
        if self._connected:
            self._ask(attachment)

    def reattach(self, thread: str) -> None:
        """Ask again for a thread whose attach was refused for the time being."""
        attachment = self._attachments.get(thread)
        if self._connected and attachment is not None and attachment.stage is Stage.WANTED:
            self._ask(attachment)

    def detach(self, thread: str) -> str | None:
        """Follow a thread no longer: from now on nothing of it is delivered.

        Its unanswered commands stay asked; without a cursor that could tell of a deletion, they are
        retried as those of a thread that was never followed.

        Returns:
            The cursor to come back with; None where nothing was delivered.
        """
        attachment = self._attachments.pop(thread, None)
        if attachment is None:
            return None
        if self._connected:
            self._frames.append(encode_client(Detach(self.label(), thread)))
        self._release(thread)
        return attachment.cursor

    def cursor(self, thread: str) -> str | None:
        """Return the place up to which a followed thread was delivered."""
        attachment = self._attachments.get(thread)
        return attachment.cursor if attachment is not None else None

    def send(self, command: Command) -> None:
        """Ask for something, now or on the next connection; the answer is an event.

        Args:
            command: with an `id` from `label`. It is not an `Attach` or a `Detach`.

        Raises:
            Rejected: `too_large`, or `overloaded` where too many commands are unanswered.
            LocalProtocolError: for an `id` that is in use, an `Attach` or a `Detach`.
            TypeError: where the caller's own data has no JSON form.
        """
        if isinstance(command, Attach | Detach) or self._unanswered.get(command.id):
            raise LocalProtocolError(f"not to be sent like this: {type(command).__name__}")
        frame = encode_client(command)
        assert isinstance(frame, str)  # only a cast is binary
        if utf8_length(frame) > self._command_bytes:
            raise Rejected("too_large", f"a command has at most {self._command_bytes} bytes")
        unanswered = Unanswered(command, frame)
        self._unanswered.add(unanswered)
        self._offer(unanswered)

    def withdraw(self, label: str) -> None:
        """Give an unanswered command up: it is not sent, or not again; what was sent may happen."""
        unanswered = self._unanswered.get(label)
        if unanswered is not None:
            self._unanswered.remove(unanswered)
            if unanswered.frame in self._frames:
                self._frames.remove(unanswered.frame)

    def cast(self, message: Cast | Ping | Hello) -> bool:
        """Say something that is not replied to by label; returns whether it will be sent.

        Without a connection it is dropped, being ephemeral; so is a cast where those that wait have
        `Limits.client_cast_bytes`.

        Raises:
            Rejected: `too_large`.
            TypeError: where the caller's own data has no JSON form.
        """
        frame = encode_client(message)
        size = len(frame) if isinstance(frame, bytes) else utf8_length(frame)
        most = self._command_bytes if isinstance(frame, str) else self._limits.frame_bytes
        if size > most:
            raise Rejected("too_large", f"this has at most {most} bytes")
        waiting = self._cast_bytes + size if isinstance(message, Cast) else 0
        if not self._connected or waiting > self._limits.client_cast_bytes:
            return False
        self._cast_bytes = max(self._cast_bytes, waiting)
        self._frames.append(frame)
        return True

    @property
    def leaving(self) -> bool:
        """Whether the server is about to stop; further commands wait for the next connection."""
        return self._connected and self._leaving

    @property
    def unanswered(self) -> int:
        """How many commands wait for an answer; at most `Limits.unanswered_commands`."""
        return len(self._unanswered)

    @property
    def following(self) -> frozenset[str]:
        """The threads that are followed."""
        return frozenset(self._attachments)

    # What the server says.

    def _take(self, message: ServerMessage) -> list[ClientEvent]:
        match message:
            case Reply():
                return self._answered(message)
            case ErrorMessage():
                return self._refused(message)
            case Attached():
                return self._attached(message)
            case Welcome():
                return self._welcomed(message)
            case Goaway() | Pong():
                self._leaving |= isinstance(message, Goaway)
                return [Deliver(message)]
            case Ping():
                return []
        return self._streamed(message)

    def _welcomed(self, message: Welcome) -> list[ClientEvent]:
        if message.protocol != PROTOCOL:
            raise RemoteProtocolError(f"the server does not speak {PROTOCOL}")
        told = message.limits.get("command_bytes")
        if type(told) is int and told > 0:
            self._command_bytes = told
        self._heard_welcome = True
        return [Deliver(message)]

    def _answered(self, message: Reply) -> list[ClientEvent]:
        unanswered = self._unanswered.get(message.id)
        if unanswered is None:
            return []  # of a detach, or of nothing that this client asked
        command = unanswered.command
        assert isinstance(message.body, Mapping)  # as a client decodes it
        body = read_reply(type(command), message.body)
        self._unanswered.remove(unanswered)
        return [Answered(command, body)]

    def _refused(self, message: ErrorMessage) -> list[ClientEvent]:
        if message.id is None:
            return [Deliver(message)]
        attach = self._attaches.pop(message.id, None)
        if attach is not None:
            return self._attach_refused(attach, _rejected(message))
        unanswered = self._unanswered.get(message.id)
        if unanswered is None:
            return []
        if message.code == "draining":  # nothing happened, and the next connection may take it
            self._leaving = True
            unanswered.put_back()
            return []
        self._unanswered.remove(unanswered)
        return [Refused(unanswered.command, _rejected(message))]

    def _attach_refused(self, attach: Attach, error: Rejected) -> list[ClientEvent]:
        attachment = self._attachments.get(attach.thread)
        if attachment is None or not attachment.asked(attach.id):
            return []
        if error.retryable:
            attachment.lost()
            return [Refused(attach, error)]
        del self._attachments[attach.thread]
        # The server refuses the thread's commands for itself, each with its reason.
        self._release(attach.thread)
        return [Refused(attach, error)]

    def _attached(self, message: Attached) -> list[ClientEvent]:
        self._attaches.pop(message.id, None)
        attachment = self._attachments.get(message.thread)
        if attachment is None or not attachment.asked(message.id):
            return []
        events: list[ClientEvent] = [Deliver(message)]
        if attachment.attached(message):
            events += self._fail_waiting(message.thread)
        self._release(message.thread)
        return events

    def _streamed(self, message: StreamMessage) -> list[ClientEvent]:
        attachment = self._attachments.get(message.thread)
        delivered = attachment.deliver(message) if attachment is not None else None
        if delivered is None:
            return []
        after = self._detached(delivered) if isinstance(delivered, Detached) else []
        return [Deliver(delivered), *after]

    def _detached(self, message: Detached) -> list[ClientEvent]:
        del self._attachments[message.thread]
        if message.reason != "deleted":
            return []
        refused = self._fail_waiting(message.thread)
        for unanswered in self._unanswered.of(message.thread):
            unanswered.deleted = True
        return refused

    # Sending, and giving up.

    def _ask(self, attachment: Attachment) -> None:
        attach = attachment.ask(self.label())
        self._attaches[attach.id] = attach
        self._frames.append(encode_client(attach))

    def _release(self, thread: str) -> None:
        self._holding.discard(thread)
        for unanswered in self._unanswered.of(thread):
            self._offer(unanswered)

    def _offer(self, unanswered: Unanswered) -> None:
        """Send a command, unless it is under way, or has to wait for `attached` or a connection."""
        held = self._leaving or unanswered.thread in self._holding
        if self._connected and not held and not unanswered.under_way:
            unanswered.go_out()
            self._frames.append(unanswered.frame)

    def _keep(self, unanswered: Unanswered) -> bool:
        unanswered.under_way = False
        return unanswered.retried

    def _give_up(self, unanswered: Unanswered) -> ClientEvent:
        if unanswered.deleted:
            return self._fail_deleted(unanswered)
        self._unanswered.remove(unanswered)
        return NoAnswer(unanswered.command, unanswered.sent)

    def _fail_waiting(self, thread: str) -> list[ClientEvent]:
        """Fail the commands of a deleted thread that are not under way, so that none revives it."""
        waiting = [u for u in self._unanswered.of(thread) if not u.under_way]
        return [self._fail_deleted(unanswered) for unanswered in waiting]

    def _fail_deleted(self, unanswered: Unanswered) -> ClientEvent:
        self._unanswered.remove(unanswered)
        return Refused(unanswered.command, Rejected("thread_deleted", "the thread was deleted"))


def _rejected(message: ErrorMessage) -> Rejected:
    error = Rejected(message.code, message.message, retryable=message.retryable)
    error.details = dict(message.details)
    return error

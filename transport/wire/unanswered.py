"""A client's commands that have no answer yet, and which of them outlive a connection."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field

from actors.errors import Rejected
from actors.limits import DEFAULT_LIMITS, Limits

from .client_messages import Cancel, Command, Fork, History, Record, Submit, Threads


def may_retry(command: Command) -> bool:
    """Say whether a command may be sent again where it may have been carried out already (rule 8).

    A key or a turn's name makes it the same command again; a read changes nothing. Anything else
    could hit what has come into being since.
    """
    match command:
        case Submit(key=key) | Record(key=key) | Fork(key=key):
            return key is not None
        case Cancel(turn=turn):
            return turn is not None
        case History() | Threads():
            return True
    return False


@define
class Unanswered:
    """A command that waits for its answer.

    Args:
        command: what was asked.
        frame: it as JSON.
        sent: whether it was ever sent.
        under_way: whether it was sent on the present connection.
        sent_before: whether it was sent on an earlier one, of what is under way.
        deleted: whether its thread was deleted after it was sent, as the stream has told.
    """

    command: Command
    frame: str
    sent: bool = False
    under_way: bool = False
    sent_before: bool = False
    deleted: bool = False

    def go_out(self) -> None:
        """Note that it is sent on the present connection."""
        self.sent_before = self.sent
        self.sent = self.under_way = True

    def put_back(self) -> None:
        """Note that the server refused it for now and did nothing, so that it may go out again."""
        self.under_way = False
        # What is sent more than once may have been carried out the first time.
        self.sent = may_retry(self.command)

    @property
    def retried(self) -> bool:
        """Whether it goes out on the next connection, where this one is lost."""
        return not self.deleted and (not self.sent or may_retry(self.command))

    @property
    def thread(self) -> str | None:
        """The thread that the command is for; None for `threads`."""
        return None if isinstance(self.command, Threads) else self.command.thread


@define
class UnansweredCommands:
    """The unanswered commands of one client by label, in the order asked.

    Args:
        limits: `unanswered_commands` bounds them.
    """

    limits: Limits = DEFAULT_LIMITS
    _by_label: dict[str, Unanswered] = field(factory=dict, init=False)

    def __len__(self) -> int:
        return len(self._by_label)

    def __iter__(self) -> Iterator[Unanswered]:
        return iter(tuple(self._by_label.values()))

    def add(self, unanswered: Unanswered) -> None:
        """Keep a command until it is answered.

        Raises:
            Rejected: `overloaded`, where too many are waiting.
        """
        if len(self) >= self.limits.unanswered_commands:
            raise Rejected("overloaded", f"{len(self)} commands are unanswered already")
        self._by_label[unanswered.command.id] = unanswered

    def get(self, label: str | None) -> Unanswered | None:
        """Return the command under a label, or None."""
        return self._by_label.get(label) if label is not None else None

    def remove(self, unanswered: Unanswered) -> None:
        """Drop a command that was answered, or will not be."""
        del self._by_label[unanswered.command.id]

    def turned_away(self) -> None:
        """Note that the connection was closed before the server decided anything on it."""
        for unanswered in self:
            if unanswered.under_way:
                unanswered.sent = unanswered.sent_before

    def of(self, thread: str) -> Iterator[Unanswered]:
        """Return a thread's commands."""
        return (unanswered for unanswered in self if unanswered.thread == thread)

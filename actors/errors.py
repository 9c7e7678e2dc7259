"""Every error Holdfast raises, flat and few: the class says who must act.

- `Rejected`: the caller's command was refused. Nothing happened; `retryable` says whether trying
  again can help.
- `PositionUnrecoverable`: a cursor cannot be resumed from. Show a snapshot instead.
- `ProtocolError`: a peer (`RemoteProtocolError`) or the calling code (`LocalProtocolError`) broke
  the wire protocol.
- `JournalError`: the store could not do it: unavailable, fenced or corrupt.
- `OutcomeUnknown`: a client's connection was lost over a command that must not be sent twice.
- `ClientClosed`: a client has no connection and will make none.
- `TurnFailed`: a handler ends its turn with words for everybody; a reader is told by it.
- `TurnOver`, `ServiceOver`, `LeaseLost`: what a handler or a service holds is over: stop.
- `TurnsAbandoned`: handlers would not stop, and the runtime is closed over them.
- `InternalError`: a bug in Holdfast, or an invariant that did not hold.
"""

from __future__ import annotations

from typing import Any, Final

RETRYABLE_CODES: Final = frozenset(
    {
        "turn_in_progress",
        "queue_full",
        "overloaded",
        "rate_limited",
        "draining",
        "journal_unavailable",
        "internal",
    }
)
FINAL_CODES: Final = frozenset(
    {
        "bad_request",
        "unauthenticated",
        "forbidden",
        "thread_not_found",
        "turn_not_found",
        "item_not_found",
        "idempotency_conflict",
        "thread_failed",
        "thread_deleted",
        "too_large",
        "unsupported",
    }
)
ERROR_CODES: Final = RETRYABLE_CODES | FINAL_CODES


class HoldfastError(Exception):
    """The root of everything Holdfast raises on purpose."""


class Rejected(HoldfastError):
    """A command was refused and changed nothing.

    Args:
        code: one of `ERROR_CODES`.
        message: one sentence for a person, free of paths, SQL and tracebacks.
        retryable: whether the same command may succeed later; by default what the code says.
            A client passes what the server said, since it may not know the code.
        details: what helps the caller to act, such as the running `turn`.
    """

    def __init__(
        self, code: str, message: str, *, retryable: bool | None = None, **details: Any
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.retryable = code in RETRYABLE_CODES if retryable is None else retryable
        self.details = details

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class PositionUnrecoverable(HoldfastError):
    """The run of events after a position is not retained; only a snapshot can follow.

    Args:
        reason: one word for the client: `compacted`, `truncated`, `ahead`, `epoch`, `unreadable`
            or `deleted`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"cannot resume from this cursor: {reason}")
        self.reason = reason


class ProtocolError(HoldfastError):
    """Somebody broke `holdfast.v1`."""


class LocalProtocolError(ProtocolError):
    """The calling code asked for something that the protocol forbids at this point."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something that the protocol forbids at this point."""


class JournalError(HoldfastError):
    """The journal did not do what was asked; the subclass says why."""


class JournalUnavailable(JournalError):
    """The store failed as a whole (I/O error, disk full, closed). No thread is to blame."""


class JournalFenced(JournalError):
    """The writer is stale: its generation or its expected position is not the journal's."""


class JournalCorrupt(JournalError):
    """Damage was found; the thread is set aside, never loaded as empty (I16)."""


class OutcomeUnknown(HoldfastError):
    """A command was sent, and its connection was lost before the answer: nobody knows if it counts.

    Raised for what must not be sent twice, since that could hit what has come into being since: an
    `end`, a `delete`, a `truncate`, a `cancel` that names no turn. Read the thread, then decide.

    Args:
        command: what was asked, in the protocol's word for it.
        thread: the thread that it was for; None where it was for none.
    """

    def __init__(self, command: str, thread: str | None = None) -> None:
        of = f" of {thread}" if thread is not None else ""
        super().__init__(f"the connection was lost before {command}{of} was answered")
        self.command = command
        self.thread = thread


class ClientClosed(HoldfastError):
    """The client has no connection and will make none: it was left, or told not to come back.

    Args:
        message: why, in a sentence for a person.
        code: the close code, 4500 to 4999; None where there was none.
    """

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class InternalError(HoldfastError):
    """A bug in Holdfast: please report it with the log."""


class TurnOver(HoldfastError):
    """The turn whose handle was used has ended, or was superseded or abandoned (I7)."""


class ServiceOver(HoldfastError):
    """The service whose handle was used was stopped, or its activation is over (I7)."""


class LeaseLost(HoldfastError):
    """A lease ran out, because it could not be renewed in time: what it stood for may be gone."""


class TurnFailed(HoldfastError):
    """Raised by a handler to end its turn as failed with words that everybody may read.

    What any other exception says stays in the server's log, since it may hold paths or secrets. An
    `Answer` raises it to its reader, where the turn ended as anything but completed.

    Args:
        error: the class of the failure, a word or two such as `model_overloaded`.
        message: one sentence for the person who asked.
    """

    def __init__(self, error: str, message: str) -> None:
        super().__init__(error, message)
        self.error = error
        self.message = message

    def __str__(self) -> str:
        return f"{self.error}: {self.message}"


class TurnsAbandoned(HoldfastError):
    """The runtime closed while handlers would not stop; `turns` names them (I20).

    Args:
        turns: `(thread, turn)` pairs.
    """

    def __init__(self, turns: tuple[tuple[str, str], ...]) -> None:
        names = ", ".join(f"{turn} of {thread}" for thread, turn in turns)
        super().__init__(f"handlers that would not stop were abandoned: {names}")
        self.turns = turns


def unwrapped(failure: BaseException) -> BaseException:
    """Return what nurseries wrapped in groups of one."""
    while isinstance(failure, BaseExceptionGroup) and len(failure.exceptions) == 1:
        failure = failure.exceptions[0]
    return failure

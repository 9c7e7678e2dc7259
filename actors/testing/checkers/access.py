"""Whether a connection had a thread taken away from it, or its credentials, before some record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..operations import Fork
from ..wire_facts import Allowed, Connected, Sent, Welcomed

if TYPE_CHECKING:
    from ..history import History

# What may refuse a command for a thread that is not its sender's: the same whether it is there.
LOOK_ALIKE: Final = frozenset({"forbidden", "unauthenticated"})


def threads_of(thread: str, operation: object) -> tuple[str, ...]:
    """Return the threads that a command is about."""
    return (thread, operation.to) if isinstance(operation, Fork) else (thread,)


def was_shut_out(history: History, call: int, index: int) -> bool:
    """Say whether the connection that a call came by could not be shown the call's threads, once.

    At any time since the call was sent: what is told of it may be long under way, and the thread be
    its principal's again by then.

    Args:
        history: the run; an embedded one shuts nobody out.
        call: its number.
        index: the record by which it is asked.
    """
    about = threads_of(history.calls[call].thread, history.calls[call].operation)
    principals: dict[int, str] = {}
    until: dict[int, float] = {}
    denied: set[tuple[str, str]] = set()
    connection = None
    for record in history.records[: index + 1]:
        if connection is not None:
            over = until.get(connection, record.at + 1) <= record.at
            if over or any((principals[connection], thread) in denied for thread in about):
                return True
        match record.fact:
            case Connected(connection=number, principal=principal):
                principals[number] = principal
            case Welcomed(connection=number, until=end):
                until[number] = end
            case Sent(connection=number, call=sent) if sent == call:
                connection = number
            case Allowed(principal=principal, thread=thread) as change:
                (denied.discard if change.allowed else denied.add)((principal, thread))
            case _:
                pass
    return connection is not None and connection not in until

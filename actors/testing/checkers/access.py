"""Whether a connection had a thread taken away from it, or its credentials, before some record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..wire_facts import Allowed, Connected, Sent, Welcomed

if TYPE_CHECKING:
    from ..history import History


def was_shut_out(history: History, call: int, index: int) -> bool:
    """Say whether the connection that a call came by could not be shown the call's thread, once.

    At any time since the call was sent: what is told of it may be long under way, and the thread be
    its principal's again by then.

    Args:
        history: the run; an embedded one shuts nobody out.
        call: its number.
        index: the record by which it is asked.
    """
    thread = history.calls[call].thread
    principals: dict[int, str] = {}
    until: dict[int, float] = {}
    denied: set[str] = set()
    connection = None
    for record in history.records[: index + 1]:
        if connection is not None:
            over = until.get(connection, record.at + 1) <= record.at
            if over or principals[connection] in denied:
                return True
        match record.fact:
            case Connected(connection=number, principal=principal):
                principals[number] = principal
            case Welcomed(connection=number, until=end):
                until[number] = end
            case Sent(connection=number, call=sent) if sent == call:
                connection = number
            case Allowed(principal=principal, thread=of) as change if of == thread:
                (denied.discard if change.allowed else denied.add)(principal)
            case _:
                pass
    return connection is not None and connection not in until

"""Whether a connection had a thread taken away from it, or its credentials, by some record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..wire_facts import Allowed, Connected, Sent, Welcomed

if TYPE_CHECKING:
    from ..history import History


def is_shut_out(history: History, call: int, index: int) -> bool:
    """Say whether the connection that a call came by may not be shown the call's thread.

    Args:
        history: the run; an embedded one shuts nobody out.
        call: its number.
        index: the record as of which it is asked.
    """
    at, thread = history.records[index].at, history.calls[call].thread
    principals: dict[int, str] = {}
    until: dict[int, float] = {}
    denied: set[str] = set()
    connection = None
    for record in history.records[:index]:
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
    return connection is not None and (
        principals[connection] in denied or until.get(connection, 0.0) <= at
    )

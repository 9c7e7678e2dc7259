"""I19: nothing of a thread reaches a connection whose principal may not see it at that time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, TypeGuard

from attrs import define, field

from ..facts import Answered, Called, Refused
from ..operations import Detach, ListThreads
from ..read_facts import Listing
from ..wire_facts import Allowed, Connected, Delivered, Sent, Welcomed
from .access import LOOK_ALIKE, threads_of
from .broken import Broken

if TYPE_CHECKING:
    from ..history import History
    from ..recorder import Record

# What is read of the records.
_READ: Final = (Connected, Welcomed, Allowed, Delivered, Sent, Answered)


@define
class _Access:
    """Who may see what, as the records go by."""

    claimed: dict[int, str] = field(factory=dict)
    welcomed: dict[int, Welcomed] = field(factory=dict)
    allowed: dict[tuple[str, str], bool] = field(factory=dict)
    # Calls without an answer that were not allowed at any time so far.
    shut_out: dict[int, Called] = field(factory=dict)
    # Listings without an answer, and the threads that have no place in them.
    hidden: dict[int, set[str]] = field(factory=dict)


def only_to_the_authorised(history: History) -> Iterator[Broken]:
    """Find what was shown to those who may not see it, and refusals that tell a thread is there."""
    access = _Access()
    for index, record in history.of(*_READ):
        match record.fact:
            case Connected(connection=connection, principal=principal):
                access.claimed[connection] = principal
            case Welcomed() as welcomed:
                access.welcomed[welcomed.connection] = welcomed
            case Allowed() as change:
                _allow(access, change)
            case Delivered() as delivered:
                yield from _delivered(access, record, delivered, index)
            case Sent(connection=connection, call=call):
                _sent(access, history, connection, call)
            case Answered(call=call, answer=answer):
                called = access.shut_out.pop(call, None)
                if called is not None and not _looks_alike(answer):
                    message = f"call {call}, of a thread that is not its sender's, got {answer}"
                    yield Broken("I19", message, index)
                hidden = access.hidden.pop(call, set())
                shown = {each.thread for each in answer.lines} if _lists(answer) else set()
                for thread in sorted(hidden & shown):
                    message = f"listing {call} shows {thread}, which is not its sender's"
                    yield Broken("I19", message, index)
            case _:
                pass


def _lists(answer: object) -> TypeGuard[Listing]:
    return isinstance(answer, Listing)


def _allow(access: _Access, change: Allowed) -> None:
    access.allowed[change.principal, change.thread] = change.allowed
    if change.allowed:
        for call, called in list(access.shut_out.items()):
            if change.thread in threads_of(called.thread, called.operation):
                del access.shut_out[call]
        for hidden in access.hidden.values():
            hidden.discard(change.thread)


def _delivered(
    access: _Access, record: Record, delivered: Delivered, index: int
) -> Iterator[Broken]:
    welcomed = access.welcomed.get(delivered.connection)
    what = f"{delivered.what} of {delivered.thread} went out on connection {delivered.connection}"
    if welcomed is None:
        yield Broken("I19", f"{what}, which nobody authenticated", index)
    elif record.at > welcomed.until:
        yield Broken("I19", f"{what}, whose credentials are over", index)
    elif not access.allowed.get((welcomed.principal, delivered.thread), True):
        yield Broken("I19", f"{what}, and {welcomed.principal} may not see that", index)


def _sent(access: _Access, history: History, connection: int, call: int) -> None:
    known = history.calls[call]
    called = history.records[known.called].fact
    principal = access.claimed.get(connection, "")
    about = threads_of(known.thread, known.operation)
    allowed = all(access.allowed.get((principal, thread), True) for thread in about)
    if isinstance(known.operation, ListThreads):
        access.hidden[call] = {
            thread for (who, thread), may in access.allowed.items() if who == principal and not may
        }
    elif not allowed and isinstance(called, Called) and not isinstance(known.operation, Detach):
        access.shut_out[call] = called


def _looks_alike(answer: object) -> bool:
    return isinstance(answer, Refused) and answer.code in LOOK_ALIKE

"""What a key binds: the body that a command has to repeat under it, and what it was told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ...core.commands import FINALISING
from ...core.effects import ForkReceipt, RecordReceipt, Submitted
from ...handles import LOCAL
from ..along import Along, along_of
from ..history import FORKED, Logged
from ..operations import Finalise, Fork, Record, Submit

if TYPE_CHECKING:
    from ..history import Call, History

# What a command says, whichever sort it is.
Body: TypeAlias = tuple[Any, ...]
# In place of what was to be cut before a message: nothing is, where the thread is made with it.
_UNTOLD: Final = object()
# What its receipt names: a turn, or a place as (epoch, offset), of a fork behind its thread.
Given: TypeAlias = Any


def key_of(call: Call) -> str | None:
    """Return the key that a call went by."""
    asked = call.operation
    return asked.key if isinstance(asked, Submit | Record | Fork) else None


def asked_for(call: Call) -> Body | None:
    """Return what a call says; None where it is of no sort that a key may go with.

    A message says what is to be cut first as well: all that is behind an item, or nothing.
    """
    match call.operation:
        case Submit(text=text, along=along, first=first):
            return "submit", text, along, None if first is None else (call.argument,)
        case Finalise():
            return "submit", [{"type": FINALISING}], Along.NOTHING, None
        case Record(number=number, kind=kind):
            return "record", kind, number
        case Fork(to=to):
            return "fork", to, call.argument
        case _:
            return None


def told_of(event: Logged) -> tuple[Body, Given] | None:
    """Return what an event says, and what its receipt names; None where no command leads to it."""
    raw = event.raw
    match event.type:
        case "turn.submitted":
            return ("submit", raw["content"], along_of(raw), _cut_before(event)), raw["turn"]
        case "record":
            return ("record", raw["kind"], raw["data"]), (event.epoch, event.row.to)
        case type if type == FORKED:
            return ("fork", raw["to"], raw["after"]), (raw["to"], *raw["made"])
        case _:
            return None


def _cut_before(event: Logged) -> Any:
    match event.behind:
        case Logged(type="thread.created"):
            return _UNTOLD
        case Logged(type="thread.truncated", raw=raw):
            return (raw["after"],)
        case _:
            return None


def may_say(told: tuple[Body, Given] | None, call: Call) -> bool:
    """Say whether an event may be what a call says, and whether the call's receipt names it."""
    return told is not None and told[1] == given_by(call) and fits(told[0], call)


def fits(body: Body, call: Call) -> bool:
    """Say whether an event's body may be what a call says; see `told_of`."""
    asked = asked_for(call)
    return body == asked or (body[-1] is _UNTOLD and asked is not None and body[:-1] == asked[:-1])


def author_and_key(event: Logged) -> tuple[str, str | None]:
    """Return whose the key is that an event bound, and the key; one without a key, nobody."""
    return event.raw.get("author", LOCAL), event.raw.get("key")


def may_be_of(event: Logged, call: Call) -> bool:
    """Say whether an event came under a call's key, if any, and of its principal.

    A record without a key names nobody.
    """
    author, key = author_and_key(event)
    return key == key_of(call) and (author == call.principal or "author" not in event.raw)


def given_by(call: Call) -> Given | None:
    """Return what the receipt names that a call was answered with; None where it got none."""
    match call.answer:
        case Submitted(turn=turn):
            return turn
        case RecordReceipt(position=position):
            return position.epoch, position.offset
        case ForkReceipt(position=position) if isinstance(call.operation, Fork):
            return call.operation.to, position.epoch, position.offset
        case _:
            return None


def bound(history: History, thread: str) -> Iterator[Logged]:
    """Yield the events of a thread that bound a key."""
    for event in (*history.logs[thread], *history.forks[thread]):
        if event.raw.get("key") is not None and not event.copied:
            yield event

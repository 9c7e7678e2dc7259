"""I19: whom nobody welcomed is answered nothing, and whom somebody did is not sent away."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import TYPE_CHECKING, Final

from ..facts import Answered, AtRest, Refused
from ..wire_facts import Connected, Disconnected, Sent, TurnedAway, Welcomed
from .access import LOOK_ALIKE, was_shut_out
from .broken import Broken

if TYPE_CHECKING:
    from ..history import History

# What is read of the records.
_READ: Final = (Connected, Welcomed, TurnedAway, Disconnected, Sent, Answered, AtRest)


def only_the_welcome(history: History) -> Iterator[Broken]:
    """Find answers to strangers, strangers who may stay, and refusals of those who are welcome."""
    until: dict[int, float] = {}
    sent: dict[int, tuple[int, float]] = {}
    over: set[int] = set()
    lives: dict[int, int] = {}  # by connection: that of the server that it was made to
    strangers: dict[int, int] = {}  # by connection: the life whose server it knocked at
    for index, record in history.of(*_READ):
        match record.fact:
            case Welcomed(connection=connection, until=end):
                until[connection] = end
            case Connected(connection=connection):
                lives[connection] = record.life
            case TurnedAway(connection=connection):  # which may come when that server is gone
                strangers[connection] = lives.get(connection, record.life)
            case Disconnected(connection=connection):
                over.add(connection)
            case Sent(connection=connection, call=call):
                sent[call] = connection, record.at
            case Answered(call=call, answer=answer) if call in sent:
                connection, since = sent[call]
                refused = isinstance(answer, Refused) and answer.code in LOOK_ALIKE
                welcome = since <= until.get(connection, -inf)
                if not (welcome or refused):
                    message = f"call {call}, of whom nobody has authenticated, got {answer}"
                    yield Broken("I19", message, index)
                if welcome and refused and not was_shut_out(history, call, index):
                    message = f"call {call}, of a thread that is its sender's, got {answer}"
                    yield Broken("I19", message, index)
            case AtRest():
                for connection, life in strangers.items():
                    if life == record.life and connection not in over:
                        message = f"connection {connection} shows nothing good, and is left open"
                        yield Broken("I19", message, index)
            case _:
                pass

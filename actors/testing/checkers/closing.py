"""Close codes that tell a client not to come back: none is met by who keeps to the protocol."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ..wire_facts import Disconnected, TurnedAway
from .broken import Broken

if TYPE_CHECKING:
    from ..history import History

# As the protocol page has them.
_BAD_CREDENTIALS: Final = 4501
_PROTOCOL_ERROR: Final = 4502


def closed_for_a_reason(history: History) -> Iterator[Broken]:
    """Find connections that were closed for good although their clients did nothing wrong."""
    turned_away: set[int] = set()
    closed: list[tuple[int, int, int]] = []  # where, which, and with which code
    for index, record in history.of(TurnedAway, Disconnected):
        match record.fact:
            case TurnedAway(connection=connection):
                turned_away.add(connection)
            case Disconnected(connection=connection, code=code):
                closed.append((index, connection, code))
            case _:
                pass
    for index, connection, code in closed:
        message = f"connection {connection} was closed with {code:d}"
        if code == _BAD_CREDENTIALS and connection not in turned_away:
            yield Broken("I19", f"{message}, and nothing that it showed was turned away", index)
        if code == _PROTOCOL_ERROR:
            yield Broken("I20", f"{message}, and all that it said was in order", index)

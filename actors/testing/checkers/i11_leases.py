"""I11: what was leased for an activation is given back exactly once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..facts import Closed, LeaseReturned, LeaseTaken
from .broken import Broken

if TYPE_CHECKING:
    from ..history import History


def leases_returned_once(history: History) -> Iterator[Broken]:
    """Find leases that leaked, and ones that were given back twice or never taken.

    A process that is killed gives nothing back, and a handler that would not stop may keep its own.
    """
    held: dict[str, None] = {}
    life = 0
    for index, record in enumerate(history.records):
        if record.life != life:
            held.clear()
            life = record.life
        match record.fact:
            case LeaseTaken(lease=lease):
                held[lease] = None
            case LeaseReturned(lease=lease) if lease not in held:
                yield Broken("I11", f"{lease} was given back, and nobody had it", index)
            case LeaseReturned(lease=lease):
                del held[lease]
            case Closed(abandoned=()):
                for lease in held:
                    yield Broken("I11", f"{lease} was never given back", index)
            case _:
                pass

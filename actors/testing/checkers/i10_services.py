"""I10: a service that is over stays over, but for one that failed and is to be begun anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ...actor.kinds import OnExit
from ..facts import Claimed, Opening
from ..service_facts import ServiceEntered, ServiceExited
from .broken import Broken

if TYPE_CHECKING:
    from ..history import History

# What is read of the records.
_READ: Final = (Opening, Claimed, ServiceEntered, ServiceExited)


def services_stay_over(history: History) -> Iterator[Broken]:
    """Find services that are begun once more in the activation that they had come to an end in."""
    over: set[str] = set()
    for index, record in history.of(*_READ):
        match record.fact:
            case Opening():
                over.clear()
            case Claimed(thread=thread):
                over.discard(thread)
            case ServiceEntered(thread=thread) if thread in over:
                message = f"the service of {thread} was over, and was begun once more"
                yield Broken("I10", message, index)
            case ServiceExited(thread=thread, error=error):
                restarts = history.kinds[thread].on_exit is OnExit.RESTART
                if error is None or not restarts:
                    over.add(thread)
            case _:
                pass

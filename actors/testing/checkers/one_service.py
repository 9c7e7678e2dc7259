"""Services: one of a thread at a time, and none left when an end is answered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ..facts import Answered, Called, Claimed, Done, Opening
from ..operations import Delete, End
from ..service_facts import Held, LeaseReturned, LetGo, ServiceEntered, ServiceExited
from .broken import Broken

if TYPE_CHECKING:
    from ..history import History

# What is read of the records.
_READ: Final = (
    Opening,
    Claimed,
    ServiceEntered,
    ServiceExited,
    Held,
    LetGo,
    LeaseReturned,
    Called,
    Answered,
)


def one_service_at_a_time(history: History) -> Iterator[Broken]:
    """Find services of one thread side by side, and ends that were answered before the service.

    One that does not stop in its grace was abandoned, and does not count from then on; what it
    holds is given back under it.
    """
    grace = 0.0
    running: dict[tuple[str, int], float] = {}
    abandoned: set[tuple[str, int]] = set()
    held: dict[str, tuple[str, int]] = {}
    ends: dict[int, tuple[str, float, set[tuple[str, int]]]] = {}
    life = 0
    for index, record in history.of(*_READ):
        if record.life != life:
            running.clear()
            abandoned.clear()
            held.clear()
            ends.clear()
            life = record.life
        match record.fact:
            case Opening(limits=limits):
                grace = limits.cancel_grace_seconds + limits.lease_release_seconds
            case ServiceEntered(thread=thread, run=run):
                others = [each for each in running if each[0] == thread]
                if others and not _long_ago(others, running, record.at, grace):
                    yield Broken("I1", f"two services of {thread} run side by side", index)
                for other in others:
                    del running[other]
                running[thread, run] = record.at
            case ServiceExited(thread=thread, run=run):
                running.pop((thread, run), None)
            case Claimed(thread=thread):  # nobody claims it while one is waited for
                abandoned |= {each for each in running if each[0] == thread}
            case Held(thread=thread, run=run, lease=lease):
                held[lease] = thread, run
            case LetGo(lease=lease):
                held.pop(lease, None)
            case LeaseReturned(lease=lease) if lease in held:
                abandoned.add(held.pop(lease))
            case Called(call=call, thread=thread, operation=End() | Delete()):
                there = {each for each in running if each[0] == thread} - abandoned
                ends[call] = (thread, record.at, there)
            case Answered(call=call, answer=Done(existed=True)) if call in ends:
                thread, called_at, there = ends.pop(call)
                waited = (there - abandoned) & running.keys()
                if waited and record.at < called_at + grace:
                    yield Broken("I11", f"{thread} was ended before its service was gone", index)
                abandoned |= there & running.keys()
            case _:
                pass


def _long_ago(
    others: list[tuple[str, int]], running: dict[tuple[str, int], float], now: float, grace: float
) -> bool:
    return all(now >= running[each] + grace for each in others)

"""Which threads hold a place of a capacity: exactly those that are active."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Rejected

if TYPE_CHECKING:
    from .lifetime import Capacity


class Capacities:
    """The active threads by the capacity that bounds them.

    A place is held by a thread's name, so giving it back twice gives it back once.
    """

    def __init__(self) -> None:
        self._threads: dict[Capacity, set[str]] = {}
        self._capacities: dict[str, Capacity] = {}

    def check(self, capacity: Capacity | None) -> None:
        """Refuse a thread that there is no place for.

        Raises:
            Rejected: `overloaded`, naming the capacity.
        """
        if capacity is not None and len(self._threads.get(capacity, ())) >= capacity.most:
            raise Rejected(
                "overloaded", f"all {capacity.most} places for {capacity.name} are taken"
            )

    def take(self, capacity: Capacity | None, thread: str) -> None:
        """Give a thread its place; also above the bound, for what a crash left to be settled."""
        if capacity is not None:
            self._threads.setdefault(capacity, set()).add(thread)
            self._capacities[thread] = capacity

    def leave(self, thread: str) -> None:
        """Take a thread's place back; a no-op where it has none."""
        capacity = self._capacities.pop(thread, None)
        if capacity is not None:
            threads = self._threads[capacity]
            threads.discard(thread)
            if not threads:
                del self._threads[capacity]

"""Windows: so many things in a row, handed over as one."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Collector(Generic[T]):
    """Collects things until there are enough for a window.

    Args:
        size: things in a window, at least 1.

    Raises:
        ValueError: for a smaller size.
    """

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"a window has at least 1 thing in it, not {size}")
        self.size = size
        self._collected: list[T] = []

    def __len__(self) -> int:
        """How many were collected for the next window, fewer than `size`."""
        return len(self._collected)

    def add(self, thing: T) -> tuple[T, ...] | None:
        """Add one thing; return the window that it completes, or None."""
        self._collected.append(thing)
        return self.flush() if len(self._collected) == self.size else None

    def flush(self) -> tuple[T, ...]:
        """Return what was collected, be it too little, and begin anew."""
        window, self._collected = tuple(self._collected), []
        return window

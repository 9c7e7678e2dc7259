"""An executor whose calls wait until the test lets them through."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import trio

T = TypeVar("T")


class Gate:
    """Runs calls inline, but while it is shut lets none begin.

    Args:
        calls: how many were let through.
    """

    def __init__(self) -> None:
        self._open = trio.Event()
        self._open.set()
        self.calls = 0

    async def run(self, call: Callable[[], T]) -> T:
        # As a worker thread would, it delivers a cancellation only before it begins.
        await trio.lowlevel.checkpoint_if_cancelled()
        with trio.CancelScope(shield=True):
            await self._open.wait()
            await trio.lowlevel.checkpoint()
        self.calls += 1
        return call()

    def shut(self) -> None:
        self._open = trio.Event()

    def open(self) -> None:
        self._open.set()

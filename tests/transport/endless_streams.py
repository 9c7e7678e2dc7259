"""Subscriptions that have as much to say as a test wants."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from actors import Events
from actors.core.event_codec import Row
from actors.core.position import Position
from actors.core.resume import AttachPlan, Mode


@define(eq=False)
class EndlessStream:
    """A subscription that always has more."""

    thread: str
    on_ready: Callable[[EndlessStream], None]
    position: Position = field(factory=lambda: Position(1, 0))
    ready: bool = False
    behind: bool = True

    async def attach(self, cursor: str | None, window: int | None) -> AttachPlan:
        return AttachPlan(Mode.RESUME)

    async def pull(self) -> Events:
        offset = self.position.offset + 1
        self.position = Position(1, offset)
        return Events(self.thread, (Row(offset, offset, b"{}"),), self.position)

    def wake(self) -> None:
        if not self.ready:
            self.ready = True
            self.on_ready(self)

    def close(self) -> None:
        self.behind = False


@define(eq=False)
class Stream(EndlessStream):
    """A subscription that has one batch whenever it is told so."""

    behind: bool = False
    waiting: int = 0

    def tell(self) -> None:
        self.waiting += 1
        self.wake()

    def pull_now(self) -> Events | None:
        if not self.waiting:
            return None
        self.waiting -= 1
        self.position = Position(1, self.position.offset + 1)
        row = Row(self.position.offset, self.position.offset, b"{}")
        return Events(self.thread, (row,), self.position)

    async def pull(self) -> Events | None:
        return self.pull_now()

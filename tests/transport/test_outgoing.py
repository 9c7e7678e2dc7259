"""Whoever sends much lets the others on, even where the peer takes all of it at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import trio
from attrs import define, field

from actors import Events
from actors.core.event_codec import Row
from actors.core.position import Position
from actors.core.resume import AttachPlan, Mode
from actors.limits import DEFAULT_LIMITS
from transport.outgoing import _BURST as BURST
from transport.outgoing import Outgoing
from transport.wire.client_messages import Attach


@define(eq=False)
class GreedyLink:
    """Takes everything at once."""

    taken: int = 0

    async def send_text(self, text: bytes | str) -> None:
        self.taken += 1


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
class FramesPerStep(trio.abc.Instrument):
    """How many frames went out between one step of any task and the next."""

    link: GreedyLink
    seen: list[int] = field(factory=lambda: [0])

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.seen.append(self.link.taken)

    @property
    def most(self) -> int:
        return max(after - before for before, after in itertools.pairwise(self.seen))


async def test_a_stream_without_end_does_not_hold_the_loop() -> None:
    link = GreedyLink()
    outgoing = Outgoing(link, EndlessStream, lambda _: True, lambda _: None, DEFAULT_LIMITS)
    outgoing.do(Attach("1", "t"))
    steps = FramesPerStep(link)
    trio.lowlevel.add_instrument(steps)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outgoing.run)
        for _ in range(20):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    trio.lowlevel.remove_instrument(steps)
    assert link.taken > 20
    assert steps.most <= BURST + 1  # `attached` goes before the first of the stream

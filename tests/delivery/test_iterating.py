"""I3: whoever iterates misses nothing, whatever happens meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from written_thread import (
    CaughtUp,
    Events,
    Written,
    drain,
    offsets,
)

from actors.core.position import Position, parse_cursor
from actors.limits import Limits

if TYPE_CHECKING:
    from actors.delivery.subscription import Subscription


async def test_iterating_waits_for_news_and_misses_none(autojump_clock: object) -> None:
    thread = await Written.begin()
    await thread.submit()
    seen: list[int] = []
    subscription = await thread.attached("3.0")

    async def watch() -> None:
        async for batch in subscription:
            seen.extend(offsets([batch]))
            if batch.position.offset % 3 == 0:
                await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        for n in range(20):
            await thread.say(str(n))
            if n % 7 == 0:
                await trio.sleep(2)
        await thread.finish()
        await thread.end()
    assert seen == list(range(1, thread.state.offset + 1))


async def test_closing_ends_the_iteration_of_somebody_who_waits() -> None:
    thread = await Written.begin()
    subscription = await thread.attached()
    closed: list[Subscription] = []

    async with trio.open_nursery() as nursery:

        async def watch() -> None:
            async for _ in subscription:
                pass
            closed.append(subscription)

        nursery.start_soon(watch)
        await trio.testing.wait_all_tasks_blocked()
        subscription.close()
    assert closed == [subscription]
    assert thread.tail.watchers == 0


async def test_callers_are_told_once_that_there_is_news_and_once_that_it_is_closed() -> None:
    thread = await Written.begin()
    ready: list[int] = []
    closed: list[int] = []
    subscription = thread.subscription(
        on_ready=lambda _: ready.append(1), on_close=lambda _: closed.append(1)
    )
    await subscription.attach(None)
    await thread.submit()
    await thread.say("x")
    assert len(ready) == 1  # until it is looked at
    subscription.ready = False
    await thread.say("y")
    assert len(ready) == 2
    subscription.close()
    subscription.close()
    subscription.wake()
    assert (len(ready), len(closed)) == (2, 1)


# Everything at once


Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["say", "turn", "pull", "leave", "forget tail", "compact", "truncate"]),
        st.integers(0, 2),
    ),
    max_size=40,
)


@given(
    STEPS,
    st.sampled_from([Limits(), Limits(tail_bytes=400, tail_merged_bytes=300, batch_bytes=200)]),
)
def test_any_reader_sees_a_contiguous_run_or_a_snapshot(steps: list[Step], limits: Limits) -> None:
    """B1, B2, I3: three readers that come, go, pull and rest as they like."""

    async def main() -> None:
        thread = await Written.begin(limits)
        readers = [Reader(thread) for _ in range(3)]
        for number, (step, who) in enumerate(steps):
            if step in ("pull", "leave"):
                await readers[who].do(step)
            elif step == "say":
                await thread.submit(f"t{number}") if thread.state.live is None else None
                await thread.say("x" * 30, "y")
            elif step == "turn":
                await thread.finish() if thread.state.live else await thread.submit(f"t{number}")
            elif step == "forget tail":
                thread.tail._clear()
            elif step == "compact":
                await thread.compact()
            elif thread.state.live is None and thread.state.offset:
                await thread.truncate(None)
        for reader in readers:
            await reader.do("pull")
            assert reader.position == thread.state.position

    trio.run(main)


class Reader:
    """Checks what it is given against where it stood."""

    def __init__(self, thread: Written) -> None:
        self.thread = thread
        self.position: Position | None = None
        self.subscription: Subscription | None = None

    async def do(self, step: str) -> None:
        if step == "leave":
            if self.subscription is not None:
                self.subscription.close()
            self.subscription = None
            return
        if self.subscription is None:
            cursor = None if self.position is None else self.position.cursor()
            self.subscription = await self.thread.attached(cursor)
        for batch in await drain(self.subscription):
            if isinstance(batch, Events):
                assert self.position is not None
                run = offsets([batch])
                first = self.position.offset + 1
                assert run == list(range(first, first + len(run)))
            elif isinstance(batch, CaughtUp):
                assert batch.position == self.position
            elif self.position is not None:
                assert batch.position >= self.position
            self.position = parse_cursor(batch.cursor)

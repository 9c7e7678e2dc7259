"""Whoever sends much lets the others on, even where the peer takes all of it at once."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import orjson
import trio
import trio.testing
from attrs import define, field
from endless_streams import EndlessStream, Stream

from actors.limits import DEFAULT_LIMITS
from tests.benchmarks.counting import steps_counted
from transport.courier import Courier
from transport.outgoing import _BURST as BURST
from transport.outgoing import SendingHalf
from transport.wire.client_messages import Attach
from transport.wire.server_messages import Pong

SENDING = "SendingHalf._run"


@define(eq=False)
class GreedyLink:
    """Takes everything at once."""

    taken: int = 0
    sent: list[bytes | str] = field(factory=list)

    async def send_text(self, text: bytes | str) -> None:
        self.taken += 1
        self.sent.append(text)


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
    outgoing = SendingHalf(link, EndlessStream, lambda _: True, lambda _: None, DEFAULT_LIMITS)
    outgoing.do(Attach("1", "t"))
    steps = FramesPerStep(link)
    trio.lowlevel.add_instrument(steps)
    async with trio.open_nursery() as nursery:
        outgoing.begin(nursery)
        for _ in range(20):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    trio.lowlevel.remove_instrument(steps)
    assert link.taken > 20
    assert steps.most <= BURST + 1  # `attached` goes before the first of the stream


@define(eq=False)
class RoomyLink(GreedyLink):
    """Takes so many at once, and the rest where somebody waits."""

    room: int = 1000
    flushed: int = 0

    def send_text_now(self, text: bytes) -> bool:
        self.room -= 1
        self.taken += self.room >= 0
        return self.room >= 0

    async def flush(self) -> None:
        self.flushed += 1
        self.taken += 1


@asynccontextmanager
async def _connections(links: list[RoomyLink]) -> AsyncIterator[tuple[list[Stream], Courier]]:
    """Connections of one server that follow a stream each and wait for news."""
    streams: list[Stream] = []
    courier = Courier()

    def subscribe(thread: str, on_ready: Callable[[EndlessStream], None]) -> Stream:
        streams.append(Stream(thread, on_ready))
        return streams[-1]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(courier.run)
        for link in links:
            tell = (lambda _: True, lambda _: None)
            outgoing = SendingHalf(link, subscribe, *tell, DEFAULT_LIMITS, courier)
            outgoing.begin(nursery)
            outgoing.do(Attach("1", "t"))
        await trio.testing.wait_all_tasks_blocked()
        yield streams, courier
        nursery.cancel_scope.cancel()


async def test_the_courier_sends_for_all_and_wakes_nobody() -> None:
    """One task's turn for what becomes visible, however many connections there are."""
    links = [RoomyLink() for _ in range(100)]
    async with _connections(links) as (streams, _):
        before = [link.taken for link in links]
        with steps_counted() as steps:
            for stream in streams:
                stream.tell()
            await trio.testing.wait_all_tasks_blocked()
        assert [link.taken for link in links] == [count + 1 for count in before]
        assert steps[SENDING] == 0


async def test_who_takes_nothing_at_once_is_left_to_its_own_task() -> None:
    """And the courier goes on with the others; what comes meanwhile goes behind."""
    full, free = RoomyLink(room=0), RoomyLink()
    async with _connections([full, free]) as (streams, _):
        before = full.taken, free.taken
        for _ in range(3):
            for stream in streams:
                stream.tell()
            await trio.testing.wait_all_tasks_blocked()
        assert (full.taken, free.taken) == (before[0] + 3, before[1] + 3)
        assert full.flushed == 3


async def test_without_a_courier_that_runs_a_connection_sends_by_itself() -> None:
    link = RoomyLink()
    async with _connections([link]) as (streams, courier):
        courier.running = False
        before = link.taken
        with steps_counted() as steps:
            streams[0].tell()
            await trio.testing.wait_all_tasks_blocked()
        assert link.taken == before + 1
        assert steps[SENDING] == 1


async def test_an_answer_goes_out_where_it_is_given(nursery: trio.Nursery) -> None:
    """Nobody is woken for it."""
    link = RoomyLink()
    outgoing = _answering(link, nursery)
    with steps_counted() as steps:
        outgoing.answer(Pong("1"))
        assert link.taken == 1
        await trio.testing.wait_all_tasks_blocked()
    assert link.taken == 1
    assert steps[SENDING] == 0


async def test_an_answer_waits_for_what_the_peer_did_not_take(nursery: trio.Nursery) -> None:
    """A frame that is half sent is finished first, by the connection's own task."""
    link = RoomyLink(room=0)
    outgoing = _answering(link, nursery)
    outgoing.answer(Pong("1"))
    outgoing.answer(Pong("2"))
    assert link.taken == 0
    await trio.testing.wait_all_tasks_blocked()
    assert link.flushed == 1
    assert link.taken == 2


async def test_an_answer_goes_behind_those_before_it(nursery: trio.Nursery) -> None:
    link = RoomyLink()
    outgoing = _answering(link, nursery)
    outgoing.say(Pong("1"))
    outgoing.answer(Pong("2"))
    assert link.sent == []
    await trio.testing.wait_all_tasks_blocked()
    assert [orjson.loads(each)["id"] for each in link.sent] == ["1", "2"]


async def test_what_had_to_wait_is_made_anew_of_what_may_be_seen_by_then(
    nursery: trio.Nursery,
) -> None:
    link = RoomyLink()
    outgoing = _answering(link, nursery)
    outgoing.answer(Pong("1"), lambda: Pong("late"))  # goes at once
    outgoing.say(Pong("2"))
    outgoing.answer(Pong("3"), lambda: Pong("late"))
    await trio.testing.wait_all_tasks_blocked()
    assert link.taken == 3
    assert [orjson.loads(each)["id"] for each in link.sent] == ["2", "late"]


def _answering(link: RoomyLink, nursery: trio.Nursery) -> SendingHalf:
    def subscribe(thread: str, on_ready: Callable[[EndlessStream], None]) -> Stream:
        return Stream(thread, on_ready)

    outgoing = SendingHalf(link, subscribe, lambda _: True, lambda _: None, DEFAULT_LIMITS)
    outgoing.begin(nursery)
    return outgoing

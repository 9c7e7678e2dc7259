"""Nobody waits long because somebody else has much to say; counted, never timed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from attrs import define, field
from endless_streams import EndlessStream, Stream

from actors import Limits, Turn, open_runtime
from actors.journal.memory import MemoryJournal
from transport.courier import Courier
from transport.outgoing import SendingHalf
from transport.wire.client_messages import Attach, Ping

if TYPE_CHECKING:
    from actors import Runtime, Subscription
    from actors.journal.contract import Journal
    from transport.link import Link

CROWD = 500
PIECES = 3_000
LIMITS = Limits()


@define(eq=False)
class NotingLink:
    """Takes everything at once, and calls `note` with each message."""

    note: Callable[[dict[str, object]], None]

    async def send_text(self, text: bytes | str) -> None:
        self.note(json.loads(text))


@define(eq=False)
class PromptLink(NotingLink):
    """One that the courier can send on as well."""

    def send_text_now(self, text: bytes) -> bool:
        self.note(json.loads(text))
        return True

    async def flush(self) -> None:
        raise AssertionError("all of it went")


@define(eq=False)
class Race:
    """Two turns that say what they can, and how far each and its viewers have come."""

    written: Counter[str] = field(factory=Counter)
    apart: int = 0
    since: int = 0
    most: int = 0

    async def reply(self, turn: Turn) -> None:
        """Only ever write."""
        for _ in range(PIECES):
            await turn.write("tokens! ")
            self.written[turn.thread] += 1
            ahead = abs(self.written["crowd"] - self.written["lone"])
            if max(self.written.values()) < PIECES:
                self.apart = max(self.apart, ahead)

    def to_crowd(self, message: dict[str, object]) -> None:
        """Count what goes to the five hundred between two messages to the one."""
        self.since += message["type"] == "events"

    def to_lone(self, message: dict[str, object]) -> None:
        """See how much that was."""
        if message["type"] == "events":
            self.most, self.since = max(self.most, self.since), 0


async def _memory_journal() -> Journal:
    return MemoryJournal(limits=LIMITS)


def _follow(
    runtime: Runtime, nursery: trio.Nursery, link: Link, thread: str, courier: Courier
) -> SendingHalf:
    def subscribe(thread: str, on_ready: Callable[[Subscription], None]) -> Subscription:
        return runtime.registry.subscribe(thread, "me", on_ready)

    outgoing = SendingHalf(link, subscribe, lambda _: True, lambda _: None, LIMITS, courier)
    outgoing.begin(nursery)
    outgoing.do(Attach("1", thread))
    return outgoing


async def test_a_thread_with_one_viewer_beside_one_with_five_hundred(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Both turns get on alike, and between two frames for the one, nobody of the many gets three.

    It is what is said in the meantime that makes a frame, so the one pays for the many by larger
    frames, not by a place behind them.
    """
    race, courier = Race(), Courier()
    async with (
        open_runtime(_memory_journal, on_turn=race.reply, limits=LIMITS) as runtime,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(courier.run)
        sides = [*[("crowd", race.to_crowd)] * CROWD, ("lone", race.to_lone)]
        viewers = [
            _follow(runtime, nursery, PromptLink(note), thread, courier) for thread, note in sides
        ]
        await trio.testing.wait_all_tasks_blocked()
        race.since = 0
        for thread in ("crowd", "lone"):
            nursery.start_soon(runtime.thread(thread).submit, "speak")
        await trio.sleep(60)
        for viewer in viewers:
            viewer.end()
        nursery.cancel_scope.cancel()
    assert race.written == {"crowd": PIECES, "lone": PIECES}
    assert race.apart <= 4 * LIMITS.write_burst_pieces
    assert 0 < race.most <= 2 * CROWD


async def _until(there: Callable[[], bool]) -> None:
    for _ in range(1000):
        if not there():
            await trio.lowlevel.checkpoint()
    assert there()


@pytest.mark.parametrize("link_of", [NotingLink, PromptLink])
async def test_a_trickle_beside_a_flood_on_one_connection(
    link_of: type[NotingLink],
) -> None:
    """What a quiet thread says, and an answer, wait for one frame of the flood at the most."""
    heard: list[str] = []
    streams: dict[str, EndlessStream] = {}

    def note(message: dict[str, object]) -> None:
        heard.append(str(message.get("thread", message["type"])))

    def subscribe(thread: str, on_ready: Callable[[EndlessStream], None]) -> EndlessStream:
        kind = EndlessStream if thread == "flood" else Stream
        streams[thread] = kind(thread, on_ready)
        return streams[thread]

    courier = Courier()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(courier.run)
        tell = (lambda _: True, lambda _: None)
        outgoing = SendingHalf(link_of(note), subscribe, *tell, LIMITS, courier)
        outgoing.begin(nursery)
        for thread in ("trickle", "flood"):
            outgoing.do(Attach(thread, thread))
        await _until(lambda: heard.count("flood") >= 3)
        trickle = streams["trickle"]
        assert isinstance(trickle, Stream)
        for drip in (trickle.tell, lambda: outgoing.say(Ping())) * 10:
            heard.clear()
            drip()
            await _until(lambda: bool({"trickle", "ping"} & set(heard)))
            assert heard[:2].count("flood") <= 1, heard
        nursery.cancel_scope.cancel()


async def test_turns_that_await_nothing_but_write_leave_the_loop_to_others(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Virtual time stands still, so it is by their number that the writes let others on."""
    turns, written, apart = 5, 0, list[int]()

    async def reply(turn: Turn) -> None:
        nonlocal written
        while True:
            await turn.write("x")
            written += 1

    async with open_runtime(_memory_journal, on_turn=reply, limits=LIMITS) as runtime:
        receipts = [await runtime.thread(f"t{n}").submit("speak") for n in range(turns)]
        for _ in range(200):
            before = written
            await trio.lowlevel.checkpoint()
            apart.append(written - before)
        for n, receipt in enumerate(receipts):
            await runtime.thread(f"t{n}").cancel(receipt.turn)
    # In one round of the loop everybody has a step, in any order: two between ours at the most.
    assert 0 < max(apart) <= 2 * turns * LIMITS.write_burst_pieces

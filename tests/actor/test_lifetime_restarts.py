"""`EndAfter` across restarts: who watched is gone, and the time runs from the last event."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
import trio.testing
from attrs import evolve
from runtime_world import FakeJournal, World, open_world, refused

from actors import EndAfter, ThreadKind, Turn
from actors.core.event_codec import decode
from actors.core.events import ThreadEnded

if TYPE_CHECKING:
    from trio.testing import MockClock

TTL = 90.0


async def stays(turn: Turn) -> None:
    await turn.write("half an answer")
    await trio.sleep_forever()


ENDS = ThreadKind(on_turn=stays, lifetime=EndAfter(ttl=TTL))


def active(world: World) -> int:
    return world.runtime.statistics().active


async def is_ended(journal: FakeJournal) -> bool:
    rows = (row for append in journal.appended for row in append.rows)
    return any(isinstance(decode(row).event, ThreadEnded) for row in rows)


async def crashed() -> FakeJournal:
    """Return a journal with a turn that was open when the program was killed, just now."""
    journal = FakeJournal()
    async with open_world(journal=journal, kind=ENDS) as world, world.thread().attach():
        await world.started()
        journal.fail()
    journal.reopen()
    return journal


async def test_what_a_restart_settled_ends_after_its_last_event(autojump_clock: MockClock) -> None:
    began = trio.current_time()
    journal = await crashed()
    died = trio.current_time()
    await trio.sleep(30)
    async with open_world(journal=journal, kind=ENDS) as world:
        await trio.sleep_until(began + TTL - 1)
        assert (active(world), await is_ended(journal)) == (1, False)
        await trio.sleep_until(died + TTL + 1)
        assert (active(world), await is_ended(journal)) == (0, True)


async def test_after_a_long_time_it_ends_at_once(autojump_clock: MockClock) -> None:
    journal = await crashed()
    await trio.sleep(10 * TTL)
    async with open_world(journal=journal, kind=ENDS) as world:
        await trio.sleep(0.001)
        assert (active(world), await is_ended(journal)) == (0, True)


async def test_who_attaches_in_time_clears_it(autojump_clock: MockClock) -> None:
    journal = await crashed()
    await trio.sleep(30)
    async with open_world(journal=journal, kind=ENDS) as world:
        async with world.thread().attach():
            await trio.sleep(2 * TTL)
            assert not await is_ended(journal)
        await trio.sleep(TTL - 1)
        assert not await is_ended(journal)
        await trio.sleep(2)
        assert await is_ended(journal)


async def test_a_turn_that_is_run_again_is_waited_for(autojump_clock: MockClock) -> None:
    async def again(turn: Turn) -> None:
        await trio.sleep(3 * TTL)
        await turn.write("done")

    journal = await crashed()
    kind = evolve(ENDS, on_turn=again, retry=True, no_progress=None)
    async with open_world(journal=journal, kind=kind) as world:
        await trio.sleep(2 * TTL)
        assert not await is_ended(journal)
        await trio.sleep(TTL + 1)
        assert (active(world), await is_ended(journal)) == (0, True)


async def test_a_thread_that_was_settled_before_is_not_activated(autojump_clock: MockClock) -> None:
    """It holds nothing; that it is ended can wait for who uses it."""
    journal = await crashed()
    async with open_world(journal=journal, kind=ENDS):
        pass
    journal.reopen()
    async with open_world(journal=journal, kind=ENDS) as world:
        await trio.sleep(10 * TTL)
        assert (active(world), await is_ended(journal)) == (0, False)


async def test_a_journal_that_was_opened_anew_is_no_restart(autojump_clock: MockClock) -> None:
    """Nobody was ever attached, and the program knows it."""
    journal = FakeJournal()

    async def opener() -> FakeJournal:
        await trio.lowlevel.checkpoint()
        journal.reopen()
        return journal

    async with open_world(opener=opener, journal=journal, kind=ENDS) as world:
        turn = await world.started()
        journal.fail()
        code = await refused(world.thread().submit("x", on_busy="queue"))
        assert code == "journal_unavailable"
        await trio.sleep(10 * TTL)
        assert await world.ends(turn) == "interrupted"
        assert (active(world), await is_ended(journal)) == (1, False)

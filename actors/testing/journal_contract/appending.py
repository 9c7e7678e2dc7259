"""Appends: what is kept, who is fenced, and what many at once are to one another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio
from attrs import evolve
from trio.testing import wait_all_tasks_blocked

from ...core.event_codec import Row
from ...core.events import (
    Recorded,
    ThreadCreated,
    ThreadTruncated,
)
from ...core.head import Cut
from ...core.items import item_id
from ...core.position import Position
from ...core.turn_lifecycle import TurnState
from ...errors import (
    InternalError,
    JournalFenced,
    JournalUnavailable,
)
from ...limits import DEFAULT_LIMITS
from ..scripted_thread import ScriptedThread
from .kit import (
    PAGE,
    Check,
    Opener,
    all_rows,
    item_ids,
    opened,
    raised,
    settled_part,
)

if TYPE_CHECKING:
    from ...journal.contract import Append


async def append_is_kept(open_journal: Opener) -> None:
    """What was appended is there, byte for byte, also when the journal is opened anew (I4)."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        rows = [
            *(await thread.submit("a", "caf\u00e9 \u2713 \U0001f600")).rows,
            *(await thread.start("a")).rows,
            *(await thread.say("a", "x", "\n\t\0", "y" * 5000)).rows,
        ]
        head = thread.state.head
        assert head.open_from is not None
        assert (await journal.load("t")).head == head
        assert await all_rows(journal, "t", Position(head.epoch, 0)) == rows
        assert (await journal.load("t")).rows == tuple(rows[head.open_from - 1 :])
    async with opened(open_journal) as journal:
        assert (await journal.claim("t")).loaded.head == head
        assert await all_rows(journal, "t", Position(head.epoch, 0)) == rows


async def bodies_are_bytes(open_journal: Opener) -> None:
    """A row's body is not read when it is written or handed out."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        append = thread.append_of(thread.step(ThreadCreated()))
        odd = evolve(append, rows=(Row(1, 1, b"x\x9c\x00\xff\n not an entry"),))
        await journal.append(odd)
        (row,) = await journal.read("t", append.expected, PAGE)
        assert row.body == b"x\x9c\x00\xff\n not an entry"


async def claim_fences(open_journal: Opener) -> None:
    """A claim fences every earlier writer, and a fenced append writes nothing (I7)."""
    async with opened(open_journal) as journal:
        stale = await ScriptedThread.claim(journal, "t")
        await stale.submit("a")
        current = await ScriptedThread.claim(journal, "t")
        await raised(stale.start("a"), JournalFenced)
        assert (await journal.load("t")).head == stale.state.head
        await current.start("a")
        await raised(stale.start("a"), JournalFenced)
        assert journal.statistics().refused == 2


async def released_claim_is_fenced(open_journal: Opener) -> None:
    """Without a claim nobody writes; giving back a claim that another one has is a no-op."""
    async with opened(open_journal) as journal:
        first = await ScriptedThread.claim(journal, "t")
        await first.submit("a")
        journal.release("t", first.generation)
        await raised(first.start("a"), JournalFenced)
        second = await ScriptedThread.claim(journal, "t")
        journal.release("t", first.generation)
        await second.start("a")
        assert second.generation != first.generation


async def claims_end_with_the_journal(open_journal: Opener) -> None:
    """The writers of an earlier opening are fenced, whatever their generation."""
    async with opened(open_journal) as journal:
        old = await ScriptedThread.claim(journal, "t")
        await old.submit("a")
    async with opened(open_journal) as journal:
        await raised(evolve(old, journal=journal).start("a"), JournalFenced)
        new = await ScriptedThread.claim(journal, "t")
        assert new.generation != old.generation
        await raised(evolve(old, journal=journal).start("a"), JournalFenced)
        await new.start("a")


async def wrong_position_is_fenced(open_journal: Opener) -> None:
    """A writer that is not where the thread is writes nothing: behind, ahead, or another life."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        await thread.submit("a")
        await thread.start("a")
        for offset in (-1, 1):
            await raised(thread.stale(offset=offset).say("a", "x"), JournalFenced)
        other_life = evolve(thread.state, epoch=thread.state.epoch + 1)
        await raised(evolve(thread, state=other_life).say("a", "x"), JournalFenced)
        assert (await journal.load("t")).head == thread.state.head
        await thread.say("a", "x")


async def misuse_is_refused(open_journal: Opener) -> None:
    """A step that no core makes is an `InternalError`, and writes nothing."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        await thread.turn("a", "x")
        good = thread.append_of(thread.step(ThreadTruncated(None, 0), cut=Cut(0, 0, 0)))
        (row,) = good.rows
        too_large = bytes(DEFAULT_LIMITS.frame_bytes + 1)
        for bad in (
            evolve(good, rows=()),
            evolve(good, rows=(evolve(row, offset=row.offset + 1, to=row.to + 1),)),
            evolve(good, rows=(evolve(row, body=too_large),)),
            evolve(good, head=evolve(good.head, offset=row.to + 1)),
            evolve(good, head=evolve(good.head, epoch=good.head.epoch + 1)),
            evolve(good, head=evolve(good.head, floor=0)),
        ):
            await raised(journal.append(bad), InternalError)
        assert (await journal.load("t")).head == thread.state.head
        await journal.append(good)


async def turn_ends_once(open_journal: Opener) -> None:
    """A second ending of a turn is refused, whoever decided it (I2)."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        again = await _ended_twice(thread)
        settled = await settled_part(journal, "a")
        await raised(again.end("a", TurnState.FAILED), InternalError)
        assert await settled_part(journal, "a") == settled


async def _ended_twice(thread: ScriptedThread) -> ScriptedThread:
    """Write a turn, and return a writer that believes that it still runs."""
    await thread.submit("a")
    await thread.start("a")
    running = thread.state
    await thread.end("a")
    return evolve(thread, state=evolve(running, offset=thread.state.offset))


async def refused_beside_others(open_journal: Opener) -> None:
    """What is wrong with one append is nothing to those that are made at the same time."""
    async with opened(open_journal) as journal:
        threads = [await ScriptedThread.claim(journal, f"t{n}") for n in range(40)]
        again = {thread.thread: await _ended_twice(thread) for thread in threads[::4]}
        outcomes: dict[str, type[BaseException] | None] = {}

        async def write(number: int, thread: ScriptedThread) -> None:
            try:
                match number % 4:
                    case 0:
                        await again[thread.thread].end("a")
                    case 1:
                        await thread.stale(generation=-1).submit("a")
                    case 2:
                        await thread.stale(offset=3).submit("a")
                    case _:
                        await thread.submit("a")
            except (InternalError, JournalFenced) as exc:
                outcomes[thread.thread] = type(exc)
            else:
                outcomes[thread.thread] = None

        async with trio.open_nursery() as nursery:
            for number, thread in enumerate(threads):
                nursery.start_soon(write, number, thread)
        expected = (InternalError, JournalFenced, JournalFenced, None)
        assert outcomes == {t.thread: expected[n % 4] for n, t in enumerate(threads)}
        for thread in threads[3::4]:
            assert (await journal.load(thread.thread)).head == thread.state.head


async def many_at_once(open_journal: Opener) -> None:
    """Each of the steps that are handed over together is written or refused by itself."""
    async with opened(open_journal) as journal:
        threads = [await ScriptedThread.claim(journal, f"t{n}") for n in range(4)]
        steps = [thread.step(ThreadCreated(), _note(n)) for n, thread in enumerate(threads)]
        appends = [t.append_of(step) for t, step in zip(threads, steps, strict=True)]
        appends[1] = evolve(appends[1], generation=-1)
        appends[2] = evolve(appends[2], rows=())
        outcomes = await journal.append_many(appends)
        kinds = [None if wrong is None else type(wrong) for wrong in outcomes]
        assert kinds == [None, JournalFenced, InternalError, None]
        offsets = [(await journal.load(thread.thread)).head.offset for thread in threads]
        assert offsets == [2, 0, 0, 2]
    closed = await journal.append_many(appends)
    assert {type(wrong) for wrong in closed} == {JournalUnavailable}


async def appends_in_a_row(open_journal: Opener) -> None:
    """A writer may append before the last append returned; behind a refused one all are fenced."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        outcomes: list[type[BaseException] | None] = [None] * 6

        async def write(number: int, append: Append) -> None:
            try:
                await journal.append(append)
            except (InternalError, JournalFenced) as exc:
                outcomes[number] = type(exc)

        async with trio.open_nursery() as nursery:
            for number in range(6):
                step = thread.step(*(ThreadCreated(),) * (number == 0), _note(number))
                append = thread.append_of(step)
                if number == 3:
                    twice = (*append.settled, *append.settled)
                    append = evolve(append, settled=twice)
                nursery.start_soon(write, number, append)
                await wait_all_tasks_blocked()
                thread.state = step.state
        assert outcomes == [None, None, None, InternalError, JournalFenced, JournalFenced]
        assert await item_ids(journal, "t") == ["r0.0", "r1.0", "r2.0"]


def _note(number: int) -> Recorded:
    return Recorded(item_id(f"r{number}", 0), "note", None)


async def many_threads_at_once(open_journal: Opener) -> None:
    """Appends of many threads at once are all there, and each thread's own are in order."""
    async with opened(open_journal) as journal:
        threads = [await ScriptedThread.claim(journal, f"t{n}") for n in range(30)]
        async with trio.open_nursery() as nursery:
            for thread in threads:
                nursery.start_soon(thread.turn, "a", *"hello world")
    async with opened(open_journal) as journal:
        for thread in threads:
            rows = await all_rows(journal, thread.thread, Position(thread.state.epoch, 0))
            assert [row.offset for row in rows] == list(range(1, 16))
            items = (await journal.history(thread.thread, None, 10, PAGE)).items
            assert items[-1].body == {"text": "hello world"}


async def cancelled_append(open_journal: Opener) -> None:
    """A cancelled append happened wholly or not at all, and keeps nobody else waiting."""
    async with opened(open_journal) as journal:
        for number in range(12):
            thread = await ScriptedThread.claim(journal, f"t{number}")
            other = await ScriptedThread.claim(journal, f"o{number}")
            with trio.fail_after(60):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(other.submit, "a")
                    nursery.start_soon(_submit_and_leave, thread, number % 6)
            again = await ScriptedThread.claim(journal, f"t{number}")
            if again.state.offset == 0:
                assert await journal.receipt(f"t{number}", "somebody", "k") is None
            else:
                assert again.state.offset == 2
                assert await journal.receipt(f"t{number}", "somebody", "k") is not None
            assert (await journal.load(f"o{number}")).head.offset == 2


async def _submit_and_leave(thread: ScriptedThread, ticks: int) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_cancel_after, nursery.cancel_scope, ticks)
        await thread.submit("a", key="k")


async def _cancel_after(scope: trio.CancelScope, ticks: int) -> None:
    for _ in range(ticks):
        await trio.lowlevel.checkpoint()
    scope.cancel()


async def statistics_count(open_journal: Opener) -> None:
    """The counts are of what was done since opening."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        await thread.turn("a", "x", "y")
        counts = journal.statistics()
        assert (counts.appends, counts.rows, counts.refused) == (4, 6, 0)
        assert 1 <= counts.commits <= 4
    async with opened(open_journal) as journal:
        assert journal.statistics().appends == 0


CHECKS: Final[tuple[Check, ...]] = (
    append_is_kept,
    bodies_are_bytes,
    claim_fences,
    released_claim_is_fenced,
    claims_end_with_the_journal,
    wrong_position_is_fenced,
    misuse_is_refused,
    turn_ends_once,
    refused_beside_others,
    appends_in_a_row,
    many_at_once,
    many_threads_at_once,
    cancelled_append,
    statistics_count,
)

"""I12, I15: a thread's history is read once, and what is kept of it is what a read would return."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
from attrs import define, field
from drawn_turns import PARTS, Drawn, Step, limits_drawn, relive, spoil, steps
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runtime_world import FakeJournal, Holds, open_world
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import Limits, Runtime, ThreadKind, Turn
from actors.core.commands import Truncation
from actors.errors import InternalError
from actors.journal.sqlite import open_sqlite_journal
from actors.ports import Inline

if TYPE_CHECKING:
    from actors.journal.contract import HistoryPage, Journal

# Whatever there is, is kept.
KEEPING = Limits(idle_seconds=30, kept_context_items=1)


class Counting(FakeJournal):
    """A journal that counts the pages of history that turns have read."""

    pages = 0

    async def history(
        self, thread: str, before: str | int | None, limit: int, limit_bytes: int
    ) -> HistoryPage:
        self.pages += 1
        return await super().history(thread, before, limit, limit_bytes)


@asynccontextmanager
async def conversing(limits: Limits = KEEPING) -> AsyncIterator[Talk]:
    journal = Counting(limits=limits)
    talk = Talk(journal)
    async with open_world(talk.answer, journal=journal, limits=limits) as world:
        talk.runtime = world.runtime
        yield talk


@define
class Talk:
    """A runtime whose handler notes what it was given, and then spoils it."""

    journal: Counting
    given: list[list[Any]] = field(factory=list)
    runtime: Runtime = field(init=False)

    async def answer(self, turn: Turn) -> None:
        self.given.append([message["content"] for message in turn.messages()])
        spoil(turn)
        await turn.write(f"re {turn.text}")

    async def say(self, content: Any, thread: str = "t", **more: Any) -> None:
        await self.runtime.thread(thread).submit(content, **more)
        await wait_all_tasks_blocked()  # whoever waits for the ending by name reads history as well

    @property
    def weight(self) -> int:
        return self.runtime.statistics().context_bytes


@pytest.mark.parametrize(("least", "pages"), [(1, 2), (4, 3), (10_000, 5)])
async def test_history_is_read_once_there_is_enough_of_it(
    autojump_clock: MockClock, least: int, pages: int
) -> None:
    async with conversing(Limits(kept_context_items=least)) as talk:
        for text in ("a", "b", "c", "d", "e"):
            await talk.say(text)
        assert talk.journal.pages == pages
        assert talk.given[2] == ["a", "re a", "b", "re b", "c"]
        assert len(talk.given[4]) == 9
        assert bool(talk.weight) is (least < 10)


async def test_an_actor_that_goes_takes_its_context_along(autojump_clock: MockClock) -> None:
    async with conversing() as talk:
        await talk.say("a")
        await talk.say("b")
        assert talk.weight > 3000
        await trio.sleep(2 * KEEPING.idle_seconds)
        assert talk.weight == 0
        await talk.say("c")
        assert talk.journal.pages == 3
        assert talk.given[2] == ["a", "re a", "b", "re b", "c"]


async def test_the_contexts_of_all_threads_have_one_bound(autojump_clock: MockClock) -> None:
    limits = Limits(kept_context_items=1, kept_context_bytes=9000)  # two threads of four items
    async with conversing(limits) as talk:
        for thread in "aabbcc":
            await talk.say("x", thread)
            assert talk.weight <= limits.kept_context_bytes
        pages = talk.journal.pages
        await talk.say("y", "b")
        assert talk.journal.pages == pages
        await talk.say("y", "a")  # which was not used for longest
        assert talk.journal.pages == pages + 1
        assert talk.given[-1] == ["x", "re x", "x", "re x", "y"]


async def test_a_context_that_is_too_large_drives_out_no_other(autojump_clock: MockClock) -> None:
    limits = Limits(kept_context_items=1, kept_context_bytes=9000)
    async with conversing(limits) as talk:
        for _ in range(2):
            await talk.say("x", "a")
        weight = talk.weight
        await talk.say("x" * 10_000, "b")
        await talk.say("x", "b")
        assert talk.weight == weight


async def test_a_handler_cannot_change_what_later_turns_are_given(
    autojump_clock: MockClock,
) -> None:
    async with conversing() as talk:
        for _ in range(4):
            await talk.say(PARTS)
        assert [given[0] for given in talk.given] == [PARTS] * 4
        page = await talk.runtime.thread("t").history()
        assert page.items[0].body["content"] == PARTS


@pytest.mark.parametrize("after", [None, "t1.1"])
@pytest.mark.parametrize("edits", [False, True])
async def test_what_was_cut_off_is_not_given_again(
    autojump_clock: MockClock, after: str | None, edits: bool
) -> None:
    """I13."""
    async with conversing() as talk:
        for text in ("a", "b", "c"):
            await talk.say(text)
        if edits:
            await talk.say("d", truncate=Truncation(after))
        else:
            await talk.runtime.thread("t").truncate(after)
            await talk.say("d")
        assert talk.given[3] == [*([] if after is None else ["a", "re a"]), "d"]


async def test_a_turn_that_is_stopped_before_it_has_read_leaves_nothing_wrong(
    autojump_clock: MockClock,
) -> None:
    async with conversing() as talk:
        thread = talk.runtime.thread("t")
        await talk.say("a")
        await trio.sleep(2 * KEEPING.idle_seconds)
        talk.journal.on_history = Holds()
        turn = (await thread.submit("b")).turn
        await wait_all_tasks_blocked()
        await thread.record("fact", 1)
        await thread.cancel(turn)
        talk.journal.on_history = None
        assert talk.weight == 0
        await talk.say("c")
        assert talk.given[-1] == ["a", "re a", "b", "c"]


async def test_what_settles_while_a_turn_reads_is_the_next_ones(autojump_clock: MockClock) -> None:
    limits = Limits(kept_context_items=1, context_items=2)
    async with conversing(limits) as talk:
        thread = talk.runtime.thread("t")
        await talk.say("0")
        talk.journal.on_history = held = Holds()
        await thread.submit("a")
        await wait_all_tasks_blocked()
        await thread.record("fact", 1)
        held.gate.set()
        await wait_all_tasks_blocked()
        await talk.say("b")
        assert talk.journal.pages == 2
        assert talk.given[1:] == [
            ["0", "re 0", "a"],
            ["re a", "b"],
        ]  # and the record, which no model is shown


async def test_what_is_driven_out_while_it_is_read_is_not_kept(autojump_clock: MockClock) -> None:
    """It would lack what settled since."""
    # Four items of one thread fit, and nothing besides.
    async with conversing(Limits(kept_context_items=1, kept_context_bytes=3500)) as talk:
        thread = talk.runtime.thread("t")
        await talk.say("0")
        talk.journal.on_history = held = Holds()
        await thread.submit("a")
        await wait_all_tasks_blocked()
        for _ in range(3):
            await talk.say("x", "u")
        queued = await thread.submit("q", on_busy="queue")
        await thread.cancel(queued.turn)
        held.gate.set()
        await wait_all_tasks_blocked()
        await talk.say("b")
        assert talk.given[-1] == ["0", "re 0", "a", "re a", "q", "b"]


async def test_what_had_settled_behind_a_turn_that_is_tried_anew_is_the_next_ones(
    autojump_clock: MockClock,
) -> None:
    given: list[list[Any]] = []

    async def answer(turn: Turn) -> None:
        given.append([message["content"] for message in turn.messages()])
        if turn.attempt == 1 and turn.text == "a":
            await trio.sleep_forever()

    async with open_world(kind=ThreadKind(on_turn=answer, retry=True), limits=KEEPING) as world:
        thread = world.runtime.thread("t")
        await thread.submit("0")
        await wait_all_tasks_blocked()
        await thread.submit("a")
        behind = await thread.submit("b", on_busy="queue")
        await thread.cancel(behind.turn)
        await wait_all_tasks_blocked()
        actor = world.runtime.registry._entries["t"].actor
        assert actor is not None
        actor.fail(InternalError("as told"))
        await wait_all_tasks_blocked()
        await thread.submit("c")
        await wait_all_tasks_blocked()
        assert given == [["0"], ["0", "a"], ["0", "a"], ["0", "a", "b", "c"]]


# Drawn histories


DRAWING = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@DRAWING
@given(st.lists(steps, min_size=4, max_size=20), limits_drawn, st.booleans())
def test_what_is_kept_is_what_is_on_disk(todo: list[Step], limits: Limits, retry: bool) -> None:
    journal = FakeJournal(limits=limits)

    async def open_journal() -> Journal:
        await trio.lowlevel.checkpoint()
        journal.reopen()
        return journal

    relive(todo, Drawn(open_journal, limits, retry))


@DRAWING
@given(st.lists(steps, min_size=4, max_size=20), limits_drawn, st.booleans())
def test_what_is_kept_is_what_is_in_the_file(todo: list[Step], limits: Limits, retry: bool) -> None:
    folder = Path(tempfile.mkdtemp())

    async def open_journal() -> Journal:
        return await open_sqlite_journal(
            folder / "j.db", durability="relaxed", limits=limits, executor=Inline()
        )

    try:
        relive(todo, Drawn(open_journal, limits, retry))
    finally:
        shutil.rmtree(folder)

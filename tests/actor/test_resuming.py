"""Resume or new: one current thread for each owner, and the one before it is finalised once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from attrs import evolve
from runtime_world import LIMITS, FakeJournal, World, echo, open_world

from actors import JournalUnavailable, Progress, Rejected, ThreadKind, Turn, resume_or_new
from actors.core.event_codec import decode
from actors.core.events import TurnStarted, TurnSubmitted

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio.testing import MockClock

    from actors import Resumption
    from actors.journal.contract import Append

WINDOW = 120.0


class Finaliser:
    """An `on_finalise` that counts, and takes as long as it is told."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.began: list[str] = []
        self.done: list[str] = []

    async def __call__(self, turn: Turn) -> None:
        self.began.append(turn.thread)
        await turn.write("so far ")
        await trio.sleep(self.seconds)
        await turn.write("summary")
        self.done.append(turn.thread)


def kind(finaliser: Finaliser) -> ThreadKind:
    return ThreadKind(on_turn=echo, on_finalise=finaliser, no_progress=None)


async def current(world: World, window: float = WINDOW, owner: str = "ann") -> Resumption:
    return await resume_or_new(world.runtime, owner, window=window)


async def spoken(world: World) -> str:
    """Go on or begin, and say something there; return the thread's id."""
    resumption = await current(world)
    await resumption.thread.record("segment", {"text": "hello"})
    return resumption.thread.id


def submitted(journal: FakeJournal) -> list[str]:
    """The threads whose finalising was accepted, as often as it was."""
    return [
        append.thread
        for append in journal.appended
        for row in append.rows
        if isinstance(event := decode(row).event, TurnSubmitted) and event.turn == "finalise"
    ]


async def test_within_the_window_the_same_thread_goes_on(autojump_clock: MockClock) -> None:
    finaliser = Finaliser()
    async with open_world(kind=kind(finaliser)) as world:
        first = await spoken(world)
        assert first.startswith("ann.")
        for _ in range(5):
            await trio.sleep(WINDOW - 0.001)
            resumption = await current(world)
            assert (resumption.thread.id, resumption.resumed) == (first, True)
            await resumption.thread.record("segment", {"text": "more"})
        assert await resumption.thread.progress() is Progress.IN_PROGRESS
        assert finaliser.began == []


async def test_at_the_window_a_new_one_begins_and_the_old_one_is_finalised_once(
    autojump_clock: MockClock,
) -> None:
    finaliser = Finaliser(5)
    async with open_world(kind=kind(finaliser)) as world:
        first = await spoken(world)
        old = world.thread(first)
        await trio.sleep(WINDOW)
        resumption = await current(world)
        assert (resumption.resumed, resumption.replaced) == (False, first)
        assert resumption.thread.id != first
        assert await resumption.thread.progress() is Progress.ABSENT
        assert await old.progress() is Progress.PROCESSING
        assert (await old.finalise()).duplicate
        await trio.sleep(6)
        assert await old.progress() is Progress.COMPLETED
        assert (await old.finalise()).duplicate
        assert (await current(world)).thread.id == resumption.thread.id
        await trio.sleep(LIMITS.idle_seconds + 1)
        assert (await old.finalise()).duplicate
        assert (finaliser.began, submitted(world.journal)) == ([first], [first])
        history = await old.history()
        assert [item.kind for item in history.items] == ["record", "message", "answer"]
        assert history.items[-1].body["text"] == "so far summary"


async def test_one_that_nobody_wrote_to_is_kept_for_the_window_and_then_left(
    autojump_clock: MockClock,
) -> None:
    finaliser = Finaliser()
    async with open_world(kind=kind(finaliser)) as world:
        first = (await current(world)).thread.id
        await trio.sleep(WINDOW - 1)
        assert (await current(world)).thread.id == first
        await trio.sleep(1)
        assert (await current(world)).thread.id != first
        page = await world.runtime.threads()
        assert [summary.thread for summary in page.summaries] == ["ann"]
        assert finaliser.began == []


async def test_one_that_was_emptied_is_removed(autojump_clock: MockClock) -> None:
    async with open_world(kind=kind(Finaliser())) as world:
        first = (await current(world)).thread
        await world.ends(await world.asked("x", first.id), first.id)
        await first.truncate(None)
        await trio.sleep(WINDOW)
        await current(world)
        assert await first.progress() is Progress.ABSENT


async def test_a_removal_spares_what_came_in_the_meantime() -> None:
    async with open_world(kind=kind(Finaliser())) as world:
        await world.thread().record("segment", {})
        assert not await world.thread().delete(unless_used=True)
        assert len((await world.thread().history()).items) == 1


async def test_a_running_turn_keeps_its_thread_current(autojump_clock: MockClock) -> None:
    async def long(turn: Turn) -> None:
        await trio.sleep(3 * WINDOW)

    async with open_world(kind=evolve(kind(Finaliser()), on_turn=long)) as world:
        first = (await current(world)).thread
        turn = await world.asked("x", first.id)
        await trio.sleep(2 * WINDOW)
        assert (await current(world)).thread.id == first.id
        await world.ends(turn, first.id)


@pytest.mark.parametrize(("window", "resumed"), [(0.0, False), (float("inf"), True)])
async def test_windows_that_never_and_always_resume(
    autojump_clock: MockClock, window: float, resumed: bool
) -> None:
    async with open_world(kind=kind(Finaliser())) as world:
        await spoken(world)
        await trio.sleep(80_000)
        assert (await current(world, window)).resumed is resumed


async def test_many_who_ask_at_once_get_one_thread(autojump_clock: MockClock) -> None:
    finaliser = Finaliser()
    got: list[Resumption] = []

    async def ask(world: World) -> None:
        got.append(await current(world))

    async with open_world(kind=kind(finaliser)) as world:
        first = await spoken(world)
        await trio.sleep(WINDOW)
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(ask, world)
        assert len({resumption.thread.id for resumption in got}) == 1
        assert sum(not resumption.resumed for resumption in got) == 1
        await trio.sleep(1)
        assert (finaliser.done, submitted(world.journal)) == ([first], [first])


async def test_a_turn_of_the_owner_s_own_thread_decides(autojump_clock: MockClock) -> None:
    """In a thread's turns, so that those who ask are answered one after the other."""

    async def connect(turn: Turn) -> None:
        await turn.write((await resume_or_new(turn.runtime, turn.thread)).thread.id)

    async with open_world(connect) as world:
        answers = []
        for _ in range(2):
            async with world.thread("ann").ask("where?", on_busy="queue") as answer:
                answers.append("".join([piece async for piece in answer]))
    assert answers[0] == answers[1]
    assert answers[0].startswith("ann.")


async def test_owners_do_not_touch_each_other(autojump_clock: MockClock) -> None:
    async with open_world(kind=kind(Finaliser())) as world:
        ann, bob = await current(world), await current(world, owner="bob")
        assert {ann.thread.id[:4], bob.thread.id[:4]} == {"ann.", "bob."}
        assert (await current(world)).thread.id == ann.thread.id


class Crashes:
    """An `after_append` or `on_append` that makes the journal fail at the n-th append from now."""

    def __init__(self, at: int) -> None:
        self.left = at

    async def __call__(self, append: Append) -> None:
        self.left -= 1
        if self.left < 0:
            raise JournalUnavailable("cut")


@pytest.mark.parametrize("hook", ["on_append", "after_append"])
@pytest.mark.parametrize("at", range(5))
async def test_finalised_once_wherever_a_crash_comes(
    autojump_clock: MockClock, hook: str, at: int
) -> None:
    """Between any two steps of handing over, finalising and recording, before and after each."""
    journal, finaliser = FakeJournal(), Finaliser(1)
    async with open_world(journal=journal, kind=kind(finaliser)) as world:
        first = await spoken(world)
        await trio.sleep(WINDOW)
        setattr(journal, hook, Crashes(at))
        try:
            await current(world)
            await trio.sleep(3)
        except Rejected:
            pass
    setattr(journal, hook, None)
    journal.reopen()
    async with open_world(journal=journal, kind=kind(finaliser)) as world:
        again = await current(world)
        await trio.sleep(3)
        assert (await current(world)).thread.id == again.thread.id != first
        assert await world.thread(first).progress() is Progress.COMPLETED
        answers = [i.body["text"] for i in (await world.thread(first).history()).items[2:]]
        assert answers == ["so far summary"]
    endings = await journal.endings(first)
    assert endings == [("finalise", "completed")]


async def test_a_shutdown_leaves_finalising_to_the_next_start(autojump_clock: MockClock) -> None:
    journal, finaliser = FakeJournal(), Finaliser(100)
    async with open_world(journal=journal, kind=kind(finaliser)) as world:
        first = await spoken(world)
        await world.thread(first).finalise()
        await trio.sleep(1)
    assert await journal.endings(first) == []
    finaliser.seconds = 1
    journal.reopen()
    async with open_world(journal=journal, kind=kind(finaliser)) as world:
        assert await world.thread(first).progress() is Progress.PROCESSING
        await trio.sleep(2)
        assert await world.thread(first).progress() is Progress.COMPLETED
    starts = [e.attempt for e in await journal.events(first) if isinstance(e, TurnStarted)]
    assert starts == [1, 2]


async def test_a_finaliser_that_fails_has_failed(autojump_clock: MockClock) -> None:
    async def fails(turn: Turn) -> None:
        raise RuntimeError("no")

    async with open_world(kind=ThreadKind(on_turn=echo, on_finalise=fails)) as world:
        await world.ends(await world.asked("x"))
        await world.thread().finalise()
        assert await world.ends("finalise") == "failed"
        assert await world.thread().progress() is Progress.FAILED


async def test_without_a_finaliser_the_thread_is_simply_completed() -> None:
    async with open_world() as world:
        await world.ends(await world.asked("x"))
        await world.thread().finalise()
        assert await world.ends("finalise") == "completed"
        assert [i.kind for i in (await world.thread().history()).items] == [
            "message",
            "answer",
            "message",
        ]


async def test_what_is_not_there_cannot_be_finalised() -> None:
    async with open_world() as world:
        with pytest.raises(Rejected, match="thread_not_found"):
            await world.thread().finalise()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda world: current(world, -1.0),
        lambda world: current(world, float("nan")),
        lambda world: current(world, owner="a" * 101),
        lambda world: current(world, owner="not an id"),
    ],
)
async def test_nonsense_is_refused(wrong: Callable[[World], Any]) -> None:
    async with open_world() as world:
        with pytest.raises(ValueError, match=r"owner|thread id"):
            await wrong(world)

"""Ending, deleting and truncating a thread; reading an answer to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from runtime_world import FakeJournal, Holds, Watcher, open_world, refused, until_stopped

from actors import Answer, Limits, ThreadKind, Truncation, Turn, TurnFailed
from actors.actor.reply import Awaited
from actors.core import commands

if TYPE_CHECKING:
    from trio.testing import MockClock


# Ending, deleting, truncating


async def test_end_cancels_everything_and_reads_go_on(autojump_clock: MockClock) -> None:
    """Rule 11 of the protocol."""
    async with open_world(until_stopped) as world, trio.open_nursery() as nursery:
        thread = world.thread()
        assert await thread.end() is False
        first = await world.asked("one")
        second = await world.asked("two", on_busy="queue")
        watcher = Watcher(thread)
        nursery.start_soon(watcher.run)
        await trio.testing.wait_all_tasks_blocked()
        assert await thread.end() is True
        assert await thread.end() is False
        await trio.testing.wait_all_tasks_blocked()
        assert watcher.detached == "ended"
        assert sorted(watcher.endings) == [(first, "cancelled"), (second, "cancelled")]
        assert len((await thread.history()).items) == 5
        third = await world.asked("quick three")
        assert await world.ends(third) == "completed"
        assert watcher.endings[-1][0] != third
        epochs = {append.head.epoch for append in world.journal.appended}
        assert len(epochs) == 1


async def test_commands_behind_an_end_wait_for_it(autojump_clock: MockClock) -> None:
    """I18."""
    order: list[str] = []

    async def lingers(turn: Turn) -> None:
        if turn.text == "x":
            with trio.CancelScope(shield=True):
                await trio.sleep(2)
            order.append("stopped")

    async with open_world(lingers) as world, trio.open_nursery() as nursery:
        await world.started("x")

        async def end() -> None:
            await world.thread().end()
            order.append("ended")

        nursery.start_soon(end)
        await trio.testing.wait_all_tasks_blocked()
        await world.asked("y")
        order.append("submitted")
    assert order == ["stopped", "ended", "submitted"]


@pytest.mark.parametrize("command", ["end", "delete"])
async def test_end_and_delete_get_past_a_handler_that_will_not_stop(
    autojump_clock: MockClock, command: str
) -> None:
    """I20: the command that was held is decided by the next activation."""
    release = trio.Event()

    async def stays(turn: Turn) -> None:
        with trio.CancelScope(shield=True):
            await release.wait()

    async with open_world(stays) as world:
        await world.started("x")
        assert await getattr(world.thread(), command)() is True
        assert trio.current_time() == pytest.approx(5, abs=0.5)
        release.set()


async def test_delete_leaves_nothing_and_the_next_life_is_another(
    autojump_clock: MockClock,
) -> None:
    """H10, I13."""
    journal = FakeJournal()
    async with open_world(until_stopped, journal=journal) as world, trio.open_nursery() as nursery:
        thread = world.thread()
        assert await thread.delete() is False
        first = await thread.submit("quick one", key="k")
        await world.ends(first.turn)
        watcher = Watcher(thread)
        nursery.start_soon(watcher.run, first.position.cursor())
        await trio.testing.wait_all_tasks_blocked()
        assert await thread.delete() is True
        await trio.testing.wait_all_tasks_blocked()
        assert watcher.detached == "deleted"
        assert (await thread.history()).items == ()
        assert (await world.runtime.threads()).summaries == ()
        assert await refused(thread.outcome(first.turn)) == "turn_not_found"
        again = await thread.submit("quick two", key="k")  # the key went with the thread
        assert not again.duplicate
        assert again.position.epoch == first.position.epoch + 1
        await world.ends(again.turn)
    journal.reopen()
    async with open_world(until_stopped, journal=journal) as world:
        page = await world.thread().history()
        assert {item.turn for item in page.items} == {again.turn}


async def test_truncating_and_submitting_in_one_step(autojump_clock: MockClock) -> None:
    """Edit and regenerate: rule 10 of the protocol."""
    given: list[Any] = []

    async def handler(turn: Turn) -> None:
        given[:] = [m["content"] for m in turn.messages()]
        await turn.write(f"re {turn.text}")

    async with open_world(handler) as world:
        thread = world.thread()
        for text in ("one", "two"):
            await world.ends(await world.asked(text))
        code = await refused(thread.submit("x", truncate=Truncation("t9.0")))
        assert code == "item_not_found"
        await world.ends(await world.asked("two again", truncate=Truncation("t1.1")))
        assert given == ["one", "re one", "two again"]
        shown = [
            item.body.get("text") or item.body["content"] for item in (await thread.history()).items
        ]
        assert shown == ["one", "re one", "two again", "re two again"]
        await thread.truncate(None)
        assert (await thread.history()).items == ()
        assert await refused(thread.truncate("t1.0")) == "item_not_found"


async def test_truncating_while_a_turn_is_open_is_refused(autojump_clock: MockClock) -> None:
    async with open_world(until_stopped) as world:
        turn = await world.asked("x")
        assert await refused(world.thread().truncate(None)) == "turn_in_progress"
        again = world.thread().submit("y", truncate=Truncation(None), on_busy="interrupt")
        assert await refused(again) == "turn_in_progress"
        await world.thread().cancel(turn)
        await world.thread().truncate(None)


# Reading an answer


async def test_ask_reads_the_answer_as_it_is_written(autojump_clock: MockClock) -> None:
    async def handler(turn: Turn) -> None:
        for piece in turn.text.split():
            await turn.write(piece)
            await trio.sleep(1)
        if "fail" in turn.text:
            raise TurnFailed("overloaded", "try later")

    async with open_world(handler) as world:
        thread = world.thread()
        async with thread.ask("a b c", key="k") as answer:
            assert [text async for text in answer] == ["a", "b", "c"]
            assert answer.ending is not None
        async with thread.ask("a b c", key="k") as again:  # from its beginning
            assert answer.turn == again.turn
            assert "".join([text async for text in again]) == "abc"
        async with thread.ask("a fail") as answer:
            assert await read(answer) == ("afail", "overloaded")


async def test_leaving_an_answer_early_leaves_nothing_behind_and_does_not_cancel(
    autojump_clock: MockClock,
) -> None:
    """I5."""

    async def handler(turn: Turn) -> None:
        for _ in range(5):
            await turn.write("x")
            await trio.sleep(1)

    async with open_world(handler) as world:
        async with world.thread().ask("go") as answer:
            async for _ in answer:
                break
        assert await world.ends(answer.turn) == "completed"
    assert await world.journal.said() == "xxxxx"


@pytest.mark.parametrize("ending", ["completed", "cancelled", "out of the window", "rolled back"])
async def test_an_answer_whose_reader_fell_behind_is_whole_or_says_that_it_is_not(
    autojump_clock: MockClock, ending: str
) -> None:
    """I3: the snapshot that takes the place of what was missed must not pass for a whole answer."""
    limits = Limits(tail_bytes=200, tail_merged_bytes=1, window_items=2)
    journal = FakeJournal(limits=limits)
    stop = trio.Event()

    async def handler(turn: Turn) -> None:
        if turn.text != "go":
            return
        for piece in ("one ", "two ", "three"):
            await turn.write(piece)
            await trio.sleep(1)
        await stop.wait()

    async with open_world(handler, journal=journal, limits=limits) as world:
        thread = world.thread()
        async with thread.ask("go") as answer:
            assert await anext(answer) == "one "
            await trio.sleep(5)
            if ending in ("cancelled", "rolled back"):
                await thread.cancel(rollback=ending == "rolled back")
            stop.set()
            await world.ends(answer.turn)
            if ending == "out of the window":
                for _ in range(3):
                    await world.ends(await world.asked("more"))
            await trio.sleep(1)
            assert await world.runtime.compact(everything=True)  # its cursor is inside a range now
            got = await read(answer)
    expected = {
        "completed": ("two three", None),
        "cancelled": ("two three", "cancelled"),
        "out of the window": ("", "not_shown"),
        "rolled back": ("", "not_shown"),
    }
    assert got == expected[ending]


async def read(answer: Answer) -> tuple[str, str | None]:
    """The rest of an answer, and how it failed."""
    rest = ""
    try:
        async for text in answer:
            rest += text
    except TurnFailed as exc:
        return rest, exc.error
    return rest, None


async def test_a_command_of_somebody_who_left_takes_effect_all_the_same(
    autojump_clock: MockClock,
) -> None:
    """I2, I5."""
    journal = FakeJournal()
    journal.on_append = holds = Holds()
    async with open_world(until_stopped, journal=journal) as world:
        with trio.move_on_after(1):
            await world.asked("quick")
        holds.gate.set()
        await trio.sleep(1)
        reply = Awaited()
        world.runtime.registry.post("t", commands.Cancel(turn="t1"), reply)
        await reply.result()
    assert await journal.endings() == [("t1", "completed")]


async def test_a_handler_of_a_kind_of_its_own_is_found_by_the_threads_id(
    autojump_clock: MockClock,
) -> None:
    async def shout(turn: Turn) -> None:
        await turn.write(turn.text.upper())

    async def whisper(turn: Turn) -> None:
        await turn.write(turn.text.lower())

    def kind_of(thread: str) -> ThreadKind:
        return ThreadKind(on_turn=shout if thread.startswith("loud") else whisper)

    async with open_world(kind_of=kind_of) as world:
        for thread in ("loud-1", "soft-1"):
            await world.ends(await world.asked("Hi", thread=thread), thread)
    assert await world.journal.said("loud-1") == "HI"
    assert await world.journal.said("soft-1") == "hi"

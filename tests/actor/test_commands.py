"""Commands through a live runtime: what was decided is answered once it is durable, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from runtime_world import FakeJournal, Holds, Watcher, open_world

from actors import (
    Answer,
    CancelOutcome,
    Limits,
    Rejected,
    ThreadKind,
    Truncation,
    Turn,
    TurnFailed,
)
from actors.actor.reply import Awaited
from actors.core import commands

if TYPE_CHECKING:
    from trio.testing import MockClock


async def until_stopped(turn: Turn) -> None:
    """Say what was said, and then wait to be stopped."""
    await turn.write(turn.text)
    if not turn.text.startswith("quick"):
        await trio.sleep_forever()


async def refused(call: Any) -> str:
    with pytest.raises(Rejected) as caught:
        await call
    return caught.value.code


# Write-ahead (idea 2)


async def test_nothing_is_answered_or_shown_before_it_is_durable(
    autojump_clock: MockClock,
) -> None:
    """W4, I4: not a receipt, not an event, not even a refusal that was decided on it."""
    journal = FakeJournal()
    journal.on_append = holds = Holds()
    answers: list[str] = []
    ran: list[str] = []

    async def handler(turn: Turn) -> None:
        ran.append(turn.text)
        await trio.sleep_forever()

    async def submit(text: str) -> None:
        try:
            await world.asked(text)
            answers.append(text)
        except Rejected as refusal:
            answers.append(refusal.code)

    async with open_world(handler, journal=journal) as world, trio.open_nursery() as nursery:
        watcher = Watcher(world.thread())
        nursery.start_soon(watcher.run)
        for text in ("first", "second"):
            nursery.start_soon(submit, text)
            await trio.testing.wait_all_tasks_blocked()
        assert (answers, ran) == ([], [])
        assert watcher.position is not None
        assert watcher.position.offset == 0
        holds.gate.set()
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(answers) == ["first", "turn_in_progress"]
        assert ran == ["first"]
        assert watcher.position.offset == 3
        nursery.cancel_scope.cancel()


async def test_commands_to_one_thread_take_effect_in_the_order_sent(
    autojump_clock: MockClock,
) -> None:
    """I18: those that wait for facts from disk as well."""
    journal = FakeJournal(limits=Limits(receipts_in_memory=1))
    answers: list[tuple[int, object]] = []

    def post(number: int, command: commands.Command) -> None:
        world.runtime.registry.post("t", command, lambda answer: answers.append((number, answer)))

    def submit(number: int) -> commands.Submit:
        return commands.Submit(
            turn=f"x{number}",
            principal="ann",
            content="quick",
            key=f"k{number}",
            on_busy=commands.OnBusy.QUEUE,
        )

    async with open_world(until_stopped, journal=journal) as world:
        for number in range(6):
            command = submit(number) if number % 2 else commands.Cancel(turn="ghost")
            post(number, command)
        await trio.sleep(1)
    assert sorted(answers, key=lambda each: each[0]) == answers
    submitted = [e.turn for e in await journal.events() if hasattr(e, "content")]
    assert submitted == ["x1", "x3", "x5"]


async def test_many_commands_share_a_commit(autojump_clock: MockClock) -> None:
    """What is decided while a commit runs goes into the next one."""
    journal = FakeJournal()
    journal.on_append = holds = Holds()
    async with open_world(until_stopped, journal=journal) as world, trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(queue_one, world, number)
        await trio.testing.wait_all_tasks_blocked()
        holds.gate.set()
        await trio.testing.wait_all_tasks_blocked()
        assert len(journal.appended) <= 3
        assert (await world.runtime.threads()).summaries[0].head.offset >= 21
        nursery.cancel_scope.cancel()


async def queue_one(world: Any, number: int) -> None:
    await world.asked(str(number), on_busy="queue")


# Policies


async def test_interrupting_supersedes_and_keeps_the_queue_behind(
    autojump_clock: MockClock,
) -> None:
    """I1, I2; rule 9 of the protocol."""
    async with open_world(until_stopped) as world:
        first = await world.asked("one")
        queued = await world.asked("quick later", on_busy="queue")
        second = await world.asked("two", on_busy="interrupt")
        third = await world.asked("quick three", on_busy="interrupt")
        assert await world.ends(queued) == "completed"
        assert await world.ends(third) == "completed"
        ends = [await world.ends(turn) for turn in (first, second)]
        assert ends == ["superseded", "superseded"]
    # `two` was running by the time that `three` came, or still waited and went before `one` did.
    endings = [turn for turn, _ in await world.journal.endings()]
    assert endings in ([first, second, third, queued], [second, first, third, queued])


async def test_a_rollback_takes_what_was_said_out_of_the_history(
    autojump_clock: MockClock,
) -> None:
    async with open_world(until_stopped) as world:
        await world.asked("gone")
        await trio.sleep(1)
        last = await world.asked("quick stays", on_busy="rollback")
        await world.ends(last)
        page = await world.thread().history()
        assert {item.turn for item in page.items} == {last}


async def test_the_same_key_gives_the_first_receipt_again(autojump_clock: MockClock) -> None:
    """I8, across passivation and a restart, and whatever the policy."""
    journal = FakeJournal()
    async with open_world(until_stopped, journal=journal) as world:
        thread = world.thread()
        first = await thread.submit("quick", key="k", metadata={"a": 1})
        again = await thread.submit("quick", key="k", metadata={"a": 1}, on_busy="interrupt")
        assert (again.turn, again.position) == (first.turn, first.position)
        assert (first.duplicate, again.duplicate) == (False, True)
        assert await refused(thread.submit("quick", key="k")) == "idempotency_conflict"
        assert (await thread.submit("quick", key="other", on_busy="queue")).turn != first.turn
        await trio.sleep(100)
        assert world.runtime.statistics().active == 0
        assert (await thread.submit("quick", key="k", metadata={"a": 1})).duplicate
    journal.reopen()
    async with open_world(until_stopped, journal=journal) as world:
        once_more = await world.thread().submit("quick", key="k", metadata={"a": 1})
        assert (once_more.turn, once_more.position) == (first.turn, first.position)
        assert await refused(world.thread().submit("else", key="k")) == "idempotency_conflict"


async def test_a_key_is_remembered_longer_than_memory_has_room_for(
    autojump_clock: MockClock,
) -> None:
    """I8, I12."""
    limits = Limits(receipts_in_memory=2)
    journal = FakeJournal(limits=limits)
    async with open_world(until_stopped, journal=journal, limits=limits) as world:
        thread = world.thread()
        firsts = [await submit_quick(world, key=f"k{n}") for n in range(6)]
        for number, first in enumerate(firsts):
            again = await thread.submit("quick", key=f"k{number}", on_busy="queue")
            assert (again.turn, again.duplicate) == (first, True)


async def submit_quick(world: Any, **more: Any) -> str:
    turn = await world.asked("quick", on_busy="queue", **more)
    await world.ends(turn)
    return str(turn)


async def test_the_same_text_twice_without_a_key_is_two_turns(autojump_clock: MockClock) -> None:
    """W15, B6, I8."""
    async with open_world(until_stopped) as world:
        assert await submit_quick(world) != await submit_quick(world)


# Cancelling


async def test_cancel_is_settled_repeatable_and_reaches_nobody_else(
    autojump_clock: MockClock,
) -> None:
    """I6."""
    left: list[str] = []

    async def handler(turn: Turn) -> None:
        try:
            await until_stopped(turn)
        finally:
            left.append(turn.id)

    async with open_world(handler) as world:
        thread = world.thread()
        assert await refused(thread.cancel()) == "thread_not_found"
        first = await world.asked("one")
        second = await world.asked("two", on_busy="queue")
        await trio.sleep(1)
        cancelled = await thread.cancel(first)
        assert (cancelled.turn, cancelled.outcome) == (first, CancelOutcome.CANCELLED)
        assert left == [first]
        assert await world.ends(first) == "cancelled"
        assert await journal_text(world, first) == "one"
        again = await thread.cancel(first)
        assert (again.turn, again.outcome) == (first, CancelOutcome.ALREADY_ENDED)
        await trio.sleep(1)
        assert left == [first]  # `two` goes on
        assert (await thread.cancel(second)).outcome is CancelOutcome.CANCELLED
        assert (await thread.cancel()).outcome is CancelOutcome.NOTHING_RUNNING
        assert await refused(thread.cancel("ghost")) == "turn_not_found"
    assert await world.journal.endings() == [(first, "cancelled"), (second, "cancelled")]


async def journal_text(world: Any, turn: str) -> str:
    settled = await world.journal.settled("t", turn)
    return "".join(item.body.get("text", "") for item in settled.items)


async def test_everybody_who_cancels_one_turn_is_answered_when_it_has_ended(
    autojump_clock: MockClock,
) -> None:
    """W12, B26, I6, I2: and it ends once."""
    outcomes: list[CancelOutcome] = []

    async with open_world(until_stopped) as world, trio.open_nursery() as nursery:
        turn = await world.asked("x")

        async def cancel() -> None:
            outcomes.append((await world.thread().cancel(turn)).outcome)

        for _ in range(10):
            nursery.start_soon(cancel)
    assert outcomes == [CancelOutcome.CANCELLED] * 10
    assert len(await world.journal.endings()) == 1


async def test_a_queued_turn_can_be_cancelled_and_never_runs(autojump_clock: MockClock) -> None:
    ran: list[str] = []

    async def handler(turn: Turn) -> None:
        ran.append(turn.id)
        await until_stopped(turn)

    async with open_world(handler) as world:
        first = await world.asked("x")
        second = await world.asked("y", on_busy="queue")
        assert (await world.thread().cancel(second)).outcome is CancelOutcome.CANCELLED
        await world.thread().cancel(first)
        await trio.sleep(1)
    assert ran == [first]


async def test_facts_from_disk_are_not_waited_for_behind_a_turn_that_never_stops_writing(
    autojump_clock: MockClock,
) -> None:
    """I20: a cancel of an old turn asks the journal, and the next command is the one that stops.

    The turn writes without ever waiting, so that there is always something to commit.
    """

    async def handler(turn: Turn) -> None:
        while turn.text != "quick":
            await turn.write("x")

    async def takes_its_time(_: object) -> None:
        for _ in range(5):
            await trio.lowlevel.checkpoint()

    journal = FakeJournal()
    journal.on_append = takes_its_time
    limits = Limits(turn_output_bytes=1_000_000)
    async with open_world(handler, journal=journal, limits=limits) as world:
        old = await submit_quick(world)
        live = await world.asked("write on")
        assert (await world.thread().cancel(old)).outcome is CancelOutcome.ALREADY_ENDED
        assert await refused(world.thread().cancel("ghost")) == "turn_not_found"
        assert (await world.thread().cancel(live)).outcome is CancelOutcome.CANCELLED
        said = await journal_text(world, live)
    assert 0 < len(said) < 100_000


# Bounds


async def test_what_waits_for_a_slow_journal_is_bounded(autojump_clock: MockClock) -> None:
    """I12: commands that were decided and are not durable, and those behind them."""
    limits = Limits(mailbox_commands=10)
    journal = FakeJournal(limits=limits)
    journal.on_append = holds = Holds()
    answers: list[object] = []
    async with open_world(until_stopped, journal=journal, limits=limits) as world:
        for number in range(100):
            submit = commands.Submit(turn=f"x{number}", principal="ann", content="x")
            world.runtime.registry.post("t", submit, answers.append)
            await trio.testing.wait_all_tasks_blocked()
        overloaded = [a for a in answers if isinstance(a, Rejected)]
        assert {each.code for each in overloaded} == {"overloaded"}
        # One commit in flight, so many decided behind it, one in hand, so many in the mailbox.
        assert 100 - len(overloaded) <= 2 + 10 + 1 + 10
        holds.gate.set()
        await trio.testing.wait_all_tasks_blocked()
        assert len(answers) == 100
        await world.thread().cancel()


async def test_those_who_wait_for_one_ending_are_bounded(autojump_clock: MockClock) -> None:
    """I12."""

    async def lingers(turn: Turn) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(4)

    answers: list[Any] = []
    async with open_world(lingers, limits=Limits(mailbox_commands=5)) as world:
        turn = await world.started("x")
        for _ in range(20):
            world.runtime.registry.post("t", commands.Cancel(turn=turn), answers.append)
            await trio.testing.wait_all_tasks_blocked()
        assert [answer.code for answer in answers] == ["overloaded"] * 15
        await world.ends(turn)
    assert len(answers) == 20


async def test_a_flood_is_refused_at_the_door(autojump_clock: MockClock) -> None:
    """I12: the mailbox."""
    answers: list[object] = []
    async with open_world(until_stopped, limits=Limits(mailbox_commands=3)) as world:
        for number in range(10):
            submit = commands.Submit(turn=f"x{number}", principal="ann", content="quick")
            world.runtime.registry.post("t", submit, answers.append)
        codes = [answer.code for answer in answers if isinstance(answer, Rejected)]
        assert codes == ["overloaded"] * 7


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
            assert await read(answer) == ("afail", "failed")


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
    limits = Limits(tail_bytes=200, window_items=2)
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

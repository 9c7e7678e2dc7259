"""Commands through a live runtime: what was decided is answered once it is durable, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio
import trio.testing
from runtime_world import FakeJournal, Holds, Watcher, open_world, refused, until_stopped

from actors import CancelOutcome, Limits, Rejected, Turn
from actors.core import commands

if TYPE_CHECKING:
    from trio.testing import MockClock


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

"""What comes to an actor that waits is decided where it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from runtime_world import open_world

from actors import Rejected, Turn
from actors.actor import actor as actor_module
from actors.core.commands import Submit
from tests.benchmarks.counting import steps_counted

if TYPE_CHECKING:
    from trio.testing import MockClock

LOOP = "Supervisor._supervise"


async def test_a_whole_turn_wakes_no_loop(autojump_clock: MockClock) -> None:
    """Neither its submit, nor its end, nor what becomes durable."""
    async with open_world() as world:
        await world.ends(await world.asked("x"))
        await trio.testing.wait_all_tasks_blocked()
        with steps_counted() as steps:
            for _ in range(3):
                await world.ends(await world.asked("y"))
            await trio.testing.wait_all_tasks_blocked()
        assert steps[LOOP] == 0
    assert await world.journal.said() == "xyyy"


async def test_a_decision_that_breaks_is_the_actor_s_failure_and_nobody_else_s(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asked is told, and the actor begins again."""
    decide = actor_module.decide

    def breaks(state: object, command: object, *rest: object) -> object:
        if isinstance(command, Submit) and command.content == "break":
            raise ZeroDivisionError
        return decide(state, command, *rest)  # type: ignore[arg-type]  # as it was called

    async with open_world() as world:
        await world.ends(await world.asked("x"))
        monkeypatch.setattr(actor_module, "decide", breaks)
        with pytest.raises(Rejected) as refused:
            await world.asked("break")
        assert refused.value.code == "internal"
        await world.ends(await world.asked("y"))
        assert world.runtime.statistics().restarts == 1
    assert await world.journal.said() == "xy"


async def test_a_turn_that_submits_to_its_own_thread_goes_on(autojump_clock: MockClock) -> None:
    async def twice(turn: Turn) -> None:
        await turn.write(turn.text)
        if turn.text == "first":
            thread = turn.runtime.thread(turn.thread)
            await thread.submit("second", on_busy="queue")

    async with open_world(twice) as world:
        await world.ends(await world.asked("first"))
        await trio.sleep(1)
    assert await world.journal.said() == "firstsecond"

"""What holds of a handler that nobody disturbs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from ...core.events import TurnItem, TurnSubmitted
from ...core.items import item_id
from ...core.turn_lifecycle import TurnState
from ...journal.memory import MemoryJournal
from ..scripted_thread import ScriptedThread
from .kit import THREAD, Check, check_ended, staged

if TYPE_CHECKING:
    from ...actor.kinds import ThreadKind

# Threads at a time, and turns that each of them has.
_THREADS: Final = 3
_TURNS: Final = 2


async def comes_to_an_end(kind: ThreadKind) -> None:
    """By itself, within its deadline, and leaves neither tasks nor worker threads behind."""
    async with staged(kind) as stage:
        for text in ("hello", "and again"):
            observed, settled = await stage.answered(text)
            check_ended(observed, settled)
            await stage.check_nothing_left(observed)


async def takes_any_content(kind: ThreadKind) -> None:
    """Parts instead of text, some of them unknown, and no text at all."""
    parts = [{"type": "text", "text": "look"}, {"type": "x-image", "url": "about:blank"}]
    async with staged(kind) as stage:
        for content in (parts, parts[1:], "\N{GRINNING FACE}\n" * 100):
            check_ended(*await stage.answered(content))


async def takes_any_history(kind: ThreadKind) -> None:
    """Turns that were cancelled, failed, said nothing, thought aloud, or called tools."""
    journal = MemoryJournal()
    await _write_history(await ScriptedThread.claim(journal, THREAD))
    async with staged(kind, journal) as stage:
        observed, settled = await stage.answered("go on")
        check_ended(observed, settled)
        await stage.check_nothing_left(observed)


async def runs_beside_itself(kind: ThreadKind) -> None:
    """In several threads at a time, each of which comes to its end."""

    async def talk(name: str) -> None:
        assert stage.runtime is not None
        thread = stage.runtime.thread(name)
        for number in range(_TURNS):
            asked = await thread.submit(f"message {number} to {name}")
            ends = (TurnState.COMPLETED, TurnState.FAILED)
            assert (await thread.outcome(asked.turn)).state in ends

    async with staged(kind) as stage:
        async with trio.open_nursery() as nursery:
            for number in range(_THREADS):
                nursery.start_soon(talk, f"t{number}")
        blunders = [run.error for run in stage.runs if run.blundered]
        assert not blunders, f"beside itself it raised {blunders[0]!r}"


async def can_be_run_again(kind: ThreadKind) -> None:
    """After a crash in mid answer, where the kind says so: it ends as it would have before."""
    if not kind.retry:
        return
    async with staged(kind) as stage:
        _, undisturbed = await stage.answered()
    journal = MemoryJournal()
    thread = await ScriptedThread.claim(journal, THREAD)
    await thread.submit("t-1")
    await thread.start("t-1")
    await thread.say("t-1", "what the attempt before ", "had said")
    async with staged(kind, journal) as stage:
        settled = await stage.thread.outcome("t-1")
        check_ended(stage.runs[-1], settled)
        await stage.check_nothing_left(stage.runs[-1])
    expected = undisturbed.state
    assert settled.state is expected, f"run again it is {settled.state}, and was {expected}"


async def _write_history(thread: ScriptedThread) -> None:
    await thread.turn("t-1", "an ", "answer")
    await thread.turn("t-2")
    for turn, state in (("t-3", TurnState.CANCELLED), ("t-4", TurnState.FAILED)):
        await thread.submit(turn)
        await thread.start(turn)
        await thread.say(turn, "an answer that was cut sh")
        await thread.end(turn, state)
    await thread.submit("t-5")
    await thread.start("t-5")
    call = item_id("t-5", 1)
    await thread.write(TurnItem("t-5", call, "tool_call", {"name": "look", "arguments": {}}))
    result = {"call": call, "data": None}
    await thread.write(TurnItem("t-5", item_id("t-5", 2), "tool_result", result))
    await thread.write(TurnItem("t-5", item_id("t-5", 3), "tool_call", {"name": "unanswered"}))
    await thread.write(TurnItem("t-5", item_id("t-5", 4), "of-the-application", [None, {}]))
    await thread.end("t-5", TurnState.INTERRUPTED)
    parts = ({"type": "x-image", "url": "about:blank"},)
    await thread.write(TurnSubmitted("t-6", item_id("t-6", 0), list(parts), "somebody"))
    await thread.start("t-6")
    await thread.end("t-6")
    await thread.record("r-1", {"a": "fact"})


CHECKS: Final[tuple[Check, ...]] = (
    comes_to_an_end,
    takes_any_content,
    takes_any_history,
    runs_beside_itself,
    can_be_run_again,
)

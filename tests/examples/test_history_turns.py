"""Turns, cancels and edits in Hermes WebUI's contract: what they leave, and what counts twice."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio

from actors import CancelOutcome, Limits, Rejected, Turn, TurnOver
from tests.examples.history_stage import answer_begun, say, served

if TYPE_CHECKING:
    from pathlib import Path


async def think_and_call(turn: Turn) -> None:
    """Think, call two tools of which one comes back, say something; or nothing at all."""
    if turn.text == "wait":
        await trio.sleep_forever()
    if turn.text == "next":
        return await turn.write("answer to next")
    await turn.think("Let me see.")
    call = await turn.tool_call("clock", {"zone": "UTC"})
    await turn.tool_result(call, "12:00")
    await turn.write("It is ")
    await turn.flush()
    try:
        await trio.sleep_forever()
    finally:
        with trio.CancelScope(shield=True):
            await trio.sleep(0.1)
            with pytest.raises(TurnOver):
                await turn.write("too late")  # noqa: ASYNC102 - being wrong is the point


async def test_a_cancel_keeps_what_was_typed_said_thought_and_found_out(tmp_path: Path) -> None:
    """W10, W12, W13: pressed three times and later; the late worker writes nothing anywhere."""
    async with served(tmp_path, think_and_call) as it:
        turn = (await it.client.submit("t", "the time?")).turn
        items = await answer_begun(it.client, "t")
        while items[-1].kind != "answer":
            items = await answer_begun(it.client, "t")
        replies = []

        async def press() -> None:
            replies.append(await it.client.cancel("t", turn))

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(press)
        assert {(reply.outcome, reply.cursor) for reply in replies} == {
            ("cancelled", replies[0].cursor)
        }
        kept = [
            ("message", "the time?"),
            ("reasoning", "Let me see."),
            ("tool_call", "clock"),
            ("tool_result", "12:00"),
            ("answer", "It is "),
            ("marker", "cancelled"),
        ]
        assert await it.shown() == kept
        successor = (await it.client.submit("t", "next")).turn
        assert await it.ends("t", successor) == "completed"
        for _ in range(3):
            late = await it.client.cancel("t", turn)
            assert late.outcome == CancelOutcome.ALREADY_ENDED
        assert await it.shown() == [*kept, ("message", "next"), ("answer", "answer to next")]


async def test_a_cancel_before_the_first_token_leaves_the_message_and_a_marker(
    tmp_path: Path,
) -> None:
    """W11: and no empty answer between them."""
    async with served(tmp_path, think_and_call) as it:
        await it.client.submit("t", "wait")
        assert (await it.client.cancel("t")).outcome == CancelOutcome.CANCELLED
        assert await it.shown() == [("message", "wait"), ("marker", "cancelled")]


async def test_maintenance_does_not_touch_the_order_of_last_activity(tmp_path: Path) -> None:
    """W14, B23: passivation, compaction and being read; repair is in the test of `kill -9`."""
    limits = Limits(idle_seconds=0.05, drain_seconds=0.2)
    async with served(tmp_path, say, limits) as it:
        for thread in ("first", "second", "third"):
            async with it.client.ask(thread, "hello") as answer:
                assert [text async for text in answer]
        listed = (await it.client.threads()).threads
        assert [line.thread for line in listed] == ["third", "second", "first"]
        while it.runtime.statistics().active:  # noqa: ASYNC110 - nobody is told of a passivation
            await trio.sleep(0.02)
        assert await it.runtime.compact(everything=True) > 0
        await it.client.history("first")
        assert (await it.client.threads()).threads == listed
    async with served(tmp_path, say, limits) as it:
        assert (await it.client.threads()).threads == listed


async def test_the_same_text_twice_is_two_turns_and_the_same_key_is_one(tmp_path: Path) -> None:
    """W15, B6: also across a restart."""
    async with served(tmp_path, say) as it:
        for _ in range(2):
            async with it.client.ask("t", "yes") as answer:
                assert [text async for text in answer]
        first = await it.client.submit("t", "yes", key="k")
        await it.ends("t", first.turn)
        again = await it.client.submit("t", "yes", key="k")
    async with served(tmp_path, say) as it:
        later = await it.client.submit("t", "yes", key="k")
        assert (again.turn, later.turn) == (first.turn, first.turn)
        assert (again.duplicate, later.duplicate) == (True, True)
        assert await it.shown() == 3 * [("message", "yes"), ("answer", "answer to yes")]


async def test_a_fork_or_an_edit_at_a_missing_item_is_refused_and_the_thread_goes_on(
    tmp_path: Path,
) -> None:
    """Nothing is made or cut, and both threads take what comes next."""
    async with served(tmp_path, say) as it:
        async with it.client.ask("t", "hello") as answer:
            assert [text async for text in answer]
        for refused in (
            partial(it.client.fork, "t", "copy", after="nothing.0"),
            partial(it.client.truncate, "t", "nothing.0"),
        ):
            with pytest.raises(Rejected, match="item_not_found"):
                await refused()
        assert [line.thread for line in (await it.client.threads()).threads] == ["t"]
        for thread in ("t", "copy"):
            async with it.client.ask(thread, "more") as answer:
                assert [text async for text in answer] == ["answer to more"]
        assert (await it.shown())[0] == ("message", "hello")

"""Stop, pressed on another connection than the one that asked (I6, I7)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import trio

from ..real_input.server_process import ServerProcess
from .peer import Message, connect, is_ending, offset, said

if TYPE_CHECKING:
    from pathlib import Path

# How long a cancelled handler takes to leave: long enough to be overtaken by a hasty reply.
LEAVING = 0.4
HALF = "0 1 2 "


async def test_a_turn_whose_connection_was_cut_is_cancelled_from_another(
    server: ServerProcess, folder: Path
) -> None:
    """H1, H4, W10: answered when it is settled, and not before."""
    async with connect(server.port) as a, connect(server.port) as b:
        await b.attach("t")
        turn = (await a.submit("t", f"hold {LEAVING}"))["turn"]
        await b.until_event("t", lambda e: said([e], turn).endswith("2 "))
        await a.cut()
        assert await b.is_served()
        began = time.monotonic_ns()
        reply = await b.ask("cancel", thread="t", turn=turn)
        replied = time.monotonic_ns()
        note = folder / f"finally-{turn}"
        assert note.exists(), "the reply came before the handler's finally had run"
        assert began + int(LEAVING * 1e9) <= int(note.read_text()) <= replied
        assert (reply["turn"], reply["outcome"]) == (turn, "cancelled")
        # Whoever asks now finds it settled: the reply came after that was durable.
        history = await b.ask("history", thread="t")
        assert shown(history["items"]) == [
            ("message", f"hold {LEAVING}"),
            ("answer", HALF),
            ("marker", "cancelled"),
        ]
        ending = await b.ending("t", turn)
        assert [e["type"] for e in b.events("t") if is_ending(e)] == ["turn.cancelled"]
        assert (ending["reason"], ending["offset"]) == ("requested", offset(reply["cursor"]))
        assert said(b.events("t"), turn) == HALF


async def test_the_reply_outlives_kill_9(tmp_path: Path) -> None:
    own = ServerProcess(tmp_path, "tests.conformance.handlers:KIND")
    await own.start()
    try:
        async with connect(own.port) as a:
            turn = (await a.submit("t", "hold"))["turn"]
            await a.attach("t")
            await a.until(lambda m: HALF in str(m) or said(a.events("t"), turn) == HALF)
            await a.cut()
        async with connect(own.port) as b:
            cursor = (await b.ask("cancel", thread="t"))["cursor"]
            await own.kill()
        await own.start()
        async with connect(own.port) as b:
            assert (await b.attach("t"))["cursor"] == cursor  # nothing was added
            items = b.of("t")[1]["items"]
            assert shown(items)[1:] == [("answer", HALF), ("marker", "cancelled")]
    finally:
        with trio.move_on_after(10, shield=True):
            await own.kill()


async def test_a_late_cancel_does_not_touch_the_next_turn(server: ServerProcess) -> None:
    """H5: whatever it asks for."""
    async with connect(server.port) as a, connect(server.port) as b:
        await b.attach("late")
        first = (await a.submit("late", "say 3"))["turn"]
        await b.ending("late", first)
        second = (await a.submit("late", "stream late-cancel"))["turn"]
        await b.until_event("late", lambda e: e["type"] == "turn.delta" and e["turn"] == second)
        for mode in ("keep", "rollback", "keep"):
            reply = await b.ask("cancel", thread="late", turn=first, mode=mode)
            assert (reply["turn"], reply["outcome"]) == (first, "already_ended")
        said_then = len(said(b.events("late"), second))
        await b.until_event("late", lambda e: len(said(b.events("late"), second)) > said_then)
        await a.submit("late-release", "release late-cancel")
        assert (await b.ending("late", second))["type"] == "turn.completed"
        assert said(b.events("late"), second).endswith(" end")
        endings = [(e["type"], e["turn"]) for e in b.events("late") if is_ending(e)]
        assert endings == [("turn.completed", first), ("turn.completed", second)]


async def test_repeated_cancels_add_nothing(server: ServerProcess) -> None:
    """W12, B26: while it leaves, and after it has left."""
    async with connect(server.port) as a, connect(server.port) as b:
        await b.attach("again")
        turn = (await a.submit("again", f"hold {LEAVING}"))["turn"]
        await b.until_event("again", lambda e: said([e], turn).endswith("2 "))
        # Five while it leaves, from both sides, by name and without, keeping and rolling back.
        labels = [
            (peer, await peer.post("cancel", thread="again", **fields))
            for peer in (a, b)
            for fields in ({"turn": turn}, {}, {"turn": turn, "mode": "rollback"})
        ]
        replies = [await peer.answer(label) for peer, label in labels]
        assert {(r["turn"], r["outcome"]) for r in replies} == {(turn, "cancelled")}
        assert len({r["cursor"] for r in replies}) == 1
        for _ in range(5):
            late = await b.ask("cancel", thread="again", turn=turn)
            assert (late["outcome"], late["cursor"]) == ("already_ended", replies[0]["cursor"])
        await b.ending("again", turn)
        assert [e for e in b.events("again") if is_ending(e)] == [b.events("again")[-1]]
        assert "rolled_back" not in b.events("again")[-1]  # the first ending decided won
        assert b.events("again")[-1]["offset"] == offset(replies[0]["cursor"])


async def test_a_cancel_without_a_turn_where_nothing_runs(server: ServerProcess) -> None:
    """H4, B15: it says so, and the next turn runs."""
    async with connect(server.port) as b:
        assert await b.refusal("cancel", thread="idle") == "thread_not_found"
        await b.attach("idle")
        turn = (await b.submit("idle", "say 1"))["turn"]
        ending = await b.ending("idle", turn)
        for _ in range(2):
            reply = await b.ask("cancel", thread="idle")
            assert (reply["turn"], reply["outcome"]) == (None, "nothing_running")
            assert offset(reply["cursor"]) == ending["offset"]
        assert await b.refusal("cancel", thread="idle", turn="t_other") == "turn_not_found"
        later = (await b.submit("idle", "say 1"))["turn"]
        assert (await b.ending("idle", later))["type"] == "turn.completed"


async def test_many_turns_are_each_cancelled_once_by_whoever_comes_first(
    server: ServerProcess, folder: Path
) -> None:
    """H6: two connections press Stop on twenty threads at once; each turn ends once."""
    threads = [f"many-{number}" for number in range(20)]
    async with connect(server.port) as a, connect(server.port) as b:
        turns = [(await a.submit(thread, "hold 0.05"))["turn"] for thread in threads]
        outcomes: dict[str, list[Message]] = {turn: [] for turn in turns}

        async def stop(thread: str, turn: str) -> None:
            labels = [(p, await p.post("cancel", thread=thread, turn=turn)) for p in (a, b)]
            outcomes[turn] += [await p.answer(label) for p, label in labels]

        async with trio.open_nursery() as nursery:
            for thread, turn in zip(threads, turns, strict=True):
                nursery.start_soon(stop, thread, turn)
        for turn, replies in outcomes.items():
            assert {r["turn"] for r in replies} == {turn}
            assert len({r["cursor"] for r in replies}) == 1
            assert replies[0]["outcome"] == "cancelled"
            assert replies[1]["outcome"] in ("cancelled", "already_ended")
        for thread in threads:
            items = (await b.ask("history", thread=thread))["items"]
            assert [i["kind"] for i in items if i["kind"] == "marker"] == ["marker"]


def shown(items: list[Message]) -> list[tuple[str, str]]:
    """Return (kind, text) of items."""
    return [(i["kind"], i.get("content") or i.get("text") or i["reason"]) for i in items]

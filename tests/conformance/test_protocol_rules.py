"""What the rules of docs/reference/protocol.md mean for our own server's files, processes and logs.

What can be seen from outside is in `transport.testing.conformance`, and `test_conformance` runs it;
the cases of bad input with their bystanders are in `test_bad_input`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import trio

from ..real_input.server_process import ROOT, ServerProcess, running_server
from .handlers import SECRET
from .peer import Message, Peer, connect, is_ending, offset, said

if TYPE_CHECKING:
    from pathlib import Path

HANDLER = "tests.conformance.handlers:KIND"


@pytest.fixture
async def peer(server: ServerProcess) -> AsyncIterator[Peer]:
    async with connect(server.port) as peer:
        yield peer


async def test_rule_03_a_cursor_inside_a_merged_range_gets_a_snapshot(tmp_path: Path) -> None:
    async with running_server(tmp_path, HANDLER) as server:
        async with connect(server.port) as peer:
            start = (await peer.attach("r3m"))["cursor"]
            turn = (await peer.submit("r3m", "say 20"))["turn"]
            await peer.ending("r3m", turn)
            epoch = start.partition(".")[0]
        assert await server.stop() == 0
        compact = [sys.executable, "-m", "transport.cli", "compact", "--all", "chat.db"]
        await trio.run_process(
            compact, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL
        )
        await server.start()
        async with connect(server.port) as peer:
            assert (await peer.attach("r3m", cursor=start))["mode"] == "resume"
            assert_contiguous(peer.events("r3m"), 1)
            [merged] = [e for e in peer.events("r3m") if e["type"] == "turn.delta"]
            assert (merged["offset"], merged["to"], merged["text"]) == (4, 23, numbers(20))
            for place, mode in ((3, "resume"), (4, "snapshot"), (22, "snapshot"), (23, "resume")):
                attached = await peer.attach("r3m", cursor=f"{epoch}.{place}")
                assert attached["mode"] == mode, place
                assert attached.get("reason") == ("compacted" if mode == "snapshot" else None)


async def test_rule_04_a_submit_sent_on_seeing_the_end_never_meets_the_turn(
    server: ServerProcess, folder: Path, peer: Peer
) -> None:
    async with connect(server.port) as other:
        await peer.attach("r4")
        for number in range(20):
            receipt = await (peer, other)[number % 2].submit("r4", "linger")
            await peer.ending("r4", receipt["turn"])
            # The scope has exited: what the handler does last is done.
            assert (folder / f"finally-{receipt['turn']}").exists()


async def test_rule_08_a_key_outlives_kill_9(tmp_path: Path) -> None:
    async with running_server(tmp_path, HANDLER) as server:
        async with connect(server.port) as peer:
            finished = await peer.submit("r8", "say 3", key="finished")
            await peer.attach("r8")
            await peer.until(lambda _: not (peer.of("r8")[1]["turn"]) or ended(peer, finished))
            running = await peer.submit("r8", "hold", key="running")
            queued = await peer.submit("r8", "say 2", key="queued", on_busy="queue")
            await server.kill()
        await server.start()
        async with connect(server.port) as peer:
            for body, first in (
                ({"content": "say 3", "key": "finished"}, finished),
                ({"content": "hold", "key": "running", "on_busy": "queue"}, running),
                ({"content": "say 2", "key": "queued", "on_busy": "interrupt"}, queued),
            ):
                again = await peer.submit("r8", **body)
                assert (again["turn"], again["cursor"]) == (first["turn"], first["cursor"])
                assert again["duplicate"] is True
            conflict = {"thread": "r8", "content": "say 4", "key": "running"}
            assert await peer.refusal("submit", **conflict) == "idempotency_conflict"
            # The started turn was interrupted, once; the queued one never ran, and does now.
            epoch = finished["cursor"].partition(".")[0]
            await peer.attach("r8", cursor=f"{epoch}.0")
            await peer.ending("r8", queued["turn"])
            endings = [(e["type"], e["turn"]) for e in peer.events("r8") if is_ending(e)]
            assert endings == [
                ("turn.completed", finished["turn"]),
                ("turn.interrupted", running["turn"]),
                ("turn.completed", queued["turn"]),
            ]
            assert_contiguous(peer.events("r8"), 1)


async def test_rule_11_end_closes_the_activation_and_not_the_history(
    server: ServerProcess, folder: Path, peer: Peer
) -> None:
    async with connect(server.port) as other:
        start = (await peer.attach("r11"))["cursor"]
        await other.attach("r11")
        running = (await peer.submit("r11", "hold 0.2"))["turn"]
        queued = (await peer.submit("r11", "say 1", on_busy="queue"))["turn"]
        await peer.until_event("r11", lambda e: said([e], running).endswith("2 "))
        assert (await peer.ask("end", thread="r11"))["existed"] is True
        assert (folder / f"finally-{running}").exists()  # resources were released before
        for each in (peer, other):
            detached = await each.until(lambda m: m["type"] == "detached")
            assert detached["reason"] == "ended"
            assert each.of("r11")[-1] == detached
            assert each.events("r11")[-1]["type"] == "thread.ended"
            assert offset(detached["cursor"]) == each.events("r11")[-1]["offset"]
            endings = {e["turn"]: e["type"] for e in each.events("r11") if is_ending(e)}
            assert endings == {running: "turn.cancelled", queued: "turn.cancelled"}
            assert_contiguous(each.events("r11"), 1)
    end = detached["cursor"]
    assert (await peer.ask("end", thread="r11"))["existed"] is False
    assert (await peer.ask("end", thread="r11-absent"))["existed"] is False
    # Reads go on, nothing was written, and an old thread.ended detaches nobody.
    assert len((await peer.ask("history", thread="r11"))["items"]) >= 3
    since = len(peer.heard)
    attached = await peer.attach("r11", cursor=start)
    assert attached["mode"] == "resume"
    assert peer.of("r11", since)[-1] == {"type": "caught_up", "thread": "r11", "cursor": end}
    again = await peer.submit("r11", "context")
    await peer.ending("r11", again["turn"])
    assert "detached" not in {m["type"] for m in peer.of("r11", since)}
    assert_contiguous(peer.events("r11", since), 1)
    assert again["cursor"] == f"{end.partition('.')[0]}.{offset(end) + 1}"  # the same epoch
    assert told(peer, "r11", again["turn"])[:2] == [("user", "hold 0.2"), ("assistant", "0 1 2 ")]


async def test_rule_14_errors_carry_no_tracebacks_sql_or_paths(
    server: ServerProcess, folder: Path, peer: Peer
) -> None:
    """Whatever a peer hears is looked through, see `assert_discreet`; here is something to hide."""
    await peer.attach("r14")
    turn = (await peer.submit("r14", "fail"))["turn"]
    ending = await peer.ending("r14", turn)
    assert (ending["type"], ending["error"]) == ("turn.failed", "RuntimeError")
    assert SECRET not in json.dumps(peer.heard)
    assert SECRET in (folder / "server.log").read_text()
    assert said(peer.events("r14"), turn) == "before "
    items = (await peer.ask("history", thread="r14"))["items"]
    assert [item["kind"] for item in items] == ["message", "answer", "marker"]
    assert items[-1]["reason"] == "failed"


async def test_rule_16_the_welcome_tells_the_limits(server: ServerProcess, peer: Peer) -> None:
    welcome = peer.heard[0]
    assert welcome["type"] == "welcome"
    assert welcome["protocol"] == "holdfast.v1"
    assert welcome["limits"] == {
        "command_bytes": 64 * 1024,
        "frame_bytes": 1024 * 1024,
        "turn_output_bytes": 32 * 1024 * 1024,
        "cancel_grace_seconds": 5,
        "drain_seconds": 5,
        "slow_seconds": 30,
    }
    assert welcome["heartbeat_seconds"] > 0
    async with connect(server.port) as other:
        assert other.heard[0] == welcome  # one run, one instance
        await other.send({"type": "hello", "token": "renewed", "client": "test/1"})
        await other.until(lambda m: m == welcome, 1)


async def test_a_record_is_a_fact_of_the_thread(peer: Peer) -> None:
    """It makes the thread, runs beside a turn, is repeated under its key, and is seen by all."""
    await peer.attach("facts")
    record = {"thread": "facts", "kind": "note", "data": {"a": [1, None]}, "key": "k"}
    first = await peer.ask("record", **record)
    assert (offset(first["cursor"]), first["duplicate"]) == (2, False)
    again = await peer.ask("record", **record)
    assert (again["cursor"], again["duplicate"]) == (first["cursor"], True)
    assert await peer.refusal("record", **{**record, "data": 2}) == "idempotency_conflict"
    assert await peer.refusal("submit", thread="facts", content="hi", key="k") == (
        "idempotency_conflict"
    )
    turn = (await peer.submit("facts", "say 1"))["turn"]
    await peer.ask("record", thread="facts", kind="beside", data=None)
    await peer.ending("facts", turn)
    await peer.until_event("facts", lambda e: e.get("kind") == "beside")
    seen = [e for e in peer.events("facts") if e["type"] == "record"]
    assert [(e["kind"], e["data"], e.get("key")) for e in seen] == [
        ("note", {"a": [1, None]}, "k"),
        ("beside", None, None),
    ]
    items = (await peer.ask("history", thread="facts"))["items"]
    assert [i["kind"] for i in items if i["kind"] == "record"] == ["record", "record"]
    assert items[0] == {
        "item": seen[0]["item"],
        "kind": "record",
        "at": seen[0]["at"],
        "record": "note",
        "data": {"a": [1, None]},
    }
    assert await peer.refusal("record", thread="facts", kind="", data=1) == "bad_request"
    await peer.ask("end", thread="facts")
    await peer.ask("record", thread="facts", kind="after", data=0)  # opens it again
    assert (await peer.ask("end", thread="facts"))["existed"]


async def test_a_fork_begins_a_thread_with_the_history_of_another(peer: Peer) -> None:
    """Rule 10, and rule 8 for its key; who is attached to the new thread sees it at once."""
    await peer.attach("trunk")
    await peer.attach("branch")
    await peer.ending("trunk", (await peer.submit("trunk", "say 1"))["turn"])
    await peer.ask("record", thread="trunk", kind="note", data=1)
    await peer.ending("trunk", (await peer.submit("trunk", "say 1"))["turn"])
    items = (await peer.ask("history", thread="trunk"))["items"]
    assert [i["kind"] for i in items] == ["message", "answer", "record", "message", "answer"]
    fork = {"thread": "trunk", "to": "branch", "after": items[2]["item"], "key": "k"}
    since = len(peer.heard)
    made = await peer.ask("fork", **fork)
    assert made["type"] == "reply"
    shown = await peer.until(lambda m: m["type"] == "snapshot" and m["thread"] == "branch", since)
    assert (shown["items"], shown["cursor"]) == (items[:3], made["cursor"])
    assert (await peer.ask("fork", **fork))["cursor"] == made["cursor"]
    for other in ({"to": "twig"}, {"after": None}):
        assert await peer.refusal("fork", **{**fork, **other}) == "idempotency_conflict"
    del fork["key"]
    assert await peer.refusal("fork", **fork) == "bad_request"  # it is there
    assert await peer.refusal("fork", **{**fork, "to": "trunk"}) == "bad_request"
    fork["to"] = "twig"
    assert await peer.refusal("fork", **{**fork, "after": "ghost.0"}) == "item_not_found"
    turn = (await peer.submit("trunk", "hold"))["turn"]
    assert await peer.refusal("fork", **fork) == "turn_in_progress"
    await peer.ask("cancel", thread="trunk", turn=turn)
    assert await peer.refusal("history", thread="twig") == "thread_not_found"
    await peer.ending("branch", (await peer.submit("branch", "say 1"))["turn"])
    assert (await peer.ask("history", thread="trunk"))["items"][:5] == items


async def test_a_cast_to_a_thread_without_a_service_is_unsupported(peer: Peer) -> None:
    await peer.attach("later")
    await peer.send({"type": "cast", "thread": "later", "kind": "typing", "data": None})
    error = await peer.until(lambda m: m["type"] == "error" and "id" not in m)
    assert (error["code"], error["retryable"]) == ("unsupported", False)
    assert peer.events("later") == []  # and created nothing
    assert await peer.refusal("history", thread="later") == "thread_not_found"


async def test_drain_on_sigterm(tmp_path: Path) -> None:
    async with running_server(tmp_path, HANDLER) as server:
        async with connect(server.port) as peer, trio.open_nursery() as nursery:
            for thread in ("finishes", "goes-on", "waits"):
                start = (await peer.attach(thread))["cursor"]
            finishing = (await peer.submit("finishes", "say 40 0.05"))["turn"]
            going_on = (await peer.submit("goes-on", "hold"))["turn"]
            waiting = (await peer.submit("goes-on", "say 1", on_busy="queue"))["turn"]
            codes: list[int] = []
            began = trio.current_time()

            async def stop() -> None:
                codes.append(await server.stop())

            nursery.start_soon(stop)
            goaway = await peer.until(lambda m: m["type"] == "goaway")
            assert goaway["retry_after_seconds"] > 0
            draining = await peer.ask("submit", thread="waits", content="say 1")
            assert (draining["code"], draining["retryable"]) == ("draining", True)
            # What can finish does, the rest is interrupted, and everybody sees how it ended.
            assert (await peer.ending("finishes", finishing))["type"] == "turn.completed"
            assert said(peer.events("finishes"), finishing) == numbers(40)
            interrupted = await peer.ending("goes-on", going_on)
            assert (interrupted["type"], interrupted["reason"]) == ("turn.interrupted", "shutdown")
            assert 4 <= trio.current_time() - began <= 9
            assert await peer.closed() == 4001
            assert (tmp_path / f"finally-{going_on}").exists()
        assert codes == [0]
        assert all(m.get("turn") != waiting for m in peer.events("goes-on") if is_ending(m))
        await server.start()
        async with connect(server.port) as peer:  # the queued one never ran, and does now
            await peer.attach("goes-on", cursor=start)
            assert (await peer.ending("goes-on", waiting))["type"] == "turn.completed"
            endings = [e["type"] for e in peer.events("goes-on") if is_ending(e)]
            assert endings == ["turn.interrupted", "turn.completed"]


def numbers(count: int) -> str:
    """What the handler's `say` says."""
    return "".join(f"{number} " for number in range(count))


def last_of(event: Message) -> int:
    """Return the last offset that an event covers."""
    return int(event.get("to") or event["offset"])


def assert_contiguous(events: list[Message], first: int) -> None:
    """Check that events leave no offset out, and repeat none."""
    assert not events or events[0]["offset"] == first
    for before, after in pairwise(events):
        assert after["offset"] == last_of(before) + 1, (before, after)
    assert all(last_of(event) >= event["offset"] for event in events)


def ended(peer: Peer, receipt: Message) -> bool:
    """Say whether a turn was seen to end."""
    events = peer.events("r8")
    return any(is_ending(e) and e["turn"] == receipt["turn"] for e in events)


def told(peer: Peer, thread: str, turn: str) -> list[tuple[str, str]]:
    """Return what a `context` turn was given, as (role, text)."""
    messages = json.loads(said(peer.events(thread), turn))
    return [(message["role"], message["content"]) for message in messages]

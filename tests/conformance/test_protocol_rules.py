"""The rules of docs/reference/protocol.md over real sockets, those that can be seen from outside.

Rules 12 to 14 have most of their cases in `test_bad_input`; rule 13's slow reader has its own in
the transport's tests, since it is cut after 30 seconds.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import trio

from ..real_input.server_process import ROOT, ServerProcess
from .handlers import SECRET
from .peer import Message, Peer, connect, frame, is_ending, offset, said

if TYPE_CHECKING:
    from pathlib import Path

HANDLER = "tests.conformance.handlers:KIND"


@pytest.fixture
async def peer(server: ServerProcess) -> AsyncIterator[Peer]:
    async with connect(server.port) as peer:
        yield peer


@asynccontextmanager
async def own_server(folder: Path) -> AsyncIterator[ServerProcess]:
    """A server that the test may kill."""
    server = ServerProcess(folder, HANDLER)
    await server.start()
    try:
        yield server
    finally:
        with trio.move_on_after(10, shield=True):
            await server.kill()


async def test_rule_01_offsets_rise_by_one_and_ranges_are_contiguous(
    server: ServerProcess, peer: Peer
) -> None:
    await peer.attach("r1")
    for count in (1, 50, 300):
        turn = (await peer.submit("r1", f"say {count}"))["turn"]
        await peer.ending("r1", turn)
        assert said(peer.events("r1"), turn) == numbers(count)
    assert_contiguous(peer.events("r1"), 1)
    for message in peer.of("r1"):
        if message["type"] == "events":
            assert offset(message["cursor"]) == last_of(message["events"][-1])
    # One write, one offset: a created, and for each turn a submitted, a started and an ending.
    assert last_of(peer.events("r1")[-1]) == 1 + 3 * 3 + 351
    async with connect(server.port) as other:  # and the same from disk
        start = peer.of("r1")[0]["cursor"]
        assert (await other.attach("r1", cursor=start))["mode"] == "resume"
        assert_contiguous(other.events("r1"), 1)
        assert last_of(other.events("r1")[-1]) == last_of(peer.events("r1")[-1])


async def test_rule_02_a_cursor_exists_before_any_event_and_never_moves_back(peer: Peer) -> None:
    attached = await peer.attach("r2")
    kinds = [message["type"] for message in peer.of("r2")]
    assert kinds == ["attached", "snapshot", "caught_up"]
    assert {message["cursor"] for message in peer.of("r2")} == {attached["cursor"]}
    assert offset(attached["cursor"]) == 0
    receipt = await peer.submit("r2", "say 10 0.01")
    assert offset(receipt["cursor"]) == 2  # where the submit stands: behind thread.created
    await peer.ending("r2", receipt["turn"])
    cursors = [offset(message["cursor"]) for message in peer.of("r2")]
    assert cursors == sorted(cursors)
    # The cursor from before the first event is good for all of them; `attached` gives it back.
    again = await peer.attach("r2", cursor=attached["cursor"])
    assert (again["mode"], again["cursor"]) == ("resume", attached["cursor"])
    assert "reason" not in again


async def test_rule_03_resume_snapshot_and_reset(server: ServerProcess, peer: Peer) -> None:
    await peer.attach("r3")
    turn = (await peer.submit("r3", "say 20"))["turn"]
    await peer.ending("r3", turn)
    epoch, _, head = peer.of("r3")[-1]["cursor"].partition(".")
    places = [0, *map(last_of, peer.events("r3"))]  # pieces of one commit may share a range
    assert places[-1] == int(head)
    for place in places:
        since = len(peer.heard)
        cursor = f"{epoch}.{place}"
        attached = await peer.attach("r3", cursor=cursor)
        assert (attached["mode"], attached["cursor"]) == ("resume", cursor)
        assert_contiguous(peer.events("r3", since), place + 1)
        assert [m["type"] for m in peer.of("r3", since)].count("snapshot") == 0
        assert peer.of("r3", since)[-1] == {
            "type": "caught_up",
            "thread": "r3",
            "cursor": f"{epoch}.{head}",
        }
    for cursor, mode, reason in (
        ("", "snapshot", None),
        (f"{epoch}.{int(head) + 1}", "reset", "ahead"),
        (f"{int(epoch) + 1}.1", "reset", "epoch"),
        ("what?", "reset", "unreadable"),
    ):
        since = len(peer.heard)
        attached = await (peer.attach("r3", cursor=cursor) if cursor else peer.attach("r3"))
        assert (attached["mode"], attached.get("reason")) == (mode, reason)
        assert attached["cursor"] == f"{epoch}.{head}"
        [_, snapshot, caught_up] = peer.of("r3", since)
        assert (snapshot["type"], snapshot["cursor"]) == ("snapshot", attached["cursor"])
        assert [item["kind"] for item in snapshot["items"]] == ["message", "answer"]
        assert snapshot["items"][1]["text"] == numbers(20)
        assert (snapshot["turn"], snapshot["queue"], snapshot["before"]) == (None, [], None)
        assert caught_up["type"] == "caught_up"


async def test_rule_03_a_cursor_inside_a_merged_range_gets_a_snapshot(tmp_path: Path) -> None:
    async with own_server(tmp_path) as server:
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


async def test_rule_03_a_snapshot_in_mid_turn_and_what_follows_are_one_answer(
    server: ServerProcess, peer: Peer
) -> None:
    turn = (await peer.submit("r3s", "say 60 0.01"))["turn"]
    pieces: list[str] = []
    for _ in range(5):
        async with connect(server.port) as viewer:
            await viewer.attach("r3s")
            snapshot = viewer.of("r3s")[1]
            live = snapshot["turn"]
            if live is None:
                break
            assert (live["turn"], live["attempt"]) == (turn, 1)
            shown = {item["item"]: dict(item) for item in live["items"]}
            await viewer.ending("r3s", turn)
            events = viewer.events("r3s")
            assert_contiguous(events, offset(snapshot["cursor"]) + 1)
            for event in events:
                if event["type"] == "turn.delta":
                    shown.setdefault(event["item"], {"kind": "answer", "text": ""})
                    shown[event["item"]]["text"] += event["text"]
            pieces += [i["text"] for i in shown.values() if i["kind"] == "answer"]
    assert pieces
    assert set(pieces) == {numbers(60)}


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


async def test_rule_05_second_attach_replaces_the_first(peer: Peer) -> None:
    start = (await peer.attach("r5"))["cursor"]
    turn = (await peer.submit("r5", "say 100 0.005"))["turn"]
    since = 0
    for number in range(4):
        place = len(peer.heard)
        await peer.until(lambda message: message["type"] == "events", place)
        since = len(peer.heard)
        attached = await peer.ask("attach", thread="r5", cursor=start)
        assert attached["mode"] == "resume"
        since = peer.heard.index(attached, since)
        await peer.until(lambda m: m["type"] == "caught_up", since)
        if number == 3:
            await peer.ending("r5", turn)
        assert_contiguous(peer.events("r5", since), 1)
    await peer.ending("r5", turn)
    assert_contiguous(peer.events("r5", since), 1)
    assert said(peer.events("r5", since), turn) == numbers(100)
    assert [m["type"] for m in peer.of("r5", since)].count("caught_up") == 1


async def test_rule_06_commands_of_a_connection_are_decided_in_the_order_sent(peer: Peer) -> None:
    await peer.attach("r6")
    labels = [
        await peer.post("submit", thread="r6", content=f"say 1 0 {number}", on_busy="queue")
        for number in range(30)
    ]
    turns = [(await peer.answer(label))["turn"] for label in labels]
    await peer.ending("r6", turns[-1])
    for type in ("turn.submitted", "turn.started", "turn.completed"):
        assert [e["turn"] for e in peer.events("r6") if e["type"] == type] == turns
    asked = [e["content"] for e in peer.events("r6") if e["type"] == "turn.submitted"]
    assert asked == [f"say 1 0 {number}" for number in range(30)]
    # A submit, its cancel, the end and the next submit, all sent at once.
    since = len(peer.heard)
    cursor = peer.of("r6")[-1]["cursor"]
    sent = [
        await peer.post("submit", thread="r6", content="hold"),
        await peer.post("cancel", thread="r6"),
        await peer.post("end", thread="r6"),
        await peer.post("submit", thread="r6", content="say 1"),
    ]
    first, cancelled, ended, last = [await peer.answer(label) for label in sent]
    assert (cancelled["turn"], cancelled["outcome"]) == (first["turn"], "cancelled")
    assert ended["existed"] is True
    assert {m["id"] for m in peer.heard[since:] if "id" in m} == set(sent)
    since = len(peer.heard)
    await peer.attach("r6", cursor=cursor)
    await peer.until(lambda _: any(e["type"] == "turn.completed" for e in peer.events("r6", since)))
    told_of = [
        (event["type"], event.get("turn"))
        for event in peer.events("r6", since)
        if event["type"] not in ("turn.started", "turn.delta")
    ]
    assert told_of == [
        ("turn.submitted", first["turn"]),
        ("turn.cancelled", first["turn"]),
        ("thread.ended", None),
        ("turn.submitted", last["turn"]),
        ("turn.completed", last["turn"]),
    ]


async def test_rule_07_a_deletion_ends_an_epoch(server: ServerProcess, peer: Peer) -> None:
    first = (await peer.attach("r7"))["cursor"]
    assert (await peer.attach("r7-never"))["cursor"] == first  # one first epoch for all
    turn = (await peer.submit("r7", "hold"))["turn"]
    await peer.until_event("r7", lambda e: e["type"] == "turn.delta")
    assert (await peer.ask("delete", thread="r7"))["existed"] is True
    detached = await peer.until(lambda m: m["type"] == "detached")
    assert detached["reason"] == "deleted"
    kinds = [e["type"] for e in peer.events("r7")]
    assert kinds[-2:] == ["turn.cancelled", "thread.deleted"]
    assert detached["cursor"] == peer.of("r7")[-2]["cursor"]
    assert_contiguous(peer.events("r7"), 1)
    assert (await peer.ask("delete", thread="r7"))["existed"] is False
    assert await peer.refusal("cancel", thread="r7", turn=turn) == "thread_not_found"
    for cursor in (first, detached["cursor"]):
        since = len(peer.heard)
        attached = await peer.attach("r7", cursor=cursor)
        assert (attached["mode"], attached["reason"]) == ("reset", "deleted")
        assert attached["cursor"] != first
        [_, snapshot, _] = peer.of("r7", since)
        assert (snapshot["items"], snapshot["turn"], snapshot["queue"]) == ([], None, [])
    since = len(peer.heard)
    receipt = await peer.submit("r7", "context")
    await peer.ending("r7", receipt["turn"])
    assert_contiguous(peer.events("r7", since), 1)
    assert receipt["cursor"].partition(".")[0] == attached["cursor"].partition(".")[0]
    assert told(peer, "r7", receipt["turn"]) == [("user", "context")]
    async with connect(server.port) as other:
        listed = (await other.ask("threads", limit=500))["threads"]
    assert "r7-never" not in {summary["thread"] for summary in listed}


async def test_rule_08_a_key_gives_the_first_receipt_again(
    server: ServerProcess, peer: Peer
) -> None:
    body = {"thread": "r8", "content": "say 5", "key": "k", "metadata": {"a": [1]}}
    await peer.attach("r8")
    # Refusals bind nothing.
    assert await peer.refusal("submit", **body, after="t_1.0") == "item_not_found"
    first = await peer.ask("submit", **body)
    assert first["duplicate"] is False
    for fields in ({}, {"on_busy": "queue"}, {"on_busy": "interrupt"}, {"on_busy": "rollback"}):
        again = await peer.ask("submit", **body, **fields)
        assert (again["turn"], again["cursor"]) == (first["turn"], first["cursor"])
        assert again["duplicate"] is True
    await peer.ending("r8", first["turn"])
    for change in ({"content": "say 6"}, {"metadata": {"a": [2]}}, {"attachments": [1]}):
        assert await peer.refusal("submit", **{**body, **change}) == "idempotency_conflict"
    assert await peer.refusal("submit", **body, after=None) == "idempotency_conflict"
    other = (await peer.ask("submit", **{**body, "thread": "r8-other"}))["turn"]
    assert other != first["turn"]  # a key belongs to its thread
    await peer.ask("truncate", thread="r8", after=None)
    assert (await peer.ask("submit", **body))["turn"] == first["turn"]
    without = [await peer.submit("r8", "say 1", on_busy="queue") for _ in range(2)]
    assert without[0]["turn"] != without[1]["turn"]
    assert await peer.refusal("submit", **{**body, "content": ""}) == "bad_request"


async def test_rule_08_a_key_outlives_kill_9(tmp_path: Path) -> None:
    async with own_server(tmp_path) as server:
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


async def test_rule_09_interrupt_keeps_what_was_said_and_goes_first(peer: Peer) -> None:
    await peer.attach("r9i")
    first = (await peer.submit("r9i", "hold 0.1"))["turn"]
    await peer.until_event("r9i", lambda e: said([e], first).endswith("2 "))
    waiting = (await peer.submit("r9i", "context waiting", on_busy="queue"))["turn"]
    busy = await peer.ask("submit", thread="r9i", content="say 1")
    assert (busy["code"], busy["turn"], busy["retryable"]) == ("turn_in_progress", first, True)
    # Two in a row: the second takes the place of the first, which still waits for the exit.
    overtaken = (await peer.submit("r9i", "context overtaken", on_busy="interrupt"))["turn"]
    second = (await peer.submit("r9i", "context now", on_busy="interrupt"))["turn"]
    await peer.ending("r9i", waiting)
    events = peer.events("r9i")
    assert_contiguous(events, 1)
    assert [e["turn"] for e in events if e["type"] == "turn.started"] == [first, second, waiting]
    endings = {e["turn"]: e for e in events if is_ending(e)}
    assert len([e for e in events if is_ending(e)]) == 4
    assert (endings[first]["type"], endings[first]["by"]) == ("turn.superseded", overtaken)
    assert (endings[overtaken]["type"], endings[overtaken]["by"]) == ("turn.superseded", second)
    assert "rolled_back" not in endings[first]
    # Partial text in, markers out, in turn order; a queued message is no part of it before.
    before = [("user", "hold 0.1"), ("assistant", "0 1 2 ")]
    now = told(peer, "r9i", second)
    assert now[:2] == before
    assert now[-1] == ("user", "context now")
    assert "context waiting" not in str(now)
    later = told(peer, "r9i", waiting)
    assert later[:2] == before
    assert later[-3][1] == "context now"
    assert later[-1] == ("user", "context waiting")


async def test_rule_09_rollback_takes_the_turn_out_and_offsets_stay(peer: Peer) -> None:
    await peer.attach("r9r")
    kept = (await peer.submit("r9r", "say 2"))["turn"]
    await peer.ending("r9r", kept)
    first = (await peer.submit("r9r", "hold"))["turn"]
    await peer.until_event("r9r", lambda e: said([e], first).endswith("2 "))
    second = (await peer.submit("r9r", "context", on_busy="rollback"))["turn"]
    await peer.ending("r9r", second)
    ending = await peer.ending("r9r", first)
    assert (ending["type"], ending["by"]) == ("turn.superseded", second)
    assert ending["rolled_back"] is True
    assert "item" not in ending
    assert_contiguous(peer.events("r9r"), 1)
    assert told(peer, "r9r", second) == [
        ("user", "say 2"),
        ("assistant", "0 1 "),
        ("user", "context"),
    ]
    items = (await peer.ask("history", thread="r9r"))["items"]
    assert {item["turn"] for item in items} == {kept, second}
    # By cancel as well.
    third = (await peer.submit("r9r", "hold"))["turn"]
    reply = await peer.ask("cancel", thread="r9r", turn=third, mode="rollback")
    assert reply["outcome"] == "cancelled"
    assert (await peer.ending("r9r", third))["rolled_back"] is True
    assert (await peer.ask("history", thread="r9r"))["items"] == items


async def test_rule_09_a_queued_turn_is_cancelled_without_ever_starting(peer: Peer) -> None:
    await peer.attach("r9q")
    running = (await peer.submit("r9q", "hold"))["turn"]
    queued = [(await peer.submit("r9q", f"context {n}", on_busy="queue"))["turn"] for n in range(3)]
    await peer.attach("r9q")
    snapshot = [m for m in peer.of("r9q") if m["type"] == "snapshot"][-1]
    assert [waiting["turn"] for waiting in snapshot["queue"]] == queued
    assert snapshot["queue"][0]["items"][0]["content"] == "context 0"
    reply = await peer.ask("cancel", thread="r9q", turn=queued[1])
    assert (reply["turn"], reply["outcome"]) == (queued[1], "cancelled")
    assert (await peer.ask("cancel", thread="r9q", turn=queued[1]))["outcome"] == "already_ended"
    assert (await peer.ask("cancel", thread="r9q"))["turn"] == running
    await peer.ending("r9q", queued[2])
    started = [e["turn"] for e in peer.events("r9q") if e["type"] == "turn.started"]
    assert started[-2:] == [queued[0], queued[2]]
    assert queued[1] not in started
    assert len([e for e in peer.events("r9q") if is_ending(e) and e["turn"] == queued[1]]) == 1


async def test_rule_10_truncate(server: ServerProcess, peer: Peer) -> None:
    start = (await peer.attach("r10"))["cursor"]
    turns = [await peer.submit("r10", f"say 2 0 {n}", on_busy="queue") for n in range(3)]
    await peer.ending("r10", turns[-1]["turn"])
    middle = f"{start.partition('.')[0]}.{offset(turns[1]['cursor'])}"
    items = (await peer.ask("history", thread="r10"))["items"]
    assert len(items) == 6
    assert await peer.refusal("truncate", thread="r10", after="t_1.0") == "item_not_found"
    running = (await peer.submit("r10", "hold"))["turn"]
    for command in (
        {"content": "say 1", "after": None},
        {"content": "say 1", "after": None, "on_busy": "interrupt"},
        {"after": None},
    ):
        type = "submit" if "content" in command else "truncate"
        refusal = await peer.ask(type, thread="r10", **command)
        assert (refusal.get("code"), refusal.get("turn")) == ("turn_in_progress", running)
    await peer.ask("cancel", thread="r10", turn=running, mode="rollback")
    answer = items[1]["item"]
    reply = await peer.ask("truncate", thread="r10", after=answer)
    event = await peer.until_event("r10", lambda e: e["type"] == "thread.truncated")
    assert (event["after"], event["offset"]) == (answer, offset(reply["cursor"]))
    assert (await peer.ask("history", thread="r10"))["items"] == items[:2]
    for gone in (items[2]["item"], items[5]["item"]):
        assert await peer.refusal("truncate", thread="r10", after=gone) == "item_not_found"
    async with connect(server.port) as other:
        for cursor in (start, middle):
            attached = await other.attach("r10", cursor=cursor)
            assert (attached["mode"], attached["reason"]) == ("snapshot", "truncated")
            assert attached["cursor"] == reply["cursor"]
        assert other.of("r10")[1]["items"] == items[:2]
        assert other.events("r10") == []
        assert (await other.attach("r10", cursor=reply["cursor"]))["mode"] == "resume"
    assert_contiguous(peer.events("r10"), 1)  # who stayed attached saw it as an event
    assert (await peer.ask("truncate", thread="r10", after=None))["type"] == "reply"
    assert (await peer.ask("history", thread="r10"))["items"] == []


async def test_rule_10_submit_with_after_edits_in_one_append(peer: Peer) -> None:
    await peer.attach("r10s")
    for number in range(3):
        turn = (await peer.submit("r10s", f"say 2 0 {number}"))["turn"]
        await peer.ending("r10s", turn)
    items = (await peer.ask("history", thread="r10s"))["items"]
    since = len(peer.heard)
    edited = (await peer.submit("r10s", "context edited", after=items[1]["item"]))["turn"]
    await peer.ending("r10s", edited)
    kinds = [event["type"] for event in peer.events("r10s", since)]
    assert kinds[:3] == ["thread.truncated", "turn.submitted", "turn.started"]
    assert told(peer, "r10s", edited) == [
        ("user", "say 2 0 0"),
        ("assistant", "0 1 "),
        ("user", "context edited"),
    ]
    cleared = (await peer.submit("r10s", "context cleared", after=None))["turn"]
    await peer.ending("r10s", cleared)
    assert told(peer, "r10s", cleared) == [("user", "context cleared")]
    left = (await peer.ask("history", thread="r10s"))["items"]
    assert {item["turn"] for item in left} == {cleared}


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


async def test_rule_12_what_websocket_forbids_is_closed_by_its_own_codes(
    server: ServerProcess,
) -> None:
    for wrong in (
        frame(1, b"{}", masked=False),
        frame(0x71, b"{}"),  # reserved bits
        frame(3, b"{}"),  # an unknown opcode
        frame(0, b"{}"),  # a continuation of nothing
        frame(9, b"x" * 126),  # a long ping
    ):
        async with connect(server.port) as peer:
            await peer.shove(wrong)
            assert await peer.closed() == 1002, wrong
            assert [message["type"] for message in peer.heard] == ["welcome"]


async def test_rule_13_detached_comes_before_the_reply_and_nothing_after(
    server: ServerProcess, peer: Peer
) -> None:
    await peer.attach("r13")
    turn = (await peer.submit("r13", "say 100 0.01"))["turn"]
    await peer.until_event("r13", lambda e: e["type"] == "turn.delta")
    reply = await peer.ask("detach", thread="r13")
    assert reply == {"type": "reply", "id": reply["id"]}
    place = peer.heard.index(reply)
    detached = peer.heard[place - 1]
    assert (detached["type"], detached["reason"]) == ("detached", "requested")
    delivered = peer.events("r13")
    assert offset(detached["cursor"]) == last_of(delivered[-1])
    async with connect(server.port) as other:  # until the turn is over
        await other.attach("r13")
        await other.ending("r13", turn)
    assert await peer.is_served()
    assert peer.of("r13", place) == []
    # Again is harmless, and the cursor stays good.
    assert (await peer.ask("detach", thread="r13"))["type"] == "reply"
    assert peer.of("r13", place) == []
    since = len(peer.heard)
    attached = await peer.attach("r13", cursor=detached["cursor"])
    assert attached["mode"] == "resume"
    events = delivered + peer.events("r13", since)
    assert_contiguous(events, 1)
    assert said(events, turn) == numbers(100)


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


async def test_rule_15_connections_on_loopback_are_one_principal(
    server: ServerProcess, peer: Peer
) -> None:
    await peer.attach("r15")
    first = await peer.submit("r15", "hold", key="shared")
    async with connect(server.port) as other:
        again = await other.submit("r15", "hold", key="shared")
        assert (again["turn"], again["cursor"]) == (first["turn"], first["cursor"])
        assert (first["duplicate"], again["duplicate"]) == (False, True)
        assert (await other.ask("cancel", thread="r15"))["turn"] == first["turn"]
        after = await other.submit("r15", "hold", key="shared")
        assert (after["turn"], after["cursor"]) == (first["turn"], first["cursor"])
    authors = {e["author"] for e in peer.events("r15") if e["type"] == "turn.submitted"}
    assert len(authors) == 1


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


async def test_cast_and_fork_are_unsupported(peer: Peer) -> None:
    await peer.attach("later")
    fork = {"thread": "later", "to": "fork", "after": None}
    assert await peer.refusal("fork", **fork) == "unsupported"
    await peer.send({"type": "cast", "thread": "later", "kind": "typing", "data": None})
    error = await peer.until(lambda m: m["type"] == "error" and "id" not in m)
    assert (error["code"], error["retryable"]) == ("unsupported", False)
    assert peer.events("later") == []  # and created nothing
    assert await peer.refusal("history", thread="later") == "thread_not_found"


async def test_pages_of_history_and_threads(peer: Peer) -> None:
    await peer.attach("pages")
    for _ in range(5):
        await peer.ending("pages", (await peer.submit("pages", "say 1"))["turn"])
    items = (await peer.ask("history", thread="pages"))["items"]
    assert len(items) == 10
    paged: list[Message] = []
    fields: dict[str, object] = {}
    while True:
        page = await peer.ask("history", thread="pages", limit=3, **fields)
        assert 1 <= len(page["items"]) <= 3
        paged = page["items"] + paged
        if page["before"] is None:
            break
        fields = {"before": page["before"]}
    assert paged == items
    since = len(peer.heard)
    await peer.attach("pages", window=4)
    snapshot = peer.of("pages", since)[1]
    assert snapshot["items"] == items[-4:]
    older = await peer.ask("history", thread="pages", before=snapshot["before"])
    assert older["items"] == items[:-4]
    listed = (await peer.ask("threads", limit=500))["threads"]
    assert listed[0]["thread"] == "pages"
    assert (listed[0]["state"], listed[0]["items"]) == ("idle", 10)
    moments = [summary["active_at"] for summary in listed]
    assert moments == sorted(moments, reverse=True)
    first = await peer.ask("threads", limit=1)
    rest = await peer.ask("threads", limit=500, after=first["after"])
    assert first["threads"] + rest["threads"] == listed


async def test_drain_on_sigterm(tmp_path: Path) -> None:
    async with own_server(tmp_path) as server:
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

"""Threads that leave one journal and come into another are the same threads there."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio
from attrs import frozen
from hypothesis import example, given, settings
from hypothesis import strategies as st

from actors import Item, Journal, Life, Position, PositionUnrecoverable, Row, Settled, Summary
from actors.core.commands import checked_submit
from actors.core.event_codec import entry_from_json
from actors.core.events import ThreadDeleted, ThreadEnded, TurnDelta, TurnItem, TurnSubmitted
from actors.core.items import item_id
from actors.core.turn_lifecycle import ENDINGS, TurnState
from actors.journal.memory import MemoryJournal
from actors.journal.sqlite import open_sqlite_journal, verify
from actors.limits import DEFAULT_LIMITS, Limits
from actors.ports import Inline
from actors.testing.scripted_thread import ScriptedThread
from actors.transfer import Restoration, export_thread, import_thread

NAME = "t-1"
NOW = 5000.0
# Above what a test writes, so that pages and pieces end in the middle of things.
SMALL = Limits(page_items=2, page_items_max=3, page_bytes=700, piece_bytes=64)


@frozen
class Op:
    """Something done to a thread: `what`, and a number to choose by."""

    what: str
    number: int


KINDS = ("turn", "talk", "tools", "queued", "unstarted", "record", "truncate", "clear", "ended")
ops = st.lists(st.builds(Op, st.sampled_from(KINDS), st.integers(0, 99)), min_size=1, max_size=8)


async def play(journal: Journal, done: list[Op], *, leave_open: bool) -> ScriptedThread:
    """Write a thread into a journal, and leave it with a turn that runs and one that waits."""
    thread = await ScriptedThread.claim(journal, NAME)
    for number, op in enumerate(done):
        await perform(thread, op, f"t{number}")
    if leave_open or thread.state.life is Life.ABSENT:
        await thread.submit("open", "still?")
        await thread.start("open")
        await thread.say("open", "half of ", "an answer")
        await thread.submit("waiting", "next")
    return thread


async def perform(thread: ScriptedThread, op: Op, turn: str) -> None:
    ending = sorted(ENDINGS)[op.number % len(ENDINGS)]
    match op.what:
        case "turn":
            await thread.turn(turn, "an ", "answer ", "x" * op.number, message=f"ask {turn}")
        case "talk":
            await thread.submit(turn, f"ask {turn}", key=f"k-{turn}")
            await thread.start(turn)
            await thread.write(TurnDelta(turn, item_id(turn, 1), "hm é", "reasoning"))
            await thread.say(turn, "x" * (op.number % 2) + "é" * op.number, "🙂", item=2)
            await thread.end(turn, ending, rolled_back=op.number % 5 == 0)
        case "tools":
            await thread.submit(turn, f"ask {turn}")
            await thread.start(turn)
            call = {"name": "look", "arguments": {"at": op.number}}
            await thread.write(TurnItem(turn, item_id(turn, 1), "tool_call", call))
            result = {"call": item_id(turn, 1), "data": [op.number]}
            await thread.write(TurnItem(turn, item_id(turn, 2), "tool_result", result))
            await thread.write(TurnItem(turn, item_id(turn, 3), "chart", {"n": op.number}))
            await thread.end(turn)
        case "queued":
            await thread.submit(turn, "first")
            await thread.start(turn)
            await thread.say(turn, "one ")
            await thread.submit(f"{turn}b", "second, meanwhile")
            await thread.say(turn, "two")
            await thread.end(turn)
            await thread.start(f"{turn}b")
            await thread.end(f"{turn}b")
        case "unstarted":
            await thread.submit(turn, "never mind")
            await thread.end(turn, TurnState.CANCELLED)
        case "record":
            await thread.record(f"r{turn}", {"n": op.number})
        case "truncate":
            items = [item for item in await items_of(thread.journal) if item.turn is not None]
            if items:
                await thread.truncate(items[op.number % len(items)].item)
        case "clear" if thread.state.life is not Life.ABSENT:
            await thread.truncate(None)
        case "ended" if thread.state.life is Life.OPEN:
            await thread.write(ThreadEnded())


async def items_of(journal: Journal, thread: str = NAME) -> list[Item]:
    return list((await journal.history(thread, None, 10_000, 1 << 30)).items)


async def rows_of(journal: Journal, limits: Limits = DEFAULT_LIMITS) -> list[Row]:
    summary = Summary(NAME, (await journal.load(NAME)).head)
    return [row async for row in export_thread(journal, summary, limits)]


def restored(rows: list[Row]) -> Restoration:
    restoration = Restoration()
    for row in rows:
        restoration.add(entry_from_json(orjson.loads(row.body)))
    return restoration


async def ended(journal: Journal, turn: str) -> Settled:
    with trio.fail_after(5):
        while True:
            settled = await journal.settled(NAME, turn)
            if settled is not None:
                return settled
            await trio.sleep(0.01)


def told(items: list[Item]) -> list[dict[str, Any]]:
    return [item.to_json() for item in items]


@settings(max_examples=150, deadline=None)
@given(done=ops, leave_open=st.booleans())
@example(done=[Op("talk", 64), Op("truncate", 2)], leave_open=False)
def test_a_thread_is_the_same_in_another_journal(done: list[Op], leave_open: bool) -> None:
    async def run() -> None:
        source, target = MemoryJournal(3), MemoryJournal(70)
        written = await play(source, done, leave_open=leave_open)
        was_open = written.state.live is not None
        # A journal cannot page on from a record yet: with one, everything is on one page.
        limits = DEFAULT_LIMITS if any(op.what == "record" for op in done) else SMALL
        head, rows = written.state.head, await rows_of(source, limits)
        places = [(row.offset, row.to) for row in rows]
        assert [first for first, _ in places] == [1, *(to + 1 for _, to in places[:-1])]
        assert places[-1][1] == head.offset

        await import_thread(target, NAME, restored(rows), now=NOW)

        loaded = await target.load(NAME)
        assert loaded.head.epoch == 70
        assert loaded.head.offset == head.offset + was_open
        assert (loaded.head.active_at, loaded.head.life) == (head.active_at, head.life)
        assert loaded.head.live is None
        assert loaded.head.queued == head.queued
        came = await items_of(target)
        there = await items_of(source)
        assert told(came[: len(there)]) == told(there)
        assert [item.kind for item in came[len(there) :]] == (
            ["message", "answer", "marker"] if was_open else []
        )
        if not was_open:
            assert [row.body for row in await rows_of(target, limits)] == [row.body for row in rows]

    trio.run(run)


@settings(max_examples=25, deadline=None)
@given(done=ops, leave_open=st.booleans(), compacted=st.booleans())
def test_a_file_with_an_imported_thread_is_sound(
    done: list[Op], leave_open: bool, compacted: bool
) -> None:
    folder = Path(tempfile.mkdtemp(prefix="transfer-"))

    async def run() -> None:
        source = MemoryJournal(3)
        await play(source, done, leave_open=leave_open)
        rows = await rows_of(source)
        journal = await open_sqlite_journal(folder / "a.db", executor=Inline())
        async with journal:
            await import_thread(journal, NAME, restored(rows), now=NOW)
            before = told(await items_of(journal))
            if compacted:
                await journal.compact(NOW + 1, 0.0, 1000)
            assert told(await items_of(journal)) == before
            again = MemoryJournal(9)
            await import_thread(again, NAME, restored(await rows_of(journal)), now=NOW)
            assert told(await items_of(again)) == before

    try:
        trio.run(run)
        assert list(verify(folder / "a.db")) == []
    finally:
        shutil.rmtree(folder)


async def test_what_was_truncated_is_not_exported() -> None:
    journal = MemoryJournal()
    thread = await ScriptedThread.claim(journal, NAME)
    await thread.turn("t1", "kept", message="first")
    await thread.turn("t2", "SECRET", message="second")
    await thread.truncate("t1.1")
    await thread.turn("t3", "later", message="third")
    exported = b"\n".join(row.body for row in await rows_of(journal))
    assert b"SECRET" not in exported
    assert b"kept" in exported
    assert b"later" in exported


async def test_a_thread_that_was_cleared_and_left_is_exported() -> None:
    journal, target = MemoryJournal(), MemoryJournal()
    thread = await ScriptedThread.claim(journal, NAME)
    await thread.turn("t1", "gone")
    await thread.truncate(None)
    await import_thread(target, NAME, restored(await rows_of(journal)), now=NOW)
    head = (await target.load(NAME)).head
    assert (head.offset, head.floor, head.items) == (thread.state.offset, thread.state.offset, 0)


async def test_a_thread_that_was_ended_and_then_truncated_is_still_ended() -> None:
    journal, target = MemoryJournal(), MemoryJournal()
    await play(
        journal, [Op("turn", 1), Op("turn", 1), Op("ended", 0), Op("truncate", 1)], leave_open=False
    )
    await import_thread(target, NAME, restored(await rows_of(journal)), now=NOW)
    assert (await target.load(NAME)).head.life is Life.ENDED


async def test_a_long_text_before_a_truncation_is_cut_between_characters() -> None:
    journal, target = MemoryJournal(), MemoryJournal()
    thread = await ScriptedThread.claim(journal, NAME)
    text = "x" + "é🙂" * 40
    await thread.turn("t1", *text)
    await thread.truncate("t1.1")
    await import_thread(target, NAME, restored(await rows_of(journal, SMALL)), now=NOW)
    assert (await items_of(target))[1].body["text"] == text


@pytest.mark.parametrize("ended", [False, True])
async def test_what_was_written_in_larger_pieces_than_today_s_leaves_in_as_many(
    ended: bool,
) -> None:
    journal, target = MemoryJournal(), MemoryJournal()
    thread = await ScriptedThread.claim(journal, NAME)
    await thread.turn("t1", "é" * 500, "x" * 300)
    if ended:
        await thread.write(ThreadEnded())
    await thread.truncate("t1.1")
    rows = await rows_of(journal, SMALL)
    assert [row.offset for row in rows] == [1, *(row.to + 1 for row in rows[:-1])]
    assert all(row.offset <= row.to for row in rows)
    await import_thread(target, NAME, restored(rows), now=NOW)
    assert told(await items_of(target)) == told(await items_of(journal))
    assert (await target.load(NAME)).head.offset == thread.state.offset


async def test_an_absent_thread_has_no_events() -> None:
    assert await rows_of(MemoryJournal()) == []


async def test_a_truncation_during_an_export_is_told() -> None:
    journal = MemoryJournal()
    thread = await ScriptedThread.claim(journal, NAME)
    await thread.turn("t1", "one")
    await thread.turn("t2", "two")
    stale = Summary(NAME, thread.state.head)
    await thread.truncate("t1.1")
    with pytest.raises(PositionUnrecoverable):
        [row async for row in export_thread(journal, stale)]


async def test_a_retry_under_a_key_meets_its_receipt_in_the_new_journal() -> None:
    submit = checked_submit(
        turn="t1", principal="local", content="hello", key="k1", limit_bytes=10_000
    )
    event = TurnSubmitted("t1", "t1.0", "hello", "local", "k1")
    journal, target = MemoryJournal(), MemoryJournal()
    thread = await ScriptedThread.claim(journal, NAME)
    await thread.turn("t0", "before")
    await thread.write(event)
    await import_thread(target, NAME, restored(await rows_of(journal)), now=NOW)
    receipt = await target.receipt(NAME, "local", "k1")
    assert receipt is not None
    assert (receipt.turn, receipt.digest) == ("t1", submit.digest())


async def test_a_record_is_repeated_under_its_key_after_it_moved() -> None:
    """Of its own principal, the duplicate that it is; another's key is another's (I8)."""
    from actors import Rejected, ThreadKind, open_runtime

    kind = ThreadKind()
    one, two = MemoryJournal(), MemoryJournal()
    async with open_runtime(one, kind_of=lambda _: kind) as runtime:
        ann = runtime.thread(NAME, "ann")
        given = await ann.record("note", {"n": 1.0, "of": ["é", None]}, key="k1")
        await ann.record("note", {"n": 1.0})
        events = await rows_of(one)
    await import_thread(two, NAME, restored(events), now=NOW)
    async with open_runtime(two, kind_of=lambda _: kind) as runtime:
        ann, bob = runtime.thread(NAME, "ann"), runtime.thread(NAME, "bob")
        again = await ann.record("note", {"n": 1.0, "of": ["é", None]}, key="k1")
        assert (again.duplicate, again.position.offset) == (True, given.position.offset)
        with pytest.raises(Rejected, match="key") as refusal:
            await ann.record("note", {"n": 2}, key="k1")
        assert refusal.value.code == "idempotency_conflict"
        assert not (await bob.record("note", {"n": 3}, key="k1")).duplicate
        assert [item.body["data"]["n"] for item in await items_of(two)] == [1.0, 1.0, 3]


async def test_a_record_s_key_of_which_nothing_says_whose_it_is_is_nobody_s() -> None:
    """So it is in files of earlier versions: a guess might take it from its owner."""
    created = {"offset": 1, "type": "thread.created", "at": 1.0}
    noted = {"offset": 2, "type": "record", "at": 1.0, "item": "r.0", "kind": "note", "data": 1}
    restoration = Restoration()
    for raw in (created, {**noted, "key": "k1"}):
        restoration.add(entry_from_json(raw))
    assert restoration.append(NAME, 1, Position(1, 0), NOW).receipts == ()


async def test_a_thread_that_is_there_is_not_touched() -> None:
    journal, target = MemoryJournal(), MemoryJournal()
    await (await ScriptedThread.claim(journal, NAME)).turn("t1", "new")
    there = await ScriptedThread.claim(target, NAME)
    await there.turn("t9", "old")
    with pytest.raises(ValueError, match="is there already"):
        await import_thread(target, NAME, restored(await rows_of(journal)), now=NOW)
    assert [item.item for item in await items_of(target)] == ["t9.0", "t9.1"]


async def test_a_deleted_thread_comes_back_in_its_next_life() -> None:
    journal = MemoryJournal(4)
    thread = await ScriptedThread.claim(journal, NAME)
    await thread.turn("t1", "one")
    rows = await rows_of(journal)
    await thread.write(ThreadDeleted())
    position = await import_thread(journal, NAME, restored(rows), now=NOW)
    assert (position.epoch, position.offset) == (5, rows[-1].to)


async def test_nothing_is_no_thread() -> None:
    with pytest.raises(ValueError, match="no events"):
        await import_thread(MemoryJournal(), NAME, Restoration(), now=NOW)


async def test_the_runtime_goes_on_with_an_imported_thread() -> None:
    from actors import Turn, open_runtime

    async def reply(turn: Turn) -> None:
        await turn.write(f"{len(turn.messages())} messages")

    journal, target = MemoryJournal(), MemoryJournal()
    await play(journal, [Op("turn", 3), Op("truncate", 1), Op("turn", 2)], leave_open=True)
    await import_thread(target, NAME, restored(await rows_of(journal)), now=NOW)
    async with open_runtime(target, on_turn=reply) as runtime:
        assert runtime.statistics().active == 1
        settled = await ended(target, "waiting")
        assert settled.state is TurnState.COMPLETED
        assert settled.items[-1].body["text"] == "7 messages"

"""Forks: a thread that begins with another one's history, wholly or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio
from attrs import evolve

from ...core.event_codec import decode
from ...core.events import ThreadCreated, ThreadDeleted
from ...core.head import Life, Receipt
from ...core.position import Position
from ...core.turn_lifecycle import TurnState
from ...errors import JournalFenced, Rejected
from ...journal.contract import Copy, Journal
from ..scripted_thread import ScriptedThread
from .kit import LATER, PAGE, Check, Opener, item_ids, opened, raised, refusal

if TYPE_CHECKING:
    from ...core.items import Item

AT: Final = 5000.0


def _copy(thread: ScriptedThread, after: str | None, to: str = "u", **more: object) -> Copy:
    fields = {"generation": thread.generation, "at": AT, **more}
    return Copy(thread=thread.thread, to=to, after=after, **fields)  # type: ignore[arg-type] # of the sort


async def _items(journal: Journal, thread: str) -> list[Item]:
    return list((await journal.history(thread, None, 500, PAGE)).items)


async def _written(journal: Journal) -> ScriptedThread:
    """Write: turn a, record r, turn b cancelled while it waited behind c, c failed, record s."""
    thread = await ScriptedThread.claim(journal, "t")
    await thread.turn("a", "x", "y")
    await thread.record("r", {"n": 1})
    await thread.submit("c")
    await thread.start("c")
    await thread.submit("b")
    await thread.say("c", "z")
    await thread.end("b", TurnState.CANCELLED)
    await thread.end("c", TurnState.FAILED)
    await thread.record("s", 2)
    return thread


async def fork_has_the_history(open_journal: Opener) -> None:
    """The same items in the same order, and what a thread needs: an epoch, a floor, a head."""
    async with opened(open_journal) as journal:
        thread = await _written(journal)
        source = await _items(journal, "t")
        before = thread.state.head
        made = await journal.fork(_copy(thread, "s.0"))
        assert await _items(journal, "u") == source
        assert (await journal.load("t")).head == before
        head = (await journal.load("u")).head
        assert (head.position, head.floor, head.life) == (made, made.offset, Life.OPEN)
        assert (head.items, head.created_at, head.active_at) == (len(source), AT, AT)
        assert head.unsettled == frozenset()
        assert await refusal(journal, Position(head.epoch, 0), "u") == "truncated"
        await thread.turn("d", "goes on")  # the claim is still good
        assert [each.thread for each in (await journal.summaries(None, 9)).summaries] == ["u", "t"]
    async with opened(open_journal) as journal:
        assert await _items(journal, "u") == source
        assert (await journal.load("u")).head == head
        new = await ScriptedThread.claim(journal, "u")
        await new.turn("e", "on its own")
        assert [i.item for i in await _items(journal, "u")][-2:] == ["e.0", "e.1"]
        assert "e.0" not in await item_ids(journal, "t")
        settled = await journal.settled("u", "c")
        assert settled is not None
        assert settled.state is TurnState.FAILED


async def fork_up_to_an_item(open_journal: Opener) -> None:
    """What comes behind it in turn order stays behind; of its turn, the items up to it come."""
    async with opened(open_journal) as journal:
        thread = await _written(journal)
        every = await item_ids(journal, "t")
        for number, after in enumerate(every):
            await journal.fork(_copy(thread, after, f"u{number}"))
            assert await item_ids(journal, f"u{number}") == every[: number + 1]
        await journal.fork(_copy(thread, None, "none"))
        assert await item_ids(journal, "none") == []
        assert (await journal.load("none")).head.life is Life.OPEN


async def fork_leaves_what_was_truncated(open_journal: Opener) -> None:
    """What left the history is not copied; compaction of the source changes nothing of a copy."""
    async with opened(open_journal) as journal:
        thread = await _written(journal)
        await thread.truncate("a.0")
        await journal.fork(_copy(thread, "s.0"))
        assert await item_ids(journal, "u") == ["a.0", "r.0", "s.0"]
        assert len(await journal.records("u", 0, PAGE)) == 2
        while await journal.compact(LATER, LATER, 10):
            pass
        await journal.fork(_copy(thread, "s.0", "v"))
        assert await _items(journal, "v") == await _items(journal, "u")
        await thread.write(ThreadDeleted())
        assert await item_ids(journal, "u") == ["a.0", "r.0", "s.0"]


async def fork_is_refused(open_journal: Opener) -> None:
    """And then nothing is there: no such item, no source, a target that is there."""
    async with opened(open_journal) as journal:
        thread = await _written(journal)
        for after in ("a.9", "ghost.0", "nonsense", ""):
            assert await _code(journal, _copy(thread, after)) == "item_not_found"
        nobody = await ScriptedThread.claim(journal, "nobody")
        assert await _code(journal, _copy(nobody, None)) == "thread_not_found"
        assert (await journal.load("u")).head.life is Life.ABSENT
        other = await ScriptedThread.claim(journal, "u")
        await other.turn("x", "mine")
        before = (await journal.load("u")).head
        assert await _code(journal, _copy(thread, "a.0")) == "bad_request"
        assert (await journal.load("u")).head == before
        stale = evolve(thread, generation=thread.generation - 1)
        await raised(journal.fork(_copy(stale, "a.0", "v")), JournalFenced)
        await other.turn("y", "still the writer")


async def _code(journal: Journal, copy: Copy) -> str:
    refused: Rejected = await raised(journal.fork(copy), Rejected)
    return refused.code


async def fork_after_a_deletion(open_journal: Opener) -> None:
    """The new thread is in the next epoch, and its writer from before is fenced."""
    async with opened(open_journal) as journal:
        thread = await _written(journal)
        gone = await ScriptedThread.claim(journal, "u")
        await gone.turn("x", "was here")
        epoch = gone.state.epoch
        await gone.write(ThreadDeleted())
        absent = await ScriptedThread.claim(journal, "w")
        made = await journal.fork(_copy(thread, "a.1"))
        assert made.epoch == epoch + 1
        assert await item_ids(journal, "u") == ["a.0", "a.1"]
        await raised(gone.write(ThreadCreated()), JournalFenced)
        await journal.fork(_copy(thread, "a.1", "w"))
        await raised(absent.write(ThreadCreated()), JournalFenced)
        assert await item_ids(journal, "w") == ["a.0", "a.1"]


async def fork_notes_its_receipt(open_journal: Opener) -> None:
    """With the source, in the same step; others of the same offset are not disturbed."""
    async with opened(open_journal) as journal:
        thread = await _written(journal)
        await thread.submit("k", key="submit")
        await thread.start("k")
        await thread.end("k")
        offset = thread.state.offset
        kept = await journal.receipt("t", "somebody", "submit")
        given = [Receipt("ann", key, "digest", None, offset, AT) for key in ("k1", "k2")]
        made = [
            await journal.fork(_copy(thread, "a.0", receipt.key, receipt=receipt))
            for receipt in given
        ]
        noted = [evolve(r, forked=m) for r, m in zip(given, made, strict=True)]
        refused = evolve(given[0], key="k3")
        await raised(journal.fork(_copy(thread, "ghost.0", "x", receipt=refused)), Rejected)
    async with opened(open_journal) as journal:
        for receipt in noted:
            assert await journal.receipt("t", "ann", receipt.key) == receipt
            assert await journal.receipt(receipt.key, "ann", receipt.key) is None
        assert await journal.receipt("t", "ann", "k3") is None
        assert await journal.receipt("t", "somebody", "submit") == kept
        receipts = (await journal.load("t")).receipts
        assert set(noted) <= set(receipts)
        assert len(receipts) == 3


async def fork_of_many_pages(open_journal: Opener) -> None:
    """A history of more than one page and one write."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        for number in range(60):
            await thread.turn(f"t{number}", "x" * 40_000)
            await thread.record(f"r{number}", number)
        made = await journal.fork(_copy(thread, "r59.0"))
        assert made.offset == 60 * 5 + 2
        assert await item_ids(journal, "u") == await item_ids(journal, "t")
        assert [decode(row).event for row in await journal.records("u", 0, PAGE)] == [
            decode(row).event for row in await journal.records("t", 0, PAGE)
        ]


async def _long(journal: Journal) -> ScriptedThread:
    """Write a thread whose fork is copied in several portions."""
    thread = await ScriptedThread.claim(journal, "t")
    for number in range(6):
        await thread.turn(f"t{number}", "x" * 400_000)
    return thread


async def _every_id(journal: Journal, thread: str) -> list[str]:
    return [item.item for item in (await journal.history(thread, None, 500, 8 * PAGE)).items]


async def _attempt(journal: Journal, copy: Copy) -> bool:
    """Say whether a fork was made; a refusal is one of a target that is there, or of a claim."""
    try:
        await journal.fork(copy)
    except JournalFenced:
        return False
    except Rejected as exc:
        return exc.code != "bad_request"
    return True


async def _is_whole(journal: Journal, thread: str, source: list[str]) -> bool:
    """Say whether a fork is there; nothing of it is, or all."""
    life = (await journal.load(thread)).head.life
    ids = await _every_id(journal, thread)
    part = await journal.settled(thread, "t0")
    listed = [each.thread for each in (await journal.summaries(None, 99)).summaries]
    if thread not in listed:
        assert (life, ids, part) == (Life.ABSENT, [], None)
        return False
    head = (await journal.load(thread)).head
    assert (head.life, head.items) == (Life.OPEN, len(source))
    assert await _every_id(journal, thread) == source
    return True


async def fork_lets_others_go_on(open_journal: Opener) -> None:
    """While it is copied, other threads are written and read, and of the new one nothing is."""
    async with opened(open_journal) as journal:
        thread = await _long(journal)
        source = await _every_id(journal, "t")
        other = await ScriptedThread.claim(journal, "other")
        await other.submit("o")
        await other.start("o")
        made = trio.Event()
        meanwhile = 0

        async def make() -> None:
            await journal.fork(_copy(thread, "t5.1"))
            made.set()

        async def write() -> None:
            nonlocal meanwhile
            while not made.is_set():
                await other.say("o", "goes on")
                meanwhile += not made.is_set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(make)
            nursery.start_soon(write)
            while not made.is_set():
                await _is_whole(journal, "u", source)
        assert meanwhile >= 1
        assert await _is_whole(journal, "u", source)


async def fork_and_its_target_s_first_event(open_journal: Opener) -> None:
    """Whichever comes first wins, whole, at whatever moment of the copying the other comes."""
    async with opened(open_journal) as journal:
        thread = await _long(journal)
        source = await _every_id(journal, "t")
        won: list[bool] = []
        for pause in range(4):
            target = f"u{pause}"
            writer = await ScriptedThread.claim(journal, target)
            async with trio.open_nursery() as nursery:

                async def make(copy: Copy) -> None:
                    won.append(await _attempt(journal, copy))

                nursery.start_soon(make, _copy(thread, "t5.1", target))
                for _ in range(pause):
                    await journal.receipt("t", "nobody", "none")
                try:
                    await writer.write(ThreadCreated())
                except JournalFenced:
                    await journal.load(target)
            if won[-1]:
                assert await _every_id(journal, target) == source
            else:
                assert (await journal.load(target)).head.position == writer.state.position
                await writer.turn("mine", "x")
        assert False in won


async def fork_that_is_broken_off(open_journal: Opener) -> None:
    """Cancelled or fenced at any moment, it is whole or not there, and can be made again."""
    async with opened(open_journal) as journal:
        thread = await _long(journal)
        source = await _every_id(journal, "t")
        for pause in range(6):
            target, fenced = f"u{pause}", bool(pause % 2)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_attempt, journal, _copy(thread, "t5.1", target))
                for _ in range(pause // 2):
                    await journal.receipt("t", "nobody", "none")
                if fenced:
                    thread = await ScriptedThread.claim(journal, "t")
                else:
                    nursery.cancel_scope.cancel()
            if not await _is_whole(journal, target, source):
                await journal.fork(_copy(thread, "t5.1", target))
            assert await _is_whole(journal, target, source)
        while await journal.compact(LATER, LATER, 100):
            pass
    async with opened(open_journal) as journal:
        assert [await _is_whole(journal, f"u{pause}", source) for pause in range(6)] == [True] * 6


CHECKS: Final[tuple[Check, ...]] = (
    fork_has_the_history,
    fork_up_to_an_item,
    fork_leaves_what_was_truncated,
    fork_is_refused,
    fork_after_a_deletion,
    fork_notes_its_receipt,
    fork_of_many_pages,
    fork_lets_others_go_on,
    fork_and_its_target_s_first_event,
    fork_that_is_broken_off,
)

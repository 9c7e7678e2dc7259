"""The items of what is settled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...core.turn_lifecycle import TurnState
from ...errors import (
    Rejected,
)
from ..scripted_thread import ScriptedThread
from .kit import (
    LATER,
    PAGE,
    Check,
    Opener,
    item_ids,
    opened,
    raised,
    settled_part,
)

if TYPE_CHECKING:
    from ...journal.contract import Journal


async def history_in_turn_order(open_journal: Opener) -> None:
    """A queued message lies among the pieces of the turn before it, and is shown after it (I15)."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        await thread.submit("a")
        await thread.start("a")
        await thread.say("a", "x")
        await thread.submit("b")
        await thread.submit("c")
        await thread.record("r", {"n": 1})
        await thread.say("a", "y")
        assert await item_ids(journal, "t") == ["r.0"]
        await thread.end("c", TurnState.CANCELLED)
        await thread.end("a")
        await thread.start("b")
        await thread.say("b", "z")
        await thread.end("b", TurnState.INTERRUPTED)
        whole = ["a.0", "a.1", "r.0", "c.0", "c.1", "b.0", "b.1", "b.2"]
        assert await item_ids(journal, "t") == whole
        assert (await journal.load("t")).head.items == len(whole)
        items = (await journal.history("t", None, 10, PAGE)).items
        assert items[1].body == {"text": "xy"}
        assert items[2].body == {"record": "note", "data": {"n": 1}}
        for number, item in enumerate(whole):
            assert await item_ids(journal, "t", item) == whole[:number]


async def history_pages(open_journal: Opener) -> None:
    """History is paged by item and by place, and a page is bounded (I12)."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        for number in range(25):
            await thread.turn(f"a{number}", "text " * (number % 7), message="m" * number)
        whole = await item_ids(journal, "t")
        assert len(whole) == 50
        for limit, limit_bytes in ((1, PAGE), (7, PAGE), (50, PAGE), (50, 400), (50, 1)):
            assert await _paged(journal, limit, limit_bytes) == whole
        page = await journal.history("t", None, 50, 400)
        assert 1 <= len(page.items) < 10
        place = (await settled_part(journal, "a10")).place
        assert await item_ids(journal, "t", place) == whole[:22]
        assert await item_ids(journal, "t", place - 1) == whole[:20]
        assert await item_ids(journal, "t", 0) == []
        assert await item_ids(journal, "t", 1 << 60) == whole


async def _paged(journal: Journal, limit: int, limit_bytes: int) -> list[str]:
    ids: list[str] = []
    before: str | None = None
    while True:
        page = await journal.history("t", before, limit, limit_bytes)
        assert 1 <= len(page.items) <= limit
        ids = [*(item.item for item in page.items), *ids]
        before = page.before
        if before is None:
            return ids
        assert before == ids[0]


async def no_such_item(open_journal: Opener) -> None:
    """Paging from, or cutting after, an item that is not there is refused."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        await thread.turn("a", "x")
        await thread.record("r")
        await thread.submit("b")
        for item in ("a.2", "a.00", "b.0", "c.0", "a", "", "a.", ".", "a.-1", "r.1"):
            for call in (journal.history("t", item, 1, PAGE), journal.locate("t", item)):
                assert (await raised(call, Rejected)).code == "item_not_found", item
        assert (await raised(journal.locate("t", "r.0"), Rejected)).code == "item_not_found"
        page = await journal.history("nowhere", "a.0", 1, PAGE)
        assert (page.items, page.before) == ((), None)


async def rolled_back_turn(open_journal: Opener) -> None:
    """A turn that was rolled back leaves no items, and is known all the same."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        await thread.turn("a", "x")
        await thread.submit("b")
        await thread.start("b")
        await thread.say("b", "gone")
        await thread.end("b", TurnState.CANCELLED, rolled_back=True)
        for _ in range(2):
            assert await item_ids(journal, "t") == ["a.0", "a.1"]
            settled = await settled_part(journal, "b")
            assert (settled.state, settled.items) == (TurnState.CANCELLED, ())
            await journal.compact(LATER, 0.0, 10)


async def settled_parts(open_journal: Opener) -> None:
    """A part of history is found by its turn, also once it was compacted, or reopened."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        await thread.submit("a")
        assert await journal.settled("t", "a") is None
        await thread.start("a")
        await thread.say("a", "x", "y")
        settled = (await thread.end("a", TurnState.FAILED)).settled[0]
        assert await journal.settled("t", "a") == settled
        assert await journal.settled("other", "a") is None
        await journal.compact(LATER, 0.0, 10)
        assert await journal.settled("t", "a") == settled
    async with opened(open_journal) as journal:
        assert await journal.settled("t", "a") == settled


CHECKS: Final[tuple[Check, ...]] = (
    history_in_turn_order,
    history_pages,
    no_such_item,
    rolled_back_turn,
    settled_parts,
)

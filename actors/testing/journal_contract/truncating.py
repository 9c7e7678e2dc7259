"""What a truncation leaves, and for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...core.commands import FINALISING
from ...core.event_codec import decode
from ...core.events import (
    ThreadTruncated,
    TurnEnded,
    TurnSubmitted,
)
from ...core.head import Cut
from ...core.position import Position
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
    all_rows,
    floor_of,
    item_ids,
    opened,
    raised,
    refusal,
)

if TYPE_CHECKING:
    from ...journal.contract import Journal


async def truncation(open_journal: Opener) -> None:
    """What was cut is out of every read at once and for good; records stay (I13)."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        await thread.turn("a", "x")
        await thread.record("r")
        await thread.turn("b", "y")
        await thread.turn("c", "z")
        assert await journal.locate("t", "b.0") == Cut(8, 0, 4)
        await thread.truncate("b.0")
        kept = ["a.0", "a.1", "r.0", "b.0"]
        await _check_truncated(journal, thread, kept)
        await thread.turn("d", "new")
        kept += ["d.0", "d.1"]
        await _check_truncated(journal, thread, kept)
        before = await all_rows(journal, "t", floor_of(thread))
    async with opened(open_journal) as journal:
        await _check_truncated(journal, thread, kept)
        while await journal.compact(LATER, 0.0, 2) == 2:
            pass
        await _check_truncated(journal, thread, kept)
        after = await all_rows(journal, "t", floor_of(thread))
        assert [decode(row).event for row in after] == [decode(row).event for row in before]
        thread = await ScriptedThread.claim(journal, "t", thread.at)
        await thread.truncate("d.0")
        await _check_truncated(journal, thread, kept[:-1])
        await thread.truncate("a.0")
        await _check_truncated(journal, thread, ["a.0", "r.0"])


async def finalised_for_good(open_journal: Opener) -> None:
    """What finalised a thread is known to have done so, and shows nothing, however it is cut."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        await thread.turn("a", "x")
        await thread.turn(FINALISING, "bye")
        assert await item_ids(journal, "t") == ["a.0", "a.1", "finalise.0", "finalise.1"]
        await thread.truncate("finalise.0")
        await _check_finalised(journal, thread, ["a.0", "a.1", "finalise.0"])
        await thread.truncate("a.0")
        await _check_finalised(journal, thread, ["a.0"])
        await thread.turn("b", "y")
    async with opened(open_journal) as journal:
        while await journal.compact(LATER, 0.0, 2) == 2:
            pass
        await _check_finalised(journal, thread, ["a.0", "b.0", "b.1"])
        thread = await ScriptedThread.claim(journal, "t", thread.at)
        await thread.truncate(None)
        await _check_finalised(journal, thread, [])


async def _check_finalised(journal: Journal, thread: ScriptedThread, kept: list[str]) -> None:
    settled = await journal.settled("t", FINALISING)
    assert settled is not None
    assert settled.state is TurnState.COMPLETED
    own = [item for item in kept if item.startswith(FINALISING)]
    assert [item.item for item in settled.items] == own
    assert await item_ids(journal, "t") == kept
    assert (await journal.load("t")).head == thread.state.head
    assert thread.state.head.items == len(kept)


async def _check_truncated(journal: Journal, thread: ScriptedThread, kept: list[str]) -> None:
    assert await item_ids(journal, "t") == kept
    assert (await journal.load("t")).head == thread.state.head
    assert thread.state.head.items == len(kept)
    assert await journal.settled("t", "c") is None
    for gone in ("b.1", "c.0"):
        for call in (journal.history("t", gone, 1, PAGE), journal.locate("t", gone)):
            assert (await raised(call, Rejected)).code == "item_not_found"
    assert await refusal(journal, Position(thread.state.epoch, 5)) == "truncated"


async def clearing(open_journal: Opener) -> None:
    """A cut at nothing clears the history of turns, and the thread goes on in the same epoch."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        await thread.turn("a", "x")
        await thread.record("r")
        await thread.turn("b", "y")
        assert await journal.locate("t", None) == Cut(0, 0, 1)
        epoch = thread.state.epoch
        await thread.truncate(None)
        assert await item_ids(journal, "t") == ["r.0"]
        await thread.turn("c", "z")
        while await journal.compact(LATER, 0.0, 1):
            pass
        assert await item_ids(journal, "t") == ["r.0", "c.0", "c.1"]
        assert (await journal.load("t")).head.epoch == epoch


async def cut_and_settle_at_once(open_journal: Opener) -> None:
    """What settles behind a truncation in the same append stays."""
    async with opened(open_journal) as journal:
        thread = await ScriptedThread.claim(journal, "t")
        await thread.turn("a", "x")
        await thread.turn("b", "y")
        cut = await journal.locate("t", "a.1")
        step = thread.step(
            ThreadTruncated("a.1", cut.items),
            TurnSubmitted("c", "c.0", "too late", "somebody"),
            TurnEnded("c", TurnState.CANCELLED, "c.1"),
            cut=cut,
        )
        await journal.append(thread.append_of(step))
        assert await item_ids(journal, "t") == ["a.0", "a.1", "c.0", "c.1"]
        await journal.compact(LATER, 0.0, 10)
        assert await item_ids(journal, "t") == ["a.0", "a.1", "c.0", "c.1"]


CHECKS: Final[tuple[Check, ...]] = (
    truncation,
    clearing,
    cut_and_settle_at_once,
    finalised_for_good,
)

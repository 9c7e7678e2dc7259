"""What the checks of the contract suite are written with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ...core.position import Position
from ...errors import PositionUnrecoverable
from ...journal.contract import Journal

if TYPE_CHECKING:
    from ...core.event_codec import Row
    from ...core.head import Settled
    from ..scripted_thread import ScriptedThread

Opener: TypeAlias = Callable[[], Awaitable[Journal]]
Check: TypeAlias = Callable[[Opener], Awaitable[None]]

# Larger than anything that a check writes, and later than all of it.
PAGE: Final = 1 << 20
LATER: Final = 1e9


@asynccontextmanager
async def opened(open_journal: Opener) -> AsyncIterator[Journal]:
    """Have the store open for the length of a block."""
    journal = await open_journal()
    try:
        yield journal
    finally:
        await journal.aclose()


async def raised(call: Awaitable[Any], kind: type[BaseException]) -> Any:
    """Return the error of that kind that a call raises.

    Raises:
        AssertionError: where it raises none.
    """
    try:
        result = await call
    except kind as exc:
        return exc
    raise AssertionError(f"{kind.__name__} was not raised, but {result!r} returned")


async def item_ids(journal: Journal, thread: str, before: str | int | None = None) -> list[str]:
    """Return the ids of a thread's newest items, oldest first."""
    page = await journal.history(thread, before, 1000, PAGE)
    return [item.item for item in page.items]


async def all_rows(journal: Journal, thread: str, after: Position, limit: int = PAGE) -> list[Row]:
    """Read from a position up to the head, page by page."""
    rows: list[Row] = []
    while page := await journal.read(thread, after, limit):
        rows += page
        after = Position(after.epoch, page[-1].to)
    return rows


async def refusal(journal: Journal, after: Position, thread: str = "t") -> str | None:
    """Return the word in which a thread cannot be read from a position; None where it can."""
    try:
        await journal.read(thread, after, PAGE)
    except PositionUnrecoverable as exc:
        return exc.reason
    return None


async def settled_part(journal: Journal, owner: str) -> Settled:
    """Return what a turn or a record of thread `t` left."""
    settled = await journal.settled("t", owner)
    assert settled is not None
    return settled


def floor_of(thread: ScriptedThread) -> Position:
    """Return the lowest position that a thread can be read from."""
    return Position(thread.state.epoch, thread.state.floor)

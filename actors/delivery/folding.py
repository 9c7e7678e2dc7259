"""The fold of a thread's records: read from the journal, and kept current as they come."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..core.event_codec import Row, decode
from ..core.events import Recorded
from ..core.folds import Fact, Folded, Projections, begin, fold_in, from_kept, keep

if TYPE_CHECKING:
    from ..core.head import Kept, Settled
    from ..journal.contract import Journal
    from ..limits import Limits


async def read_folded(
    thread: str, projections: Projections, kept: Kept | None, journal: Journal, limits: Limits
) -> tuple[Folded, int]:
    """Return what a thread's projections come to, and how many records were read for it.

    Args:
        kept: as `Journal.load` has it; what is read are the records behind it, or all of them.
        limits: `page_bytes` of records are read at a time.

    Raises:
        JournalCorrupt, JournalUnavailable: as the journal does.

    Cancellation changes nothing.
    """
    folded, count = from_kept(projections, kept), 0
    while projections:
        rows = await journal.records(thread, folded.offset, limits.page_bytes)
        if not rows:
            break
        folded, count = fold_in(projections, folded, _facts_in(rows)), count + len(rows)
    return folded, count


def _facts_in(rows: Iterable[Row]) -> Iterable[tuple[int, Fact]]:
    for row in rows:
        entry = decode(row)
        if isinstance(entry.event, Recorded):
            event = entry.event
            yield entry.offset, Fact(event.item, event.kind, event.data, entry.at)


def _facts_of(settled: Iterable[Settled]) -> Iterable[tuple[int, Fact]]:
    for part in settled:
        if part.state is None:
            (item,) = part.items
            body = item.body
            yield part.place, Fact(item.item, body["record"], body["data"], item.at)


class Folding:
    """The fold of one activation: the one that moves it on.

    Args:
        projections: of the thread's kind.
        kept: the fold as the journal has it.
        limits: `fold_records` records after a fold was kept, the next one is; `fold_bytes` bounds
            it.
    """

    __slots__ = (
        "_fresh",
        "_kept",
        "_limits",
        "_projections",
        "folded",
    )

    def __init__(self, projections: Projections, kept: Kept | None, limits: Limits) -> None:
        self.folded = begin(projections)
        self._kept = kept
        self._projections = projections
        self._limits = limits
        self._fresh = 0

    async def catch_up(self, thread: str, journal: Journal) -> Folded:
        """Read what the projections come to, and return it.

        Raises as `read_folded`. A cancelled call changes nothing.
        """
        self.folded, self._fresh = await read_folded(
            thread, self._projections, self._kept, journal, self._limits
        )
        return self.folded

    def due(self) -> Kept | None:
        """Return the fold as it is to be kept with the next append, or None."""
        if self._fresh < self._limits.fold_records or not self._projections:
            return None
        self._fresh = 0
        return keep(self._projections, self.folded, self._limits.fold_bytes)

    def take(self, settled: Iterable[Settled], *, deleted: bool) -> Folded:
        """Fold in what has become durable, and return what the projections come to."""
        if not self._projections:
            return self.folded
        if deleted:
            self.folded, self._fresh = begin(self._projections), 0
        facts = list(_facts_of(settled))
        if facts and not deleted:
            self.folded = fold_in(self._projections, self.folded, facts)
            self._fresh += len(facts)
        return self.folded

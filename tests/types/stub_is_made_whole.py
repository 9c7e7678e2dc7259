"""A stub of a thread is changed, or made up, and then saved (W2, B19)."""

from __future__ import annotations

from actors import HistoryPage, Journal, Snapshot, Summary


async def rename(journal: Journal, summary: Summary, page: HistoryPage, shown: Snapshot) -> None:
    """Write back what was read for something else."""
    summary.head = page.head  # wrong: misc
    page.items = ()  # wrong: misc
    shown.items = ()  # wrong: misc
    await journal.append(page)  # wrong: arg-type
    await journal.append(shown)  # wrong: arg-type

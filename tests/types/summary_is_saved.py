"""A line of a listing is put in the place of what a thread's writer appends (W2, B19)."""

from __future__ import annotations

from actors import Journal, Summary


async def touch(journal: Journal, summary: Summary) -> None:
    """Mark a session as looked at, as a status poll might."""
    await journal.append(summary)  # wrong: arg-type
    await summary.save()  # wrong: attr-defined

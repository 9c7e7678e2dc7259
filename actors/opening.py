"""What `open_runtime` takes as a journal, made into one thing: a function that opens it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

import trio

from .journal.contract import Journal
from .journal.sqlite import open_sqlite_journal

if TYPE_CHECKING:
    from .limits import Limits

# Called anew whenever the journal has to be opened: at the start, and after it failed.
JournalOpener: TypeAlias = Callable[[], Awaitable[Journal]]


def opener_of(
    journal: str | os.PathLike[str] | Journal | JournalOpener,
    durability: Literal["full", "relaxed"],
    limits: Limits,
) -> JournalOpener:
    """Return what opens a journal; arguments as `open_runtime`'s."""
    if isinstance(journal, str | os.PathLike):
        return partial(open_sqlite_journal, journal, durability=durability, limits=limits)
    if callable(journal):
        return journal

    async def the_one_given() -> Journal:
        await trio.lowlevel.checkpoint()
        return journal

    return the_one_given

"""An example's threads, served in memory on a virtual clock."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import cycle
from typing import TYPE_CHECKING, Any

import trio

from actors import Batch, Limits, ThreadKind, facts_of, open_runtime
from actors.journal.memory import MemoryJournal
from tests.transport.memory_server import MemoryServer
from transport.background import background_nursery

if TYPE_CHECKING:
    from transport import Client

LIMITS = Limits(drain_seconds=1, cancel_grace_seconds=1)


class TrioClock:
    """The time of day, as the virtual clock has it."""

    def now(self) -> float:
        return 1_700_000_000 + trio.current_time()


@asynccontextmanager
async def stage(
    kind_of: Callable[[str], ThreadKind],
    journal: MemoryJournal | None = None,
    delays: Iterator[float] | None = None,
    limits: Limits = LIMITS,
) -> AsyncGenerator[MemoryServer, None]:
    async with (
        open_runtime(
            journal or MemoryJournal(limits=limits),
            kind_of=kind_of,
            clock=TrioClock(),
            limits=limits,
        ) as runtime,
        background_nursery() as nursery,
    ):
        yield MemoryServer(runtime, nursery, delays=delays or cycle([0.0]))


def records(batch: Batch) -> list[tuple[str, Any]]:
    """The records that a batch shows, each with its kind."""
    return [(fact.kind, fact.data) for fact in facts_of(batch)]


async def shown(client: Client, thread: str, kind: str | None = None) -> list[Any]:
    """The newest records of a thread, with their kinds, or those of one kind."""
    items = (await client.history(thread, limit=500)).items
    found = [(i.body["record"], i.body["data"]) for i in items if i.kind == "record"]
    return found if kind is None else [data for its_kind, data in found if its_kind == kind]

"""A thread with a service, and what that saw."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio
import trio.testing
from attrs import define, field
from runtime_world import LIMITS, FakeJournal, T, World, echo, open_world

from actors import Cast, Limits, Recorded, Rejected, Service, ThreadKind
from actors.core.casting import checked_cast


@define
class Seen:
    """What services of one test saw, and how often they began."""

    casts: list[Cast] = field(factory=list)
    begun: int = 0
    over: int = 0
    services: list[Service] = field(factory=list)

    async def __call__(self, service: Service) -> None:
        self.begun += 1
        self.services.append(service)
        try:
            async for cast in service.inbox:
                self.casts.append(cast)
                if cast.kind == "note":
                    await service.record("noted", cast.data)
                elif cast.kind == "crash":
                    raise RuntimeError("as asked")
                elif cast.kind == "return":
                    return
        finally:
            self.over += 1

    @property
    def data(self) -> list[Any]:
        return [cast.data for cast in self.casts]


@asynccontextmanager
async def serving(
    service: Callable[[Service], Awaitable[None]], *, limits: Limits = LIMITS, **kind: Any
) -> AsyncIterator[World]:
    """A world whose thread is there, with its service begun."""
    thread_kind = ThreadKind(on_turn=echo, service=service, **kind)
    async with open_world(kind=thread_kind, limits=limits) as world:
        await world.thread().record("created", None)
        await trio.testing.wait_all_tasks_blocked()
        yield world


async def blocked() -> None:
    await trio.testing.wait_all_tasks_blocked()


def cast_as_ann(world: World, refused: list[Rejected]) -> bool:
    waiting = checked_cast("audio", b"y", "ann", LIMITS, refused.append)
    return world.runtime.registry.cast(T, waiting)


async def notes(journal: FakeJournal) -> list[Any]:
    return [e.data for e in await journal.events() if isinstance(e, Recorded) and e.kind == "noted"]

"""Two journals as one: every call goes to both, and they have to agree about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field

from actors.errors import PositionUnrecoverable, Rejected
from actors.journal.contract import (
    Append,
    Claim,
    Journal,
    Statistics,
)

if TYPE_CHECKING:
    from actors.core.position import Position


@define
class Pair:
    """A journal made of a reference and a subject; `AssertionError` where their answers differ."""

    reference: Journal
    subject: Journal
    # Generations are the journals' own: those of a claim here, in each.
    generations: list[tuple[int, int]] = field(factory=list)

    @property
    def first_epoch(self) -> int:
        return self.reference.first_epoch

    async def claim(self, thread: str) -> Claim:
        one, two = await self.reference.claim(thread), await self.subject.claim(thread)
        assert one.loaded == two.loaded
        self.generations.append((one.generation, two.generation))
        return Claim(len(self.generations) - 1, one.loaded)

    def release(self, thread: str, generation: int) -> None:
        one, two = self.generations[generation]
        self.reference.release(thread, one)
        self.subject.release(thread, two)

    async def append(self, append: Append) -> None:
        one, two = self.generations[append.generation]
        await self._both(
            lambda: self.reference.append(evolve(append, generation=one)),
            lambda: self.subject.append(evolve(append, generation=two)),
        )

    async def load(self, thread: str) -> Any:
        return await self._ask("load", thread)

    async def read(self, thread: str, after: Position, limit_bytes: int) -> Any:
        return await self._ask("read", thread, after, limit_bytes)

    async def history(
        self, thread: str, before: str | int | None, limit: int, limit_bytes: int
    ) -> Any:
        return await self._ask("history", thread, before, limit, limit_bytes)

    async def settled(self, thread: str, owner: str) -> Any:
        return await self._ask("settled", thread, owner)

    async def locate(self, thread: str, after: str | None) -> Any:
        return await self._ask("locate", thread, after)

    async def receipt(self, thread: str, principal: str, key: str) -> Any:
        return await self._ask("receipt", thread, principal, key)

    async def summaries(self, after: str | None, limit: int) -> Any:
        return await self._ask("summaries", after, limit)

    async def unsettled(self) -> Any:
        return await self._ask("unsettled")

    async def compact(self, ended_before: float, keys_before: float, limit: int) -> Any:
        return await self._ask("compact", ended_before, keys_before, limit)

    def statistics(self) -> Statistics:
        # How many appends share a commit is a journal's own affair.
        one, two = self.reference.statistics(), self.subject.statistics()
        assert evolve(one, commits=0) == evolve(two, commits=0)
        return one

    async def aclose(self) -> None:
        await self.reference.aclose()
        await self.subject.aclose()

    async def _ask(self, name: str, *args: Any) -> Any:
        one, two = getattr(self.reference, name), getattr(self.subject, name)
        return await self._both(lambda: one(*args), lambda: two(*args))

    async def _both(
        self, one: Callable[[], Awaitable[Any]], two: Callable[[], Awaitable[Any]]
    ) -> Any:
        first, second = await _outcome(one), await _outcome(two)
        assert _comparable(first) == _comparable(second)
        if isinstance(first, Exception):
            raise first
        return first


async def _outcome(call: Callable[[], Awaitable[Any]]) -> Any:
    try:
        return await call()
    except Exception as exc:  # whatever one journal raises, the other has to raise as well
        return exc


def _comparable(outcome: Any) -> Any:
    match outcome:
        case Rejected():
            return Rejected, outcome.code
        case PositionUnrecoverable():
            return PositionUnrecoverable, outcome.reason
        case Exception():
            return type(outcome)
        case _:
            return outcome

"""An assistant that books a table: a handler with a tool, and wrong versions of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import trio
from attrs import frozen

from actors import Turn

# Books a table for so many, in the name of a turn, and returns the number of the booking.
Book = Callable[[Turn, int], Awaitable[str]]


@frozen
class Assistant:
    """Books a table for as many as the message says.

    Args:
        book: the service.
    """

    book: Book

    async def __call__(self, turn: Turn) -> None:
        """Answer a turn."""
        call = await turn.tool_call("book", {"seats": len(turn.text)})
        number = await self.booked(turn)
        await turn.tool_result(call, number)
        await turn.write(f"Booked: {number}.")

    async def booked(self, turn: Turn) -> str:
        """Return the number of a booking."""
        return await self.book(turn, len(turn.text))


class OutsideItsScope(Assistant):
    """Has the booking made by a task that the turn's cancellation does not reach."""

    async def booked(self, turn: Turn) -> str:
        """Return the number of a booking."""
        answer: list[Any] = []
        done = trio.Event()

        async def book() -> None:
            answer.append(await self.book(turn, len(turn.text)))
            done.set()

        trio.lowlevel.spawn_system_task(book)
        await done.wait()
        return str(answer[0])


class UnderAShield(Assistant):
    """Does not let go of the booking, however long the service takes."""

    async def booked(self, turn: Turn) -> str:
        """Return the number of a booking."""
        with trio.CancelScope(shield=True):
            return await self.book(turn, len(turn.text))

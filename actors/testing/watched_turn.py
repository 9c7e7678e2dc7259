"""A handler under observation: when it runs, what of what it says is accepted, how it ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

from .facts import Acted, Entered, Exited, Read, Said
from .turn_facts import Flushed, Flushes, Kept

if TYPE_CHECKING:
    from ..actor.kinds import Handler
    from ..actor.turn import Turn
    from .process import Process


class WatchedTurn:
    """A turn's handle that notes what was read and which pieces were accepted.

    What a handler of a killed process waits for under a shield would never come; it is let go.
    """

    def __init__(self, turn: Turn, process: Process) -> None:
        self._turn = turn
        self.process = process
        self._place = (turn.thread, turn.id, turn.attempt)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._turn, name)

    def acted(self, what: str) -> None:
        """Note that something which the handler set going took effect."""
        self.process.note(Acted(*self._place, what))

    def messages(self) -> list[dict[str, Any]]:
        """See `Turn.messages`."""
        messages = self._turn.messages()
        self.process.note(Read(*self._place, tuple(messages), self._turn.metadata))
        return messages

    async def write(self, text: str) -> None:
        """See `Turn.write`."""
        with self.process.connection():
            await self._turn.write(text)
            self.process.note(Said(*self._place, text))

    async def think(self, text: str) -> None:
        """See `Turn.think`."""
        with self.process.connection():
            await self._turn.think(text)
            self.process.note(Said(*self._place, text, "reasoning"))

    async def flush(self) -> None:
        """See `Turn.flush`."""
        with self.process.connection():
            self.process.note(Flushes(*self._place))
            await self._turn.flush()
            self.process.note(Flushed(*self._place))

    async def item(self, kind: str, data: Any) -> str:
        """See `Turn.item`."""
        return await self._kept(self._turn.item(kind, data))

    async def tool_call(self, name: str, arguments: Any) -> str:
        """See `Turn.tool_call`."""
        return await self._kept(self._turn.tool_call(name, arguments))

    async def tool_result(self, call: str, data: Any) -> str:
        """See `Turn.tool_result`."""
        return await self._kept(self._turn.tool_result(call, data))

    async def record(self, kind: str, data: Any) -> str:
        """See `Turn.record`."""
        return await self._kept(self._turn.record(kind, data))

    async def _kept(self, adding: Awaitable[str]) -> str:
        item = ""
        with self.process.connection():
            item = await adding
            self.process.note(Kept(*self._place, item))
        return item


def watched(handler: Handler, process: Process) -> Handler:
    """Return the handler, noting when it runs and what it says."""

    async def on_turn(turn: Turn) -> None:
        place = (turn.thread, turn.id, turn.attempt)
        process.note(Entered(*place))
        error = words = None
        try:
            await _call(handler, cast("Turn", WatchedTurn(turn, process)))
        except BaseException as exc:
            error, words = type(exc).__name__, str(exc)
            raise
        finally:
            process.note(Exited(*place, error, words))

    return on_turn


async def _call(handler: Handler, turn: Turn) -> None:
    answer = handler(turn)
    if isinstance(answer, AsyncIterator):
        async with aclosing(cast("AsyncGenerator[str]", answer)) as pieces:
            async for piece in pieces:
                await turn.write(piece)
    else:
        await answer

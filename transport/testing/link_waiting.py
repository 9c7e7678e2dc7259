"""How the checks of a link wait."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVarTuple, Unpack

import trio

from ..link import LinkClosed

_Args = TypeVarTuple("_Args")


async def until_blocked() -> None:
    """Let the tasks that were just started get to where they wait."""
    for _ in range(10):
        await trio.lowlevel.checkpoint()


async def expect_closed(
    code: int, call: Callable[[Unpack[_Args]], Awaitable[object]], *args: *_Args
) -> None:
    """Make the call, and see it raise `LinkClosed` with that code, in time."""
    closed = None
    with trio.fail_after(3):
        try:
            await call(*args)
        except LinkClosed as error:
            closed = error
    assert closed is not None, "the link was open"
    assert closed.code == code, closed

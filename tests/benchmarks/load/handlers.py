"""What the server under test answers with: a message is JSON that says what to do."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable

import trio

from actors import Passivate, ThreadKind, Turn

TOKEN = "tokens! "  # eight bytes
BRIEF = "brief"  # what the ids of threads begin with whose actors leave at once
FORGETFUL = "forgetful"  # likewise those that keep no history for their next turns


async def flat(turn: Turn, tokens: int) -> None:
    """Write as fast as may be."""
    for _ in range(tokens):
        await turn.write(TOKEN)


async def paced(turn: Turn, rate: float, seconds: float, phase: float) -> None:
    """Write at a pace; each piece says when it was written, in nanoseconds."""
    start = trio.current_time() + phase
    for n in range(round(rate * seconds)):
        await trio.sleep_until(start + n / rate)
        await turn.write(f"@{time.monotonic_ns()}")


async def hold(turn: Turn, tokens: int) -> None:
    """Write numbered pieces, each an event of its own, and go on until cancelled."""
    for n in range(tokens):
        await turn.write(f"{n:07d} ")
        await turn.flush()
    await turn.item("written", None)
    await trio.sleep_forever()


async def wait(turn: Turn) -> None:
    """Say one word, and go on until cancelled."""
    await turn.write(TOKEN)
    await trio.sleep_forever()


async def say(turn: Turn, text: str, size: int) -> None:
    """Write a text in pieces of `size` characters."""
    for at in range(0, len(text), size):
        await turn.write(text[at : at + size])


async def bulk(turn: Turn, kib: int) -> None:
    """Write so much as fast as may be, in large pieces."""
    for _ in range(kib // 4):
        await turn.write("tokens! " * 512)


async def quiet(turn: Turn) -> None:
    """Say nothing."""


deeds: dict[str, Callable[..., Awaitable[None]]] = {
    deed.__name__: deed for deed in (flat, paced, hold, wait, say, bulk, quiet)
}


async def reply(turn: Turn) -> None:
    """Do what the message says."""
    order = json.loads(turn.text)
    await deeds[order.pop("do")](turn, **order)


# Idle actors stay, but for those of threads that a row wants gone.
_stays = ThreadKind(on_turn=reply, lifetime=Passivate(idle=600.0))
_leaves = ThreadKind(on_turn=reply, lifetime=Passivate(idle=0.05))
_forgets = ThreadKind(on_turn=reply, lifetime=Passivate(idle=600.0), context_items=0)
_by_prefix = {BRIEF: _leaves, FORGETFUL: _forgets}


def kind_of(thread: str) -> ThreadKind:
    """Return the kind of a thread, by the prefix of its id."""
    kinds = (kind for prefix, kind in _by_prefix.items() if thread.startswith(prefix))
    return next(kinds, _stays)

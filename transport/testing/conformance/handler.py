"""A turn handler that follows the words of the checks: its message's first word says what to do.

    holdfast serve --handler transport.testing.conformance:KIND

Any other message is answered with itself. See docs/how-to/conformance.md for the same in words, for
a server in another language.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import trio

from actors import ThreadKind, Turn

# Seconds that `linger` takes to leave.
LINGER_SECONDS: Final = 0.05
# What a failure has in its text, and no client may read.
SECRET: Final = "no such table: SELECT body FROM event, in /srv/secret/chat.db"


async def handler(turn: Turn) -> None:
    """Do what the message says.

    A cancellation ends `hold` after as long as it was told to take; everything else at once.
    """
    word, *arguments = turn.text.split() or [""]
    wish = _WISHES.get(word)
    if wish is None:
        await turn.write(turn.text)
    else:
        await wish(turn, *arguments)


async def _say(turn: Turn, count: str, pause: str = "0", *_: str) -> None:
    for number in range(int(count)):
        await trio.sleep(float(pause))
        await turn.write(f"{number} ")


async def _hold(turn: Turn, seconds: str = "0", *_: str) -> None:
    try:
        for number in range(3):
            await turn.write(f"{number} ")
        await trio.sleep_forever()
    finally:
        with trio.move_on_after(float(seconds), shield=True):
            await trio.sleep_forever()


async def _linger(turn: Turn, *_: str) -> None:
    try:
        await turn.write("said")
        await turn.flush()
    finally:
        with trio.move_on_after(LINGER_SECONDS, shield=True):
            await trio.sleep_forever()


async def _context(turn: Turn, *_: str) -> None:
    await turn.write(json.dumps(turn.messages()))


async def _fail(turn: Turn, *_: str) -> None:
    await turn.write("before ")
    raise RuntimeError(SECRET)


_WISHES: Final[Mapping[str, Callable[..., Awaitable[None]]]] = {
    "say": _say,
    "hold": _hold,
    "linger": _linger,
    "context": _context,
    "fail": _fail,
}


KIND: Final = ThreadKind(on_turn=handler, presence=True)
"""The kind of the server under test: that handler, and presence, so that it can be seen."""

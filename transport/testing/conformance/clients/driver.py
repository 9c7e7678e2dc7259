"""What the client under test has to do, done with our own client.

holdfast conform --client "python -m transport.testing.conformance.clients.driver"
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from actors import Events, HoldfastError
from actors.core.events import TurnSubmitted

from ....background import background_nursery
from ....connecting import connect
from .stage import SCRIPT, WORK

if TYPE_CHECKING:
    from ....client import Client


async def drive(client: Client) -> None:
    """Follow the script, and do what its messages say, beside reading on.

    Cancellation ends it.
    """
    async with background_nursery() as nursery, client.attach(SCRIPT) as stream:
        async for batch in stream:
            if isinstance(batch, Events):
                for entry in batch.entries:
                    if isinstance(entry.event, TurnSubmitted):
                        nursery.start_soon(_do, client, str(entry.event.content))


async def _do(client: Client, message: str) -> None:
    word, _, text = message.partition(" ")
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "submit": lambda: client.submit(WORK, text),
        "submit-here": lambda: client.submit(SCRIPT, text),
        "cancel": lambda: client.cancel(WORK),
        "clear": lambda: client.truncate(WORK, None),
        "end": lambda: client.end(WORK),
        "delete": lambda: client.delete(WORK),
    }
    with suppress(HoldfastError):  # what became of it is seen from the other side
        await calls[word]()


async def main(url: str) -> None:
    """Drive a client of one server until it is closed."""
    async with connect(url) as client:
        with suppress(HoldfastError):
            await drive(client)


if __name__ == "__main__":
    trio.run(main, sys.argv[1])

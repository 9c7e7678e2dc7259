"""What is of no use to a client is refused at the call, and its connection stays."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
import trio
from memory_server import MemoryServer, play

from actors import Rejected
from transport import Client, connect

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ODD: Any = 5
WRONG: dict[str, Callable[[Client], Awaitable[object]]] = {
    "a number for a thread": lambda c: c.submit(ODD, "hi"),
    "a number for content": lambda c: c.submit("t", ODD),
    "an empty key": lambda c: c.submit("t", "hi", key=""),
    "an empty key of a record": lambda c: c.record("t", "note", 1, key=""),
    "an empty key of a fork": lambda c: c.fork("t", "f", None, key=""),
    "no number for a key": lambda c: c.submit("t", "hi", key=ODD),
    "a number for a policy": lambda c: c.submit("t", "hi", on_busy=ODD),
    "an object without a JSON form": lambda c: c.submit("t", "hi", metadata={"a": object()}),
    "half a character": lambda c: c.truncate("t", "\ud800"),
    "a number for a turn": lambda c: c.cancel("t", ODD),
    "a number for an item": lambda c: c.history("t", ODD),
    "no items": lambda c: c.history("t", limit=0),
    "a number for a page": lambda c: c.threads(ODD),
}


@pytest.mark.parametrize("what", WRONG)
def test_it_is_refused_at_the_call(what: str) -> None:
    async def scene(server: MemoryServer, client: Client) -> None:
        await client.submit("t", "first")
        with pytest.raises((ValueError, TypeError)):
            await WRONG[what](client)
        await client.submit("t", "second", on_busy="queue")
        assert server.dialled == 1

    play(scene)


@pytest.mark.parametrize("name", ["url", "limits", "rng", "open_link"])
def test_what_a_client_is_made_with(name: str) -> None:
    given: dict[str, Any] = {"rng": random.Random(0), name: ODD}

    async def run() -> None:
        async with connect(**given):
            raise AssertionError(f"{name} took a number")

    with pytest.raises(TypeError, match=f"{name} takes .*, not 5"):
        trio.run(run)


def test_a_key_of_the_users_own_is_kept() -> None:
    async def scene(_: MemoryServer, client: Client) -> None:
        first = await client.submit("t", "first", key="mine")
        assert (await client.submit("t", "first", key="mine")).turn == first.turn
        with pytest.raises(Rejected, match="idempotency_conflict"):
            await client.submit("t", "another", key="mine")

    play(scene)

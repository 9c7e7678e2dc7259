"""Connections that watch turns while something bad goes on elsewhere: they must not notice it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import count

import trio

from ..real_input.bare_reader import Seen
from .peer import Message, Peer, connect, said

# A connection that nothing happens to hears these and nothing else.
_UNDISTURBED = {"welcome", "reply", "attached", "snapshot", "caught_up", "events", "ping"}
_names = count()


@asynccontextmanager
async def undisturbed(
    port: int, *, connections: int = 1, threads: int = 1, pieces: int = 5
) -> AsyncIterator[list[str]]:
    """Let turns stream while the block runs, and check at its end that nobody noticed anything.

    Args:
        connections: how many, each with as many threads.
        threads: of each connection, each with one turn that streams all the while.
        pieces: how many each turn has written before the block begins.

    Yields:
        The threads.
    """
    name = f"bystanders-{next(_names)}"
    groups = [[f"{name}-{c}-{t}" for t in range(threads)] for c in range(connections)]
    begun: list[trio.Event] = [trio.Event() for _ in groups]
    async with trio.open_nursery() as nursery:
        for group, event in zip(groups, begun, strict=True):
            nursery.start_soon(_watch, port, name, group, pieces, event)
        for event in begun:
            await event.wait()
        yield [thread for group in groups for thread in group]
        async with connect(port) as peer:
            await peer.submit(f"{name}-release", f"release {name}")


async def _watch(
    port: int, name: str, threads: Sequence[str], pieces: int, begun: trio.Event
) -> None:
    async with connect(port) as peer:
        for thread in threads:
            await peer.attach(thread)
        receipts = [await peer.submit(thread, f"stream {name}") for thread in threads]
        turns = {thread: r["turn"] for thread, r in zip(threads, receipts, strict=True)}
        for turn in turns.values():
            await peer.until(partial(_wrote, turn, f"{pieces} "))
        begun.set()
        # As long as the block takes; what bounds it is the block's own business.
        endings = 0
        seen = 0
        while endings < len(threads):
            message = await peer.until(lambda message: True, seen)
            seen += 1
            endings += sum(e["type"] == "turn.completed" for e in message.get("events", ()))
        _judge(peer, turns, f"stream {name}")


def _wrote(turn: str, piece: str, message: Message) -> bool:
    """Say whether a message brings a piece of a turn's answer."""
    return piece in said(message.get("events", []), turn)


def _judge(peer: Peer, turns: dict[str, str], asked: str) -> None:
    """Every transcript is exact, and nothing else was heard."""
    assert peer.code is None
    assert {message["type"] for message in peer.heard} <= _UNDISTURBED
    for thread, turn in turns.items():
        seen = _seen(thread, peer.of(thread))
        assert (seen.snapshots, seen.resumes) == (1, 0)  # the one that its attach began with
        [message, answer] = seen.transcript()
        assert message == (turn, "message", asked)
        assert answer[:2] == (turn, "answer")
        *numbers, last = answer[2].split(" ")
        assert last == "end"
        assert numbers == [str(number) for number in range(len(numbers))]
        assert seen.ended[turn][0] == "completed"


def _seen(thread: str, messages: list[Message]) -> Seen:
    """Rebuild a thread as a viewer shows it; raises where an offset is missing or repeated."""
    seen = Seen(thread)
    for message in messages:
        seen.take(message)
    return seen

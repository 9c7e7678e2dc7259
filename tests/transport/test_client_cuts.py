"""Clients over connections that are cut at drawn messages, on the real sessions and runtime."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_server import Cut, MemoryServer, client_of, memory_server, run
from remote_view import BEGINNING, View, everything, told

from actors import Turn, TurnEnded, TurnState, TurnSubmitted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transport import Client

THREADS = ("a", "b")
TURNS = 3
PIECES = 6

CUTS = st.lists(
    st.builds(Cut, sent=st.integers(0, 12), received=st.integers(0, 40), lost=st.booleans()),
    max_size=8,
)
# Read in a circle: how late each message is, in steps that collide with the handler's.
TAPE = st.binary(min_size=64, max_size=64)
PACES = (0.0, 0.0, 0.0, 0.1, 0.25, 1.0)


def delays(tape: bytes) -> Iterator[float]:
    return cycle([PACES[byte % len(PACES)] for byte in tape])


async def talk(client: Client, thread: str) -> list[str]:
    """Submit one message after the other, queued, and return the turns."""
    turns = []
    for number in range(TURNS):
        receipt = await client.submit(thread, f"{thread}{number}", on_busy="queue")
        turns.append(receipt.turn)
    return turns


async def check(server: MemoryServer, thread: str, turns: list[str], view: View) -> None:
    for turn in turns:
        await server.runtime.thread(thread).outcome(turn)
    truth = await everything(server.runtime, thread)
    await view.until(truth[-1].to)
    assert view.base is not None
    assert told(view.entries) == told(e for e in truth if e.offset > (view.base or 0))
    submitted = [e.event for e in truth if isinstance(e.event, TurnSubmitted)]
    assert [event.turn for event in submitted] == turns
    assert [event.content for event in submitted] == [f"{thread}{n}" for n in range(TURNS)]
    ended = [e.event for e in truth if isinstance(e.event, TurnEnded)]
    assert [(e.turn, e.state) for e in ended] == [(turn, TurnState.COMPLETED) for turn in turns]


@settings(max_examples=100, deadline=None)
@given(
    cuts=CUTS,
    tape=TAPE,
    cursor=st.sampled_from((None, BEGINNING)),
    seeded=st.random_module(),
)
def test_wherever_the_cuts_fall_each_submit_is_one_turn_and_each_event_comes_once(
    cuts: list[Cut], tape: bytes, cursor: str | None, seeded: object
) -> None:
    """H7, H8, B2, B16: each in its own thread."""

    async def reply(turn: Turn) -> None:
        for number in range(PIECES):
            await trio.sleep(PACES[tape[number] % len(PACES)])
            await turn.write(f"{turn.content}:{number} ")

    async def play_thread(server: MemoryServer, client: Client, thread: str) -> None:
        view = View()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(view.watch, client, thread, cursor)
            await check(server, thread, await talk(client, thread), view)
            nursery.cancel_scope.cancel()

    async def play() -> None:
        async with (
            memory_server(reply, cuts=cuts, delays=delays(tape)) as server,
            client_of(server) as client,
            trio.open_nursery() as nursery,
        ):
            for thread in THREADS:
                nursery.start_soon(play_thread, server, client, thread)

    run(play)

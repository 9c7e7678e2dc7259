"""Classes of bug (B1 to B27) that no other test states, over the wire and on virtual time."""

from __future__ import annotations

import json
from itertools import cycle
from typing import TYPE_CHECKING

import pytest
import trio
from attrs import evolve

from actors import (
    CancelOutcome,
    CaughtUp,
    Detached,
    Events,
    Mode,
    Presence,
    Snapshot,
    ThreadKind,
    Turn,
    TurnDelta,
    TurnEnded,
)
from tests.transport.memory_server import LIMITS, Cut, client_of, memory_server, paced, play, run
from tests.transport.remote_view import BEGINNING, View, everything, told

if TYPE_CHECKING:
    from actors import Batch, Entry
    from tests.transport.memory_server import MemoryServer
    from transport import Client, RemoteSubscription

WORDS = tuple(f"word{number} " for number in range(30))


def entries_of(batch: Batch) -> tuple[Entry, ...]:
    return batch.entries if isinstance(batch, Events) else ()


def text_of(entries: list[Entry]) -> str:
    return "".join(e.event.text for e in entries if isinstance(e.event, TurnDelta))


async def endings(stream: RemoteSubscription) -> list[str]:
    """Read until a turn ends, and return which."""
    ended: list[str] = []
    while not ended:
        events = [entry.event for entry in entries_of(await anext(stream))]
        ended = [event.turn for event in events if isinstance(event, TurnEnded)]
    return ended


async def echo(turn: Turn) -> None:
    await turn.write(f"answer to {turn.text}")


def test_the_end_of_an_answer_reaches_a_reader_that_slept_through_it() -> None:
    """B3, B25: with room for a fraction of it; what is kept for the reader is bounded."""
    limits = evolve(
        LIMITS, client_buffer_chars=2000, tail_bytes=4000, tail_merged_bytes=1, batch_bytes=2000
    )

    async def scene(server: MemoryServer, client: Client) -> None:
        async with client.attach("t", BEGINNING) as stream:
            turn = (await client.submit("t", "hello")).turn
            await server.runtime.thread("t").outcome(turn)
            await trio.sleep(60)
            assert stream._kept < 3 * limits.client_buffer_chars
            entries: list[Entry] = []
            while not any(isinstance(entry.event, TurnEnded) for entry in entries):
                batch = await anext(stream)
                assert not isinstance(batch, Snapshot)
                entries += entries_of(batch)
        assert told(entries) == told(await everything(server.runtime, "t"))

    play(scene, paced(40 * ["x" * 500], 0.01), limits)


def test_the_end_of_an_answer_reaches_a_connection_that_took_nothing_for_a_while() -> None:
    """B3: what it missed is no longer in memory by then; every offset comes, the last one too."""
    limits = evolve(LIMITS, tail_bytes=4000, tail_merged_bytes=1, batch_bytes=2000)

    async def scene(server: MemoryServer, client: Client) -> None:
        async with trio.open_nursery() as nursery:
            link = await server.open_link(nursery)
            await link.send_text('{"type":"attach","id":"1","thread":"t"}')
            while json.loads(await link.receive())["type"] != "caught_up":
                pass
            turn = (await client.submit("t", "hello")).turn
            await server.runtime.thread("t").outcome(turn)
            await trio.sleep(10)
            at, type = 0, ""
            while type != "turn.completed":
                for event in json.loads(await link.receive()).get("events", ()):
                    assert event["offset"] == at + 1
                    at, type = event.get("to", at + 1), event["type"]
            link.abort()

    play(scene, paced(200 * ["x" * 500], 0.01), limits)


def test_every_tab_gets_every_token() -> None:
    """B4: tabs of one client's connections and of others', which read at their own pace."""

    async def scene(server: MemoryServer, client: Client) -> None:
        async def tab(number: int) -> None:
            view = View()
            async with client_of(server, seed=number) as own, own.attach("t", BEGINNING) as stream:
                view.base = 0
                async for batch in stream:
                    view.take(batch)
                    await trio.sleep(number / 3)
                    if any(isinstance(entry.event, TurnEnded) for entry in view.entries):
                        break
            texts.append(text_of(view.entries))

        texts: list[str] = []
        async with trio.open_nursery() as nursery:
            for number in range(1, 6):
                nursery.start_soon(tab, number)
            await client.submit("t", "hello")
        assert texts == ["".join(WORDS)] * 5

    play(scene, paced(WORDS, 0.1))


@pytest.mark.parametrize("cursor", ["1.1000000", "7.3", "nonsense"])
def test_a_cursor_ahead_of_the_log_hides_nothing(cursor: str) -> None:
    """B5: the client is told that it was no good, and is shown what there is and what comes."""

    async def scene(server: MemoryServer, client: Client) -> None:
        turn = (await client.submit("t", "hello")).turn
        async with client.attach("t", cursor) as stream:
            snapshot = await anext(stream)
            assert isinstance(snapshot, Snapshot)
            assert snapshot.mode is Mode.RESET
            assert snapshot.turn is not None
            assert await endings(stream) == [turn]

    play(scene)


def test_whoever_comes_is_told_when_they_have_caught_up() -> None:
    """B7: the first one, a late one, and each of them after every cut."""

    async def caught_up(client: Client) -> None:
        async with client.attach("t") as stream:
            while not isinstance(await anext(stream), CaughtUp):
                pass

    async def scene(server: MemoryServer, client: Client) -> None:
        await caught_up(client)
        await client.submit("t", "hello")
        await caught_up(client)
        async with client_of(server, seed=1) as late, late.attach("t") as stream:
            for _ in range(3):
                while not isinstance(await anext(stream), CaughtUp):
                    pass
                server.links[-1].abort()
            while not isinstance(await anext(stream), CaughtUp):
                pass

    play(scene)


def test_a_turn_that_is_being_cancelled_is_not_attached_to_for_ever() -> None:
    """B9: who comes while its handler will not stop sees it end, within the grace, and once."""

    async def stubborn(turn: Turn) -> None:
        await turn.write("begun ")
        with trio.CancelScope(shield=True):
            await trio.sleep(600)

    async def scene(server: MemoryServer, client: Client) -> None:
        turn = (await client.submit("t", "hello")).turn
        await trio.sleep(1)
        began = trio.current_time()
        async with trio.open_nursery() as nursery, client_of(server, seed=1) as late:
            nursery.start_soon(client.cancel, "t", turn)
            await trio.sleep(0.5)
            async with late.attach("t") as stream:
                assert await endings(stream) == [turn]
        assert trio.current_time() - began <= LIMITS.cancel_grace_seconds + 0.5
        async with client_of(server, seed=2) as later, later.attach("t") as stream:
            snapshot = await anext(stream)
        assert isinstance(snapshot, Snapshot)
        assert (snapshot.turn, snapshot.items[-1].kind) == (None, "marker")
        assert (await client.threads()).threads[0].state == "idle"
        await trio.sleep(600)

    play(scene, stubborn)


@pytest.mark.parametrize("how", ["ended", "deleted"])
def test_streams_of_a_thread_that_is_over_are_over(how: str) -> None:
    """B11: every viewer's iteration ends behind the last event, and nothing follows."""

    async def scene(server: MemoryServer, client: Client) -> None:
        over: list[str] = []

        async def watch(number: int) -> None:
            async with client_of(server, seed=number) as own, own.attach("t") as stream:
                last = [batch async for batch in stream][-1]
                assert isinstance(last, Detached)
                over.append(last.reason)

        await client.submit("t", "hello")
        async with trio.open_nursery() as nursery:
            for number in range(1, 4):
                nursery.start_soon(watch, number)
            await trio.sleep(1.5)
            assert await (client.end("t") if how == "ended" else client.delete("t"))
        assert over == [how] * 3
        await trio.sleep(60)
        assert server.runtime.statistics().subscribers == 0

    play(scene)


def test_a_cancel_without_an_address_reaches_what_ran_when_it_was_said() -> None:
    """B15: said before the next turn is asked for, it does not stop that one."""

    async def scene(server: MemoryServer, client: Client) -> None:
        await server.runtime.thread("t").outcome((await client.submit("t", "first")).turn)
        for _ in range(20):
            replies = []
            submitted = []

            async def cancel(replies: list[str] = replies) -> None:
                replies.append((await client.cancel("t")).outcome)

            async def submit(submitted: list[str] = submitted) -> None:
                submitted.append((await client.submit("t", "next")).turn)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(cancel)
                await trio.testing.wait_all_tasks_blocked()  # it was said first
                nursery.start_soon(submit)
            settled = await server.runtime.thread("t").outcome(submitted[0])
            assert replies == [CancelOutcome.NOTHING_RUNNING]
            assert settled.state == "completed"

    play(scene, echo)


def test_what_waits_is_answered_in_its_own_thread() -> None:
    """B16: queues of several threads, filled by one client over connections that break."""

    async def scene(server: MemoryServer, client: Client) -> None:
        threads = ("a", "b", "c")
        for number in range(4):
            for thread in threads:
                await client.submit(thread, f"{thread}{number}", on_busy="queue")
            server.links[-1].abort()
        await trio.sleep(600)
        for thread in threads:
            items = (await client.history(thread)).items
            assert [item.body.get("content", item.body.get("text")) for item in items] == [
                said
                for number in range(4)
                for said in (f"{thread}{number}", f"answer to {thread}{number}")
            ]

    async def slow_echo(turn: Turn) -> None:
        await trio.sleep(10)
        await echo(turn)

    play(scene, slow_echo)


def test_what_becomes_of_an_old_connection_is_nothing_to_its_replacement() -> None:
    """B17: the server hears of its end long after the new one took its place."""

    async def scene(server: MemoryServer, client: Client) -> None:
        async with trio.open_nursery() as nursery:
            old = await server.open_link(nursery)
            await old.send_text('{"type":"attach","id":"1","thread":"t"}')
            rolls: list[int] = []
            async with client.attach("t") as stream:
                # From now on the old one takes nothing and answers no ping, until it is given up.
                await client.submit("t", "hello")
                with trio.move_on_after(120):
                    async for batch in stream:
                        if isinstance(batch, Presence):
                            rolls += [sum(each.count for each in batch.roll.attendees)]
                assert rolls == [2, 1]
                assert len(server.sessions) == 1
                turn = (await client.submit("t", "hello again")).turn
                assert await endings(stream) == [turn]

    play(scene, ThreadKind(on_turn=echo, presence=True))


def test_connections_leave_no_mark_in_history() -> None:
    """B24: the log of a talk over forty cuts is that of one without any."""

    async def talk(cuts: list[Cut]) -> list[tuple[str, object]]:
        async with (
            memory_server(paced(WORDS[:5]), cuts=cuts, delays=cycle([0.0, 0.3])) as server,
            client_of(server) as client,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(View().watch, client, "t", BEGINNING)
            for number in range(3):
                receipt = await client.submit("t", f"question {number}", key=f"k{number}")
                await server.runtime.thread("t").outcome(receipt.turn)
            await trio.sleep(3600)
            others, texts = told(await everything(server.runtime, "t"))
            assert server.dialled > len(cuts)
            nursery.cancel_scope.cancel()
        return [(type(e.event).__name__, getattr(e.event, "state", None)) for e in others] + [
            ("text", text) for text in texts.values()
        ]

    async def both() -> None:
        cuts = [Cut(sent=1 + n % 3, received=2 + n % 5, lost=bool(n % 2)) for n in range(40)]
        assert await talk(cuts) == await talk([])

    run(both)

"""OpenHuman's contract (H1 to H12) on real sessions, clients and runtime, and on virtual time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import (
    CancelOutcome,
    CaughtUp,
    Events,
    Rejected,
    Snapshot,
    ThreadKind,
    Turn,
    TurnDelta,
    TurnEnded,
    TurnOver,
)
from tests.transport.memory_server import MemoryServer, client_of, paced, play
from tests.transport.remote_view import View, everything
from transport import Link, LinkClosed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from transport import Client

ROOT = Path(__file__).resolve().parents[2]
WORDS = tuple(f"word{number} " for number in range(10))


async def for_ever(turn: Turn) -> None:
    """Say a word, and then nothing; where asked for something short, be done."""
    await turn.write("begun ")
    if turn.text != "short":
        await trio.sleep_forever()


async def texts(client: Client, thread: str = "t") -> list[str]:
    """What a person reads of a thread."""
    return [
        item.body.get("content") or item.body.get("text") or item.body["reason"]
        for item in (await client.history(thread)).items
    ]


@define(eq=False)
class Wire:
    """A connection by hand, that keeps all that it hears."""

    link: Link
    heard: list[dict[str, Any]] = field(factory=list)

    async def hear(self) -> None:
        try:
            while True:
                self.heard.append(json.loads(await self.link.receive()))
        except LinkClosed:
            pass

    async def say(self, **message: Any) -> list[dict[str, Any]]:
        """Send a message, and return what is heard from then on until all is quiet."""
        since = len(self.heard)
        await self.link.send_text(json.dumps(message))
        await trio.testing.wait_all_tasks_blocked()
        return self.heard[since:]


@asynccontextmanager
async def wire_to(server: MemoryServer) -> AsyncGenerator[Wire, None]:
    async with trio.open_nursery() as nursery:
        wire = Wire(await server.open_link(nursery))
        nursery.start_soon(wire.hear)
        yield wire
        nursery.cancel_scope.cancel()


def test_a_turn_is_found_by_its_thread_whoever_asked_and_whatever_became_of_them() -> None:
    """H1, H4: who asked is gone; its turn runs, and another connection finds and stops it."""

    async def scene(server: MemoryServer, client: Client) -> None:
        async with client_of(server, seed=1) as asker, asker.attach("t") as stream:
            turn = (await asker.submit("t", "hello")).turn
            while not isinstance(await anext(stream), CaughtUp):
                pass
            server.links[-1].abort()
        await trio.sleep(60)
        assert [(t.thread, t.state) for t in (await client.threads()).threads] == [("t", "running")]
        cancelled = await client.cancel("t")
        assert (cancelled.turn, cancelled.outcome) == (turn, CancelOutcome.CANCELLED)
        nothing = await client.cancel("t")
        assert (nothing.turn, nothing.outcome) == (None, CancelOutcome.NOTHING_RUNNING)
        assert await texts(client) == ["hello", "begun ", "cancelled"]

    play(scene, for_ever)


@pytest.mark.parametrize(
    ("thread", "content"), [("", "hello"), (" ", "hello"), ("t", ""), ("t", " \n"), ("t", [])]
)
def test_a_blank_thread_or_message_is_a_clear_error(thread: str, content: Any) -> None:
    """H2: said in words, by the server to anybody; the connection and its next command are fine."""

    async def scene(server: MemoryServer, client: Client) -> None:
        async with wire_to(server) as wire:
            message = {"type": "submit", "id": "1", "thread": thread, "content": content}
            (error,) = [m for m in await wire.say(**message, key="k") if m["type"] != "welcome"]
            assert (error["type"], error["code"], error["id"]) == ("error", "bad_request", "1")
            assert ("thread" if not thread.strip() else "content") in error["message"]
            await wire.say(type="submit", id="2", thread="t", content="hello", key="k")
            assert wire.heard[-1]["type"] == "reply"
        assert [line.thread for line in (await client.threads()).threads] == ["t"]

    play(scene)


def test_a_start_is_answered_at_once_with_the_whole_history_after_any_number_of_cuts() -> None:
    """H3: the turn's id comes before the handler has said a word, on every new connection."""
    known: list[list[str]] = []

    async def reply(turn: Turn) -> None:
        known.append([message["content"] for message in turn.messages()])
        await trio.sleep(60)
        await turn.write(f"answer to {turn.text}")

    async def scene(server: MemoryServer, client: Client) -> None:
        said: list[str] = []
        for number in range(5):
            began = trio.current_time()
            receipt = await client.submit("t", f"question {number}")
            assert trio.current_time() - began < 1
            said.append(f"question {number}")
            server.links[-1].abort()
            await server.runtime.thread("t").outcome(receipt.turn)
            assert known[-1] == said
            said.append(f"answer to question {number}")
        assert server.dialled == 6
        assert await texts(client) == said

    play(scene, reply)


def test_a_late_cancel_stops_nothing_else() -> None:
    """H5: aimed at a turn that is over, while the next one runs, and before it has begun."""

    async def scene(server: MemoryServer, client: Client) -> None:
        async with client_of(server, seed=1) as other:
            first = (await client.submit("t", "short")).turn
            await server.runtime.thread("t").outcome(first)
            second = (await client.submit("t", "long")).turn
            third = (await client.submit("t", "short", on_busy="queue")).turn
            for asker in (client, other, client):
                late = await asker.cancel("t", first)
                assert (late.turn, late.outcome) == (first, CancelOutcome.ALREADY_ENDED)
            assert (await client.cancel("t", second)).outcome == CancelOutcome.CANCELLED
            settled = await server.runtime.thread("t").outcome(third)
            assert settled.state == "completed"

    play(scene, for_ever)


MOMENTS = st.sampled_from((0.0, 0.9, 1.0, 1.1, 2.0, 3.0))


@settings(max_examples=40, deadline=None)
@given(cancels=st.lists(MOMENTS, max_size=3), interrupt=MOMENTS, seeded=st.random_module())
def test_a_turn_has_one_terminal_event(
    cancels: list[float], interrupt: float, seeded: object
) -> None:
    """H6: whatever ends it first: its own end, a deadline, a cancel, a submit, all at once."""

    async def scene(server: MemoryServer, client: Client) -> None:
        turn = (await client.submit("t", "hello")).turn

        async def cancel(after: float) -> None:
            await trio.sleep(after)
            await client.cancel("t", turn)

        async with trio.open_nursery() as nursery:
            for after in cancels:
                nursery.start_soon(cancel, after)
            await trio.sleep(interrupt)
            await client.submit("t", "next", on_busy="interrupt")
        await trio.sleep(100)
        ended = [
            e.event.turn
            for e in await everything(server.runtime, "t")
            if isinstance(e.event, TurnEnded)
        ]
        assert sorted(ended) == sorted(set(ended))
        assert len(ended) == 2

    play(scene, ThreadKind(on_turn=paced(("a", "b"), 0.5), deadline=1.0))


def test_who_attaches_again_gets_the_running_turn_and_each_event_once() -> None:
    """H7, H8: over cuts at its cursor, and as a newcomer by the live turn of a snapshot."""

    async def scene(server: MemoryServer, client: Client) -> None:
        view = View()
        async with trio.open_nursery() as nursery, client_of(server, seed=1) as other:
            nursery.start_soon(view.watch, client, "t", None)
            turn = (await client.submit("t", "hello")).turn
            for number in (1, 3, 6):
                await view.until_said(WORDS[number])
                server.links[0 if number == 1 else -1].abort()
            async with other.attach("t") as stream:
                snapshot = await anext(stream)
                assert isinstance(snapshot, Snapshot)
                assert snapshot.turn is not None
                said = snapshot.turn.items[-1].body["text"]
                assert said
                async for batch in stream:
                    for entry in batch.entries if isinstance(batch, Events) else ():
                        said += entry.event.text if isinstance(entry.event, TurnDelta) else ""
                    if any(isinstance(e.event, TurnEnded) for e in getattr(batch, "entries", ())):
                        break
            await view.until_ended([turn])
            nursery.cancel_scope.cancel()
        deltas = [e.event.text for e in view.entries if isinstance(e.event, TurnDelta)]
        assert "".join(deltas) == said == "".join(WORDS)

    play(scene, paced(WORDS))


def test_one_connection_that_attaches_twice_gets_each_event_once() -> None:
    """H8: the second attachment takes the place of the first, in the middle of an answer."""

    async def scene(server: MemoryServer, client: Client) -> None:
        async with wire_to(server) as wire:
            await wire.say(type="attach", id="1", thread="t")
            await client.submit("t", "hello")
            await trio.sleep(4.5)
            attached = await wire.say(type="attach", id="2", thread="t")
            await trio.sleep(20)
            since = wire.heard.index(attached[0]) + 1
            heard = [m for m in wire.heard[since:] if m.get("thread") == "t"]
        (snapshot,) = [m for m in heard if m["type"] == "snapshot"]
        at = int(snapshot["cursor"].partition(".")[2])
        assert at > 4
        for event in (e for m in heard for e in m.get("events", ())):
            assert event["offset"] == at + 1
            at = event.get("to", event["offset"])
        assert event["type"] == "turn.completed"

    play(scene, paced(WORDS))


def test_the_client_attaches_again_to_what_is_looked_at_and_says_nothing_otherwise() -> None:
    """H9: on every connect; with no thread selected nothing is sent, and nothing fails."""

    async def scene(server: MemoryServer, client: Client) -> None:
        async def reconnected() -> int:
            """Cut the connection, and return how much the client says on the next one."""
            server.links[-1].abort()
            await trio.sleep(30)
            await client.opened()
            return server.links[-1].sent

        await client.opened()
        assert await reconnected() == 0
        for thread in ("a", "b"):
            async with client.attach(thread) as stream:
                await client.submit(thread, "hello")
                for _ in range(3):
                    assert await reconnected() == 1
                    while not isinstance(await anext(stream), CaughtUp):
                        pass
        assert await reconnected() == 0
        assert server.dialled == 9

    play(scene, for_ever)


def test_a_deleted_thread_takes_its_turn_along_and_comes_back_empty() -> None:
    """H10: a worker that goes on writing reaches neither the log nor the next life of the id."""
    refused: list[str] = []

    async def reply(turn: Turn) -> None:
        await turn.write("first ")
        try:
            await trio.sleep(5 if turn.text == "long" else 0)
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(0.5)
                try:
                    await turn.write("too late ")  # noqa: ASYNC102 - being wrong is the point
                except TurnOver:
                    refused.append(turn.id)

    async def scene(server: MemoryServer, client: Client) -> None:
        turn = (await client.submit("t", "long")).turn
        queued = await client.submit("t", "queued", on_busy="queue")
        await trio.sleep(1)
        assert await client.delete("t")
        assert refused == [turn]
        with pytest.raises(Rejected, match="thread_not_found"):
            await client.history("t")
        assert (await client.threads()).threads == ()
        again = await client.submit("t", "short")
        await server.runtime.thread("t").outcome(again.turn)
        await trio.sleep(100)
        assert (await texts(client))[0] == "short"
        turns = {getattr(e.event, "turn", None) for e in await everything(server.runtime, "t")}
        assert not turns & {turn, queued.turn}
        assert not await client.delete("ghost")

    play(scene, reply)


@pytest.mark.parametrize("heeds", [True, False])
def test_a_wedged_turn_ends_and_the_thread_goes_on(heeds: bool) -> None:
    """H11: at its deadline, which is on by default; also where it does not even heed that."""

    async def wedge(turn: Turn) -> None:
        await turn.write("begun ")
        with trio.CancelScope(shield=not heeds):
            await trio.sleep(2000 if turn.text == "hello" else 0)

    async def scene(server: MemoryServer, client: Client) -> None:
        began = trio.current_time()
        turn = (await client.submit("t", "hello")).turn
        settled = await server.runtime.thread("t").outcome(turn)
        assert settled.state == "timed_out"
        assert 900 <= trio.current_time() - began <= 900 + 5
        assert await texts(client) == ["hello", "begun ", "timed_out"]
        again = (await client.submit("t", "short")).turn
        assert (await server.runtime.thread("t").outcome(again)).state == "completed"
        await trio.sleep(2000)  # the one that heeds nothing comes back by itself

    play(scene, ThreadKind(on_turn=wedge, no_progress=None))


def test_a_running_turn_shows_that_it_is_alive() -> None:
    """H12: as the running one, to whoever asks or comes, with a beat every 20 s; then no longer."""

    async def scene(server: MemoryServer, client: Client) -> None:
        async with wire_to(server) as wire:
            turn = (await client.submit("t", "hello")).turn
            await trio.sleep(110)
            assert sum(message["type"] == "ping" for message in wire.heard) == 5
            await wire.say(type="attach", id="1", thread="t")
            (snapshot,) = [m for m in wire.heard if m["type"] == "snapshot"]
            assert snapshot["turn"]["turn"] == turn
        assert (await client.threads()).threads[0].state == "running"
        await server.runtime.thread("t").outcome(turn)
        assert (await client.threads()).threads[0].state == "idle"

    play(scene, ThreadKind(on_turn=for_ever, no_progress=150))


def test_the_example_runs() -> None:
    """H1, H4, H5, H7, H8, H9, H10: over real sockets, with `kill -9`; it checks itself."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "docs/examples/chat.py"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for said in (
        "ben   plan: interrupted after",
        "ben   presses Stop: cancelled",
        "ben   presses it again: already_ended",
        "cleo  looks at nothing, and says 0 bytes",
        "anna  poem: deleted",
        "cleo  poem: completed after 60 words",
    ):
        assert said in done.stdout

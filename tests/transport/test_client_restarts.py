"""Clients of a server that restarts, whose journal fails, and whose connections are cut."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import trio
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_server import MemoryServer, memory_server, paced, run
from remote_view import BEGINNING, View, everything, told

from actors import Entry, JournalUnavailable, Rejected, TurnEnded, TurnState, TurnSubmitted
from actors.journal.memory import MemoryJournal
from transport import ConnectFailed, connect
from transport.background import background_nursery

if TYPE_CHECKING:
    from transport import Client, Link

PIECES = ("one ", "two ", "three")
MESSAGES = 4

# What befalls the server, and after how many seconds.
FATES = st.lists(
    st.tuples(
        st.sampled_from(("restart", "restart", "fail", "cut")), st.sampled_from((0, 0.3, 1, 2, 4))
    ),
    max_size=6,
)


@define(eq=False)
class Host:
    """Runs one server after the other on one journal."""

    journal: MemoryJournal = field(factory=MemoryJournal)
    server: MemoryServer | None = None
    _up: trio.Event = field(factory=trio.Event)
    _restart: trio.Event = field(factory=trio.Event)

    async def open_link(self, nursery: trio.Nursery) -> Link:
        if self.server is None:
            await trio.lowlevel.checkpoint()
            raise ConnectFailed("nobody listens here")
        return await self.server.open_link(nursery)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        while True:
            async with memory_server(paced(PIECES), self.open_journal) as self.server:
                task_status.started()
                task_status = trio.TASK_STATUS_IGNORED
                self._up.set()
                await self._restart.wait()
                self._restart, self._up = trio.Event(), trio.Event()
                await self.server.stop()
                self.server = None

    async def open_journal(self) -> MemoryJournal:
        await trio.lowlevel.checkpoint()
        self.journal.reopen()
        return self.journal

    async def truth(self) -> list[Entry]:
        """Return what the log holds, once nothing is under way with the server or its journal."""
        while True:
            server = await self._standing()
            with suppress(JournalUnavailable):
                return await everything(server.runtime, "t")
            await trio.sleep(0.1)

    async def _standing(self) -> MemoryServer:
        """Return the server that runs, once no restart is under way."""
        while self.server is None or self._restart.is_set() or not self._up.is_set():
            await self._up.wait()
            await trio.lowlevel.checkpoint()
        return self.server

    async def befall(self, fate: str) -> None:
        server = await self._standing()
        if fate == "restart":
            self._restart.set()
        elif fate == "fail":
            self.journal.fail()
        else:
            for link in server.links:
                link.abort()


async def submit(client: Client, content: str, key: str) -> str:
    """Submit until it is accepted; a journal that failed is nothing that a client hides."""
    while True:
        try:
            return (await client.submit("t", content, key=key, on_busy="queue")).turn
        except Rejected as refusal:
            if refusal.code != "journal_unavailable":
                raise
            await trio.sleep(0.5)


@settings(max_examples=60, deadline=None)
@given(fates=FATES, seeded=st.random_module())
def test_a_client_outlives_its_server(fates: list[tuple[str, float]], seeded: object) -> None:
    """H3, H7: what is drawn is what befalls the server, and when."""

    async def play() -> None:
        host, view, turns = Host(), View(), list[str]()

        met = trio.Event()

        async def meet_fate() -> None:
            for fate, after in fates:
                await trio.sleep(after)
                await host.befall(fate)
            met.set()

        async with trio.open_nursery() as nursery:
            await nursery.start(host.run)
            async with connect(open_link=host.open_link) as client, background_nursery() as beside:
                beside.start_soon(meet_fate)
                beside.start_soon(view.watch, client, "t", BEGINNING)
                for number in range(MESSAGES):
                    turns.append(await submit(client, f"m{number}", f"k{number}"))
                    await trio.sleep(0.7)
                await view.until_ended(turns)
                await met.wait()
                truth = await host.truth()
                await view.until(truth[-1].to)
            nursery.cancel_scope.cancel()

        assert told(view.entries) == told(truth)
        submitted = [e.event.turn for e in truth if isinstance(e.event, TurnSubmitted)]
        assert submitted == turns
        ended = [e.event for e in truth if isinstance(e.event, TurnEnded)]
        assert sorted(e.turn for e in ended) == sorted(turns)
        assert {e.state for e in ended} <= {TurnState.COMPLETED, TurnState.INTERRUPTED}

    run(play)


def test_a_submit_during_an_outage_is_carried_out_after_it() -> None:
    async def play() -> None:
        host = Host()
        async with trio.open_nursery() as nursery:
            await nursery.start(host.run)
            async with connect(open_link=host.open_link) as client:
                first = await client.submit("t", "before")
                await host.befall("restart")
                await trio.sleep(0.1)  # the server drains: it refuses, and is about to go
                second = await client.submit("t", "after", on_busy="queue")
                assert first.turn != second.turn
                async with client.ask("u", "hello") as answer:
                    assert "".join([piece async for piece in answer]) == "".join(PIECES)
            nursery.cancel_scope.cancel()

    run(play)

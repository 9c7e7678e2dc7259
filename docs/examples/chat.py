"""A chat that outlives its connections.

    python docs/examples/chat.py

Three tabs, each on a cable of its own that can be cut, look at two threads of a server that is
killed in the middle of an answer. They stop each other's turns, and delete a thread that is being
answered. Each line says what one tab sees.
"""

import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio

import actors
from actors import Program, Turn
from transport import Client, connect

PLAN, POEM = "plan", "poem"
FOR_EVER = "Go on for ever."


async def reply(turn: Turn) -> None:
    """Count, a word every 10 ms: what is lost or doubled on the way would show."""
    for number in range(100_000 if turn.text == FOR_EVER else 60):
        await turn.write(f"word{number} ")
        await trio.sleep(0.01)


class Cable:
    """Carries one tab's bytes to the server, and can be cut: the next connection is a new one."""

    def __init__(self, server: Program) -> None:
        self._port = int(server.url.strip("/").rpartition(":")[2])

    async def carry(self, tab: trio.SocketStream) -> None:
        """Carry a connection until it ends or is cut."""
        with suppress(OSError):
            server = await trio.open_tcp_stream("127.0.0.1", self._port)
            async with server, trio.open_nursery() as nursery:
                self.said, self.cut = bytearray(), nursery.cancel_scope.cancel
                nursery.start_soon(copy, server, tab, bytearray())
                await copy(tab, server, self.said)
                nursery.cancel_scope.cancel()


async def copy(source: trio.SocketStream, sink: trio.SocketStream, copied: bytearray) -> None:
    """Carry bytes one way, until that end is closed."""
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        async for data in source:
            copied += data
            await sink.send_all(data)
    await sink.aclose()


class Tab:
    """A client, and the thread that its user looks at: nothing else depends on a connection."""

    def __init__(self, name: str, client: Client, cable: Cable, nursery: trio.Nursery) -> None:
        self.name, self.client, self.cable = name, client, cable
        self.texts: dict[str, str] = {}  # what is shown of the thread, by item
        self.endings: dict[str, str] = {}  # of the turns that were seen to end
        self._nursery, self._looking = nursery, trio.CancelScope()
        self._news = trio.lowlevel.ParkingLot()

    def say(self, text: str) -> None:
        """Print what this tab sees."""
        print(f"{self.name:5} {text}", flush=True)

    def look(self, thread: str) -> None:
        """Look at another thread. The client attaches to it again on each connection."""
        self._looking.cancel()
        self.texts, self._looking = {}, trio.CancelScope()
        self._nursery.start_soon(self._follow, thread, self._looking)

    async def until(self, seen: Callable[[], bool]) -> None:
        """Wait until something is seen."""
        with trio.fail_after(60):
            while not seen():
                await self._news.park()

    async def ended(self, turn: str) -> str:
        """Wait until a turn is seen to end, and return how."""
        await self.until(lambda: turn in self.endings)
        return self.endings[turn]

    def words(self, turn: str) -> int:
        """Return how many words of an answer are shown; a turn's item 0 is the message."""
        return len(self.texts.get(f"{turn}.1", "").split())

    async def _follow(self, thread: str, looking: trio.CancelScope) -> None:
        with looking:
            async with self.client.attach(thread) as stream:
                async for batch in stream:
                    self._take(thread, batch)
                    self._news.unpark_all()

    def _take(self, thread: str, batch: actors.Batch) -> None:
        if isinstance(batch, actors.Snapshot):
            items = (*batch.items, *(batch.turn.items if batch.turn else ()))
            self.texts = {i.item: i.body.get("text", i.kind) for i in items}
            self.say(f"{thread}: {len(items)} items so far")
        elif isinstance(batch, actors.Detached):
            self.texts = {}
            self.say(f"{thread}: {batch.reason}")
        for entry in batch.entries if isinstance(batch, actors.Events) else ():
            match entry.event:
                case actors.TurnSubmitted(item=item, content=str(content)):
                    self.texts[item] = "message"
                    self.say(f"{thread}: “{content}”")
                case actors.TurnDelta(item=item, text=text):
                    self.texts[item] = self.texts.get(item, "") + text
                case actors.TurnEnded(turn=turn, state=state):
                    self.say(f"{thread}: {state} after {self.words(turn)} words")
                    self.endings[turn] = state


async def cut_and_kill(anna: Tab, ben: Tab, server: Program) -> None:
    """One answer over a cable that is cut, and one over a server that is killed."""
    whole = (await anna.client.submit(PLAN, "Make a plan.")).turn
    await ben.until(lambda: ben.words(whole) >= 20)
    ben.say("(his cable is cut)")
    ben.cable.cut()
    assert [await tab.ended(whole) for tab in (anna, ben)] == 2 * ["completed"]
    broken = (await anna.client.submit(PLAN, FOR_EVER)).turn
    await ben.until(lambda: ben.words(broken) >= 20)
    print("      (the server is killed, and started again)")
    await server.restart()
    assert [await tab.ended(broken) for tab in (anna, ben)] == 2 * ["interrupted"]
    items = (await anna.client.history(PLAN)).items
    shown = {i.item: i.body.get("text", i.kind) for i in items if i.kind != "marker"}
    assert anna.texts == ben.texts == shown


async def stop_from_elsewhere(anna: Tab, ben: Tab) -> None:
    """Stop a turn that another tab asked for; to stop it again stops no other one."""
    first = (await anna.client.submit(PLAN, FOR_EVER)).turn
    await anna.until(lambda: anna.words(first) >= 10)
    ben.say(f"presses Stop: {(await ben.client.cancel(PLAN)).outcome}")
    second = (await anna.client.submit(PLAN, "Make another plan.")).turn
    ben.say(f"presses it again: {(await ben.client.cancel(PLAN, first)).outcome}")
    assert await ben.ended(second) == "completed"


async def delete_in_mid_turn(anna: Tab, ben: Tab, cleo: Tab) -> None:
    """Delete a thread that is being answered; its id starts empty."""
    for tab in (anna, ben):
        tab.look(POEM)
    poem = (await anna.client.submit(POEM, FOR_EVER)).turn
    await ben.until(lambda: ben.words(poem) >= 5)
    listed = (await cleo.client.threads()).threads
    cleo.say("sees the threads " + ", ".join(f"{each.thread} ({each.state})" for each in listed))
    cleo.say(f"deletes {POEM}; it was there: {await cleo.client.delete(POEM)}")
    await anna.until(lambda: not anna.texts)
    await ben.until(lambda: not ben.texts)
    cleo.look(POEM)
    again = (await cleo.client.submit(POEM, "Another poem.")).turn
    await cleo.ended(again)
    assert list(cleo.texts.values()) == ["message", "".join(f"word{n} " for n in range(60))]


async def look_at_nothing(cleo: Tab) -> None:
    """A tab that looks at no thread has nothing to say on a new connection."""
    cleo.cable.cut()
    await trio.sleep(0.5)
    await cleo.client.opened()
    _, _, said = cleo.cable.said.partition(b"\r\n\r\n")
    assert not said
    cleo.say(f"looks at nothing, and says {len(said)} bytes on her new connection")


@asynccontextmanager
async def tab_of(name: str, server: Program) -> AsyncIterator[Tab]:
    """Open a tab, on a cable of its own."""
    cable = Cable(server)
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
    async with trio.open_nursery() as cables:
        await cables.start(trio.serve_listeners, cable.carry, [listener])
        async with connect(url) as client, trio.open_nursery() as readers:
            await client.opened()
            yield Tab(name, client, cable, readers)
            readers.cancel_scope.cancel()
        cables.cancel_scope.cancel()


async def main() -> None:
    """Play it all."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--handler", "chat:reply", "--db", f"{folder}/chat.db", "--log-level", "error"]
        command = [sys.executable, "-m", "transport.cli", "serve", *options, "--port", "{port}"]
        async with (
            Program(*command, cwd=Path(__file__).parent) as server,
            tab_of("anna", server) as anna,
            tab_of("ben", server) as ben,
        ):
            anna.look(PLAN)
            ben.look(PLAN)
            await cut_and_kill(anna, ben, server)
            await stop_from_elsewhere(anna, ben)
            async with tab_of("cleo", server) as cleo:
                await look_at_nothing(cleo)
                await delete_in_mid_turn(anna, ben, cleo)


if __name__ == "__main__":
    try:
        trio.run(main)
    except* KeyboardInterrupt:
        print("stopped")

"""A history that a restart cannot wipe.

    python docs/examples/history.py

A thread of a thousand messages is served by a process that is killed in the middle of an answer,
three times over, while five readers list and page through everything as fast as they can. Then it
is truncated, another thread is cleared, and a third one is damaged on disk.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import trio

from actors import Events, Item, Limits, Rejected, Turn, TurnDelta, open_runtime
from transport import Client, connect

LONG, CLEARED, DAMAGED = "long", "cleared", "damaged"
TURNS = 500
READERS = 5
KILLS = 3


async def reply(turn: Turn) -> None:
    """Answer in words; whoever asks for a story gets one that does not come to an end."""
    words = ["once"] if turn.text != "Tell me a story." else [f"word{n}" for n in range(100_000)]
    for word in words:
        await turn.write(word + " ")
        if len(words) > 1:
            await trio.sleep(0.005)


class ServerProcess:
    """`holdfast serve` in a process of its own, always on the same port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        self._port = "0"

    async def start(self) -> None:
        """Start it, and wait for the line that says where it listens."""
        command = [sys.executable, "-m", "transport.cli", "serve", "--db", "history.db"]
        command += ["--handler", "history:reply", "--port", self._port, "--log-level", "error"]
        environment = {"PYTHONPATH": ":".join([str(Path(__file__).parent), *sys.path])}
        self._process = await trio.lowlevel.open_process(
            command, cwd=self.folder, env=environment, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        line = ""
        while not line.endswith("\n"):
            line += (await self._process.stdout.receive_some()).decode()
        self.url = next(word for word in line.split() if word.startswith("http"))
        self._port = self.url.rstrip("/").rpartition(":")[2]

    async def kill(self) -> None:
        """End it with `kill -9`."""
        self._process.kill()
        with trio.CancelScope(shield=True):
            await self._process.wait()

    async def restart(self) -> None:
        """Kill it, and start it again."""
        await self.kill()
        await self.start()


class Readers:
    """Five of them, who read all there is to read as fast as they can, whatever happens."""

    def __init__(self) -> None:
        self.reads = 0
        self.orders: list[list[str]] = []

    async def run(self, client: Client) -> None:
        """Read until cancelled."""
        async with trio.open_nursery() as nursery:
            for _ in range(READERS):
                nursery.start_soon(self._read, client)

    async def _read(self, client: Client) -> None:
        while True:
            listed = await client.threads()
            order = [each.thread for each in listed.threads]
            if not self.orders or self.orders[-1] != order:
                self.orders.append(order)
            await client.history(LONG, limit=10)
            self.reads += 2


async def fill(path: Path) -> None:
    """Write a thread of a thousand messages, and two short ones."""
    async with open_runtime(path, on_turn=reply, durability="relaxed") as runtime:
        for name, turns in ((DAMAGED, 1), (CLEARED, 1), (LONG, TURNS)):
            for number in range(turns):
                async with runtime.thread(name).ask(f"Question {number}") as answer:
                    async for _ in answer:
                        pass


async def kill_in_mid_answer(client: Client, server: ServerProcess) -> None:
    """Ask for a story, watch it begin, and kill the server."""
    words = 0
    async with client.attach(LONG) as stream:
        await client.submit(LONG, "Tell me a story.")
        async for batch in stream:
            if isinstance(batch, Events):
                words += sum(isinstance(entry.event, TurnDelta) for entry in batch.entries)
            if words > 20:
                break
    await server.restart()


async def items_of(client: Client, thread: str) -> list[Item]:
    """Return what people see of a thread, oldest first."""
    items: list[Item] = []
    before: str | None = None
    while True:
        page = await client.history(thread, before=before, limit=500)
        items[:0] = page.items
        before = page.before
        if before is None:
            return items


def damage(path: Path) -> None:
    """Write over the rows of one thread, as a bad disk would."""
    db = sqlite3.connect(path)
    (number,) = db.execute("SELECT number FROM thread WHERE id = ?", (DAMAGED,)).fetchone()
    db.execute("UPDATE thread SET body = zeroblob(40) WHERE number = ?", (number,))
    db.commit()
    db.close()


async def survive_kills(client: Client, server: ServerProcess) -> None:
    """Kill the server in mid-answer, and see that each answer ends in one marker."""
    readers = Readers()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(readers.run, client)
        for number in range(1, KILLS + 1):
            await kill_in_mid_answer(client, server)
            items = await items_of(client, LONG)
            *_, message, answer, marker = items
            assert (message.kind, answer.kind, marker.kind) == ("message", "answer", "marker")
            assert len(items) == 2 * TURNS + 3 * number, len(items)
            print(
                f"kill {number}: {len(items):,} items; the last answer keeps"
                f" {len(answer.body['text'].split())} words and one marker"
            )
        nursery.cancel_scope.cancel()
    print(f"meanwhile {readers.reads:,} reads; the order of the list was {readers.orders}")


async def survive_edits(client: Client, server: ServerProcess) -> None:
    """Truncate one thread, clear another, kill the server, and see that both stay so."""
    tenth = (await items_of(client, LONG))[9]
    await client.truncate(LONG, tenth.item)
    await client.truncate(CLEARED, None)
    await server.restart()
    counts = [len(await items_of(client, thread)) for thread in (LONG, CLEARED)]
    assert counts == [10, 0], counts
    print(f"truncated and cleared, killed, started: {counts[0]} and {counts[1]} items")


async def survive_damage(client: Client, server: ServerProcess) -> None:
    """Damage one thread on disk, and see that it is set aside and the others go on."""
    await server.kill()
    damage(server.folder / "history.db")
    await server.start()
    try:
        await items_of(client, DAMAGED)
    except Rejected as refusal:
        print(f"damaged on disk: {refusal}")
    else:
        raise AssertionError("a damaged thread was shown")
    async with client.ask(LONG, "And now?") as answer:
        print("the others go on:", "".join([text async for text in answer]).strip())


async def main() -> None:
    """Play it all."""
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder))
        await fill(server.folder / "history.db")
        await server.start()
        try:
            async with connect(server.url, limits=Limits(reconnect_most_seconds=0.5)) as client:
                print(f"{len(await items_of(client, LONG)):,} items, served at {server.url}")
                await survive_kills(client, server)
                await survive_edits(client, server)
                await survive_damage(client, server)
        finally:
            await server.kill()


if __name__ == "__main__":
    trio.run(main)

"""A history that a restart cannot wipe.

    python docs/examples/history.py

A thread of a thousand messages is served by a process that is killed in the middle of an answer,
three times over, while five readers list and page through everything as fast as they can. Then it
is truncated, another thread is cleared, and a third one is damaged on disk.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from pathlib import Path

import trio

from actors import Events, Item, Limits, Program, Rejected, Turn, TurnDelta, open_runtime
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


async def kill_in_mid_answer(client: Client, server: Program) -> None:
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


async def survive_kills(client: Client, server: Program) -> None:
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


async def survive_edits(client: Client, server: Program) -> None:
    """Truncate one thread, clear another, kill the server, and see that both stay so."""
    tenth = (await items_of(client, LONG))[9]
    await client.truncate(LONG, tenth.item)
    await client.truncate(CLEARED, None)
    await server.restart()
    counts = [len(await items_of(client, thread)) for thread in (LONG, CLEARED)]
    assert counts == [10, 0], counts
    print(f"truncated and cleared, killed, started: {counts[0]} and {counts[1]} items")


async def survive_damage(client: Client, server: Program, path: Path) -> None:
    """Damage one thread on disk, and see that it is set aside and the others go on."""
    await server.kill()
    damage(path)
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
        path = Path(folder) / "history.db"
        print(f"writing {2 * TURNS:,} messages …", flush=True)
        await fill(path)
        options = ["--handler", "history:reply", "--db", str(path), "--log-level", "error"]
        command = [sys.executable, "-m", "transport.cli", "serve", *options, "--port", "{port}"]
        async with (
            Program(*command, cwd=Path(__file__).parent) as server,
            connect(server.url, limits=Limits(reconnect_most_seconds=0.5)) as client,
        ):
            print(f"{len(await items_of(client, LONG)):,} items, served at {server.url}")
            await survive_kills(client, server)
            await survive_edits(client, server)
            await survive_damage(client, server, path)


if __name__ == "__main__":
    try:
        trio.run(main)
    except* KeyboardInterrupt:
        print("stopped")

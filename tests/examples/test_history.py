"""Hermes WebUI's contract (W1 to W15): real SQLite, real sockets, and `kill -9` where it matters.

W2 is the type checker's, see `tests/types`.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import partial
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import trio
from click.testing import CliRunner

from actors import Item, Rejected, Turn
from tests.conformance.peer import http
from tests.examples.history_stage import (
    ROOT,
    answer_begun,
    on_disk,
    own_process,
    reached,
    say,
    served,
    shown,
)
from transport import Client, connect
from transport.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    from tests.real_input.server_process import ServerProcess

MESSAGES = 1000
CUT_SHORT = [("message", "wait"), ("answer", "answer to wait"), ("marker", "interrupted")]


# A history of a thousand messages, as Hermes wrote it.


@pytest.fixture
def imported(tmp_path: Path) -> Path:
    """A folder with the journal that a session of a thousand messages was imported into."""
    session = {
        "session_id": "long",
        "title": "A thousand messages",
        "messages": [
            {
                "role": "assistant" if number % 2 else "user",
                "content": f"message {number}",
                "timestamp": 1_700_000_000 + number,
            }
            for number in range(MESSAGES)
        ],
    }
    (tmp_path / "long.json").write_bytes(orjson.dumps(session))
    command = ["import", "--format", "hermes", str(tmp_path / "long.json")]
    done = CliRunner().invoke(main, [*command, "--db", str(tmp_path / "chat.db")])
    assert done.exit_code == 0, done.stderr
    return tmp_path


async def everything(client: Client, thread: str) -> list[tuple[str, Any]]:
    items: list[tuple[str, Any]] = []
    before: str | None = None
    while True:
        page = await client.history(thread, before=before, limit=300)
        items[:0] = shown(page.items)
        before = page.before
        if before is None:
            return items


async def test_reads_change_nothing_on_disk(imported: Path) -> None:
    """W1: in whatever order; byte by byte, beside a thousand imported messages, which stay."""
    async with served(imported, say) as it:
        get = partial(http, int(it.server.url.strip("/").rpartition(":")[2]))
        threads = (await it.client.threads()).threads
        before, journal = on_disk(imported), it.runtime.statistics().journal
        reads = [
            it.client.threads,
            partial(it.client.history, "long", limit=10),
            partial(glance, it.server.url, "long"),
            partial(glance, it.server.url, "absent"),
            *(
                partial(get, path)
                for path in (
                    "/threads",
                    "/threads/long",
                    "/threads/long/items?limit=5",
                    "/threads/absent",
                    "/readyz",
                )
            ),
        ]
        for order in (reads, reads[::-1], reads[::2] + reads[1::2]):
            async with trio.open_nursery() as nursery:
                for read in islice(cycle(order), 2 * len(reads)):
                    nursery.start_soon(read)
            assert on_disk(imported) == before
        assert (await it.client.threads()).threads == threads
        statistics = it.runtime.statistics()
        assert (statistics.active, statistics.journal) == (0, journal)
        kept = [text for kind, text in await everything(it.client, "long") if kind != "record"]
        assert kept == [f"message {number}" for number in range(MESSAGES)]


async def glance(url: str, thread: str) -> None:
    """Look at a thread on a connection of one's own."""
    async with connect(url) as client:
        await look(client, thread)


async def look(client: Client, thread: str) -> None:
    """Attach, see what there is, and leave."""
    async with client.attach(thread) as stream:
        await anext(stream)


async def read_for_ever(client: Client) -> None:
    while True:
        await client.threads()
        await client.history("long", limit=3)


# Starting, and starting again.


async def test_the_message_is_on_disk_before_any_work_and_before_the_caller_is_told(
    tmp_path: Path,
) -> None:
    """W4: the handler finds it in the file when it begins, the caller when it is answered."""
    found: list[bool] = []

    async def look(turn: Turn) -> None:
        found.append(any(turn.text.encode() in data for data in on_disk(tmp_path).values()))

    async with served(tmp_path, look) as it:
        for number in range(20):
            text = f"what was typed, number {number}."
            receipt = await it.client.submit("t", text)
            assert any(text.encode() in data for data in on_disk(tmp_path).values())
            assert await it.ends("t", receipt.turn) == "completed"
    assert found == [True] * 20


async def test_a_thousand_messages_through_five_lives(imported: Path) -> None:
    """W3, W5, W6, W7, W8, W14, B20: `kill -9` in mid-answer, again, and right behind an edit.

    Eight more threads are left open, and asked something new before the server is up again.
    """
    others = [f"t{number}" for number in range(8)]
    async with own_process(imported) as server:
        async with reached(server) as client:
            live = await leave_open(client, [*others, "long"])
            listed = await activity(client, "long", "later")
            await server.kill()
        async with reached(server) as client:
            await ask_all_while_it_starts(client, others, server)
            for thread in others:
                items = shown((await client.history(thread)).items)
                assert items == [*CUT_SHORT, ("message", "new"), ("answer", "answer to new")]
            cursor = await cut_short_once(client, live)
            assert await activity(client, "long", "later") == listed
            await server.kill()
        for end in (server.stop, server.kill):
            await server.start()
            async with reached(server) as client:
                assert await cut_short_once(client, live) == cursor
                assert await activity(client, "long", "later") == listed
                if end == server.kill:
                    await edit(client)
                    await server.kill()
            await end()
        await server.start()
        async with reached(server) as client:
            await still_edited(client)


async def leave_open(client: Client, threads: list[str]) -> tuple[Item, ...]:
    """Leave turns open in threads, with readers beside; return what is shown of the last one's."""
    async with trio.open_nursery() as readers:
        for _ in range(3):
            readers.start_soon(read_for_ever, client)
        for thread in threads:
            await client.submit(thread, "wait", attachments=[{"name": "a.png"}])
        for thread in threads:
            live = await answer_begun(client, thread)
        async with client.ask("later", "hello") as answer:
            assert [text async for text in answer] == ["answer to hello"]
        readers.cancel_scope.cancel()
    return live


async def ask_all_while_it_starts(
    client: Client, threads: list[str], server: ServerProcess
) -> None:
    """Ask something new of threads, before the server is up that settles them."""

    async def ask(thread: str) -> None:
        async with client.ask(thread, "new") as answer:
            assert [text async for text in answer] == ["answer to new"]

    async with trio.open_nursery() as nursery:
        for thread in threads:
            nursery.start_soon(ask, thread)
        await server.start()


async def cut_short_once(client: Client, live: tuple[Item, ...]) -> str:
    """Check that all is there: what was imported, the message, its partial answer, one marker."""
    whole = await everything(client, "long")
    assert whole[1:] == [
        *(("answer" if n % 2 else "message", f"message {n}") for n in range(MESSAGES)),
        *CUT_SHORT,
    ]
    message, answer, _ = (await client.history("long", limit=3)).items
    assert (message, answer) == live  # with its own time
    assert message.body["attachments"] == [{"name": "a.png"}]
    return next(t.cursor for t in (await client.threads()).threads if t.thread == "long")


async def activity(client: Client, *threads: str) -> list[tuple[str, float]]:
    """Return when there was last something done in threads, in the order of the list."""
    lines = (await client.threads()).threads
    return [(line.thread, line.active_at) for line in lines if line.thread in threads]


async def edit(client: Client) -> None:
    """Truncate one thread, clear another, and delete a third."""
    page = await client.history("long", limit=7)
    await client.truncate("long", page.items[0].item)
    await client.truncate("t0", None)
    assert await client.delete("t1")


async def still_edited(client: Client) -> None:
    """Check that what was edited stays so, and that the deleted id comes back empty."""
    *_, last = await everything(client, "long")
    assert last == ("message", f"message {MESSAGES - 4}")
    assert (await client.history("t0")).items == ()
    with pytest.raises(Rejected, match="thread_not_found"):
        await client.history("t1")
    async with client.ask("t1", "again") as answer:
        assert [text async for text in answer] == ["answer to again"]
    assert len((await client.history("t1")).items) == 2


async def test_a_repair_that_fails_is_loud_and_real_damage_is_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """W7, W9: named in the log and at `/readyz`, refused in words, and never an empty thread."""
    async with served(tmp_path, say) as it:
        for thread in ("settled", "sound"):
            async with it.client.ask(thread, "hello") as answer:
                assert [text async for text in answer]
    async with own_process(tmp_path) as server, reached(server) as client:
        await client.submit("open", "wait")
        await answer_begun(client, "open")
    with closing(sqlite3.connect(tmp_path / "chat.db")) as db:
        number = "(SELECT number FROM thread WHERE id = ?)"
        db.execute(f"UPDATE event SET body = zeroblob(9) WHERE spot >> 36 = {number}", ["open"])
        db.execute("UPDATE thread SET body = zeroblob(40) WHERE id = ?", ["settled"])
        db.commit()
    async with served(tmp_path, say) as it:
        assert any("open" in record.getMessage() for record in caplog.records)
        _, ready = await http(int(it.server.url.strip("/").rpartition(":")[2]), "/readyz")
        assert "quarantined open" in ready
        for thread in ("open", "settled"):
            for call in (look, Client.history, partial(Client.submit, content="hello")):
                with pytest.raises(Rejected, match="thread_failed"):
                    await call(it.client, thread)
        assert await it.shown("sound") == [("message", "hello"), ("answer", "answer to hello")]
    verify = CliRunner().invoke(main, ["verify", str(tmp_path / "chat.db")])
    assert verify.exit_code == 1
    for thread in ("open", "settled"):
        assert thread in verify.output


def test_the_example_runs() -> None:
    """W1, W5, W6, W8, W9, W14: as on its page, with fewer messages; it checks itself."""
    play = "import history, trio; history.TURNS, history.KILLS = 20, 1; trio.run(history.main)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", play],
        cwd=ROOT / "docs" / "examples",
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for said in (
        "kill 1: 43 items",
        "the order of the list was [['long', 'cleared', 'damaged']]",
        "truncated and cleared, killed, started: 10 and 0 items",
        "damaged on disk: thread_failed",
        "the others go on: once",
    ):
        assert said in done.stdout

"""A process of its own that has a journal open; run as a module, it tells on its output."""

from __future__ import annotations

import resource
import sys
from collections.abc import Awaitable, Callable

import trio

from actors.errors import JournalUnavailable
from actors.journal.sqlite import open_sqlite_journal
from actors.testing.scripted_thread import ScriptedThread


async def hold(path: str) -> None:
    """Keep the journal open until killed."""
    async with await open_sqlite_journal(path):
        print("open", flush=True)
        await trio.sleep_forever()


async def append(path: str) -> None:
    """Append to some threads until killed, and say of each append when it was acknowledged."""
    async with (
        await open_sqlite_journal(path) as journal,
        trio.open_nursery() as nursery,
    ):
        for number in range(8):
            nursery.start_soon(_append, await ScriptedThread.claim(journal, f"t{number}"))


async def _append(thread: ScriptedThread) -> None:
    number = thread.state.offset
    while True:
        number += 1
        await thread.record(f"r{number}", "x" * 200)
        print(thread.thread, thread.state.offset, flush=True)


async def fill(path: str, most: str) -> None:
    """Append until files may grow no further, and say what happened, and what to the next calls."""
    journal = await open_sqlite_journal(path)
    thread = await ScriptedThread.claim(journal, "t")
    bystander = await ScriptedThread.claim(journal, "bystander")
    await bystander.submit("a")
    # Python ignores SIGXFSZ, so that writes beyond it fail with EFBIG.
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(most), resource.RLIM_INFINITY))
    try:
        while True:
            await thread.record(f"r{thread.state.offset}", "x" * 20_000)
    except JournalUnavailable:
        print("failed at", thread.state.offset, flush=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    for call in (bystander.start("a"), journal.load("bystander"), journal.claim("t")):
        try:
            await call
        except JournalUnavailable:
            print("unavailable", flush=True)
    await journal.aclose()


if __name__ == "__main__":
    mode, *args = sys.argv[1:]
    tasks: dict[str, Callable[..., Awaitable[None]]] = {
        "hold": hold,
        "append": append,
        "fill": fill,
    }
    trio.run(tasks[mode], *args)

"""A hundred threads stream on while others go wrong as handlers and disks can (I10, I16).

Four connections with 25 threads each watch their own turns; `bystander` judges that every
transcript is exact, and that none of them got an error, a close or a second snapshot.
"""

from __future__ import annotations

import inspect
import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Any

import trio

from ..real_input.server_process import ServerProcess, running_server
from . import handlers
from .bystander import undisturbed
from .peer import Message, Peer, connect, http, is_ending, said

if TYPE_CHECKING:
    from pathlib import Path

HANDLER = "tests.conformance.handlers:IMPATIENT"
# The upper bits of a row's key are its thread's number.
OFFSET_BITS = 36
GOES_ON = re.compile(r"the event loop goes on after ([0-9.]+) s")


async def turn_fails(peer: Peer, thread: str) -> None:
    """A handler that raises: its turn fails, in words that say nothing of our insides."""
    ending = await outcome(peer, thread, "fail")
    assert (ending["type"], ending["error"]) == ("turn.failed", "RuntimeError")
    assert "SELECT" not in ending["message"]


async def turn_is_too_large(peer: Peer, thread: str) -> None:
    """A handler that writes more at once than may be: refused, and the turn fails."""
    ending = await outcome(peer, thread, "flood")
    assert (ending["type"], ending["error"]) == ("turn.failed", "too_large")


async def turn_times_out(peer: Peer, thread: str) -> None:
    """A handler that writes nothing: overdue after `no_progress` seconds."""
    ending = await outcome(peer, thread, "hang", "")
    assert (ending["type"], ending["reason"]) == ("turn.timed_out", "no_progress")


async def turn_is_abandoned(peer: Peer, thread: str, wish: str) -> None:
    """A handler that will not stop: abandoned after its grace, and the thread goes on."""
    since = len(peer.heard)
    await peer.attach(thread)
    turn = (await peer.submit(thread, wish))["turn"]
    await peer.until_event(thread, lambda e: said([e], turn) == "before ")
    reply = await peer.ask("cancel", thread=thread, turn=turn)
    assert (reply["turn"], reply["outcome"]) == (turn, "abandoned")
    assert (await peer.ending(thread, turn))["type"] == "turn.cancelled"
    _, ready = await http(peer.stream.socket.getpeername()[1], "/readyz")
    assert f"abandoned turn {turn} of {thread}" in ready
    # The next one runs while the handler of the last is still at it, and unmixed with it.
    following = (await peer.submit(thread, "say 50 0.05"))["turn"]
    await peer.ending(thread, following)
    events = peer.events(thread, since)
    assert [(e["type"], e["turn"]) for e in events if is_ending(e)] == [
        ("turn.cancelled", turn),
        ("turn.completed", following),
    ]
    assert said(events, turn) == "before "
    assert said(events, following) == "".join(f"{number} " for number in range(50))


async def turn_swallows_its_cancellation(peer: Peer, thread: str) -> None:
    await turn_is_abandoned(peer, thread, "stubborn")


async def turn_sits_in_a_worker_thread(peer: Peer, thread: str) -> None:
    await turn_is_abandoned(peer, thread, "worker")


async def rows_are_damaged(peer: Peer, thread: str) -> None:
    """A thread whose rows are damaged: set aside, whatever is asked of it."""
    asked = {"thread": thread, "content": "say 1", "on_busy": "queue"}
    with trio.fail_after(10):
        # A turn may be accepted and start before the damage is met, in what it is to be told.
        while (answer := await peer.ask("submit", **asked))["type"] == "reply":  # noqa: ASYNC110 - it is asked
            await trio.sleep(0.02)
    if answer["code"] == "internal":  # it was under way when the damage was met
        assert answer["retryable"] is True
        answer = await peer.ask("submit", **asked)
    assert answer["code"] == "thread_failed"
    assert answer["retryable"] is False
    assert await peer.refusal("cancel", thread=thread) == "thread_failed"
    assert await peer.refusal("end", thread=thread) == "thread_failed"


WRONG: dict[str, Callable[[Peer, str], Awaitable[None]]] = {
    "raises": turn_fails,
    "floods": turn_is_too_large,
    "hangs": turn_times_out,
    "swallows": turn_swallows_its_cancellation,
    "in-a-worker": turn_sits_in_a_worker_thread,
    "damaged-head": rows_are_damaged,
    "damaged-history": rows_are_damaged,
    "damaged-open": rows_are_damaged,
}


async def test_a_hundred_threads_stream_while_others_go_wrong(tmp_path: Path) -> None:
    async with damaged(tmp_path) as server:
        # Known before anybody asked: start-up settles what was open.
        assert (await http(server.port, "/readyz"))[1].startswith("ready\nquarantined damaged-open")
        async with undisturbed(server.port, connections=4, threads=25) as threads:
            assert len(threads) == 100
            async with trio.open_nursery() as nursery:
                for thread, goes_wrong in WRONG.items():
                    nursery.start_soon(in_its_own_connection, server, goes_wrong, thread)
                # All again, as threads of one connection that is fairly served.
                nursery.start_soon(all_in_one_connection, server)
        status, ready = await http(server.port, "/readyz")
        assert status == 200
        quarantined = [line.split(":")[0] for line in ready.splitlines() if "quarantined" in line]
        assert sorted(quarantined) == [
            "quarantined damaged-head",
            "quarantined damaged-history",
            "quarantined damaged-open",
        ]
        await still_listed(server)
        await no_handler_left(server)
        assert what_came_back_too_late(tmp_path) == {"TurnOver", "came back"}


async def test_the_watchdog_names_the_handler_that_blocks_the_loop(
    server: ServerProcess, folder: Path
) -> None:
    async with undisturbed(server.port, threads=10), connect(server.port) as peer:
        assert (await outcome(peer, "blocks", "block"))["type"] == "turn.completed"
    # The watchdog looks every so often, so its last word comes some time after the turn's.
    with trio.fail_after(10):
        while not GOES_ON.search(log := (folder / "server.log").read_text()):  # noqa: ASYNC110 - a log
            await trio.sleep(0.02)
    [seconds] = GOES_ON.findall(log)
    assert float(seconds) >= 1
    [report] = [line for line in log.splitlines() if "the event loop makes no progress" in line]
    handler = line_of(handlers.reply, "await _WISHES")
    assert f"handler {handlers.reply.__module__}.reply ({handlers.__file__}:{handler})" in report
    line = line_of(handlers.block, "time.sleep")
    assert report.endswith(f", at {handlers.__file__}:{line}")


def what_came_back_too_late(folder: Path) -> set[str]:
    """Return what abandoned handlers met in the end."""
    return {note.read_text() for note in folder.glob("over-*")}


async def in_its_own_connection(
    server: ServerProcess, goes_wrong: Callable[[Peer, str], Awaitable[None]], thread: str
) -> None:
    async with connect(server.port) as peer:
        await goes_wrong(peer, thread)
        assert await peer.is_served()


async def all_in_one_connection(server: ServerProcess) -> None:
    async with connect(server.port) as peer, trio.open_nursery() as nursery:
        for name, goes_wrong in WRONG.items():
            thread = name if "damaged" in name else f"{name}-too"
            nursery.start_soon(goes_wrong, peer, thread)


async def outcome(peer: Peer, thread: str, content: str, text: str = "before ") -> Message:
    """Submit, check what was said before the end, and that the thread goes on; return the end."""
    since = len(peer.heard)
    await peer.attach(thread)
    turn = (await peer.submit(thread, content))["turn"]
    ending = await peer.ending(thread, turn)
    assert said(peer.events(thread, since), turn) == text
    after = (await peer.submit(thread, "say 3"))["turn"]
    assert (await peer.ending(thread, after))["type"] == "turn.completed"
    assert sum(map(is_ending, peer.events(thread, since))) == 2
    return ending


async def still_listed(server: ServerProcess) -> None:
    """The list of threads is whole, and says which of them failed; the sound one goes on."""
    async with connect(server.port) as peer:
        listed = (await peer.ask("threads", limit=500))["threads"]
        states = {summary["thread"]: summary["state"] for summary in listed}
        assert states["sound"] == "idle"
        assert states["damaged-open"] == states["damaged-history"] == "failed"
        assert len([thread for thread in states if thread.startswith("bystanders")]) == 101
        await outcome(peer, "sound", "say 3", "0 1 2 ")
        for thread in ("damaged-head", "damaged-open"):
            assert await peer.refusal("attach", thread=thread) == "thread_failed"


async def no_handler_left(server: ServerProcess) -> None:
    """Wait until the abandoned handlers have come to their end, and are no longer named."""
    with trio.fail_after(10):
        while "abandoned" in (await http(server.port, "/readyz"))[1]:  # noqa: ASYNC110 - likewise
            await trio.sleep(0.05)


@asynccontextmanager
async def damaged(folder: Path) -> AsyncIterator[ServerProcess]:
    """Run a server on a file of which some threads were damaged while it was down."""
    async with running_server(folder, HANDLER) as server:
        await _fill(server)
        await server.kill()
        with closing(sqlite3.connect(folder / "chat.db")) as db, db:
            _overwrite(db, "damaged-head", "thread")
            _overwrite(db, "damaged-history", "event")
            _overwrite(db, "damaged-history", "items")
            _overwrite(db, "damaged-open", "event")
        await server.start()
        yield server
        assert await server.stop() == 0


async def _fill(server: ServerProcess) -> None:
    async with connect(server.port) as peer:
        for thread in ("sound", "damaged-head", "damaged-history"):
            await outcome(peer, thread, "say 5", "0 1 2 3 4 ")
        await peer.attach("damaged-open")
        turn = (await peer.submit("damaged-open", "hold"))["turn"]
        await peer.until_event("damaged-open", lambda e: e["type"] == "turn.delta")
        assert said(peer.events("damaged-open"), turn)


def _overwrite(db: sqlite3.Connection, thread: str, table: str) -> None:
    """Put noughts where the thread's rows were."""
    [[number]] = db.execute("SELECT number FROM thread WHERE id = ?", (thread,))
    key, shift = ("number", 0) if table == "thread" else ("spot", OFFSET_BITS)
    args: tuple[Any, ...] = (number << shift, (number + 1) << shift)
    changed = db.execute(
        f"UPDATE {table} SET body = zeroblob(length(body)) WHERE {key} >= ? AND {key} < ?", args
    )
    assert changed.rowcount >= 1


def line_of(function: Callable[..., Any], text: str) -> int:
    """Return the number of the line of a function that has this text."""
    lines, first = inspect.getsourcelines(function)
    return next(first + at for at, line in enumerate(lines) if text in line)

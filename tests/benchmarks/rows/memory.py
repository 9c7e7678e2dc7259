"""What a thread, a connection and a viewer that never reads cost in memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

from ..harness.bench import HOLDFAST, KIB, Bench
from ..harness.processes import Server, baseline, holdfast
from ..harness.report import Goal, Result
from ..harness.subjects import TRIO_WEBSOCKET
from ..load import frames
from ..load.handlers import BRIEF, FORGETFUL
from ..load.peer import Peer

ROW = "memory"
_MIB = 2  # that a turn says before viewers that do not read


def measure(bench: Bench) -> Iterator[Result]:
    """Yield KiB for each, as the difference that many of them make."""
    with holdfast(bench.scratch(), "--trace") as server:
        yield from _actors(bench, server)
        yield from _silent_viewers(bench, server)
    yield from _connections(bench)


# Threads: by tracemalloc, since the pages that SQLite keeps grow with the file.


def _actors(bench: Bench, server: Server) -> Iterator[Result]:
    count = bench.size(2_000, 50)
    for case, prefix, goal in (
        ("passivated thread", BRIEF, Goal(most=0.05)),
        ("idle live actor", "stays", Goal(most=8.0)),
    ):
        bench.tell(f"{ROW}, {case}")
        with Peer(server.port) as peer:
            value = _each_thread(peer, prefix, count) / KIB
        notes = "Python's memory, by tracemalloc, without timers that were cancelled"
        yield Result(ROW, case, HOLDFAST, "memory", "KiB", [value], goal, notes=notes)


def _each_thread(peer: Peer, prefix: str, count: int) -> float:
    _touch(peer, f"{prefix}.warm", count)
    before = peer.census()["bytes"]
    _touch(peer, f"{prefix}.more", count)
    return float(peer.census()["bytes"] - before) / count


def _touch(peer: Peer, prefix: str, count: int) -> None:
    active = peer.census()["active"]
    for n in range(count):
        peer.order(f"{prefix}{n}", {"do": "quiet"})
    deadline = time.monotonic() + 30
    time.sleep(0.3)
    while prefix.startswith(BRIEF) and peer.census()["active"] > active:
        if time.monotonic() > deadline:
            raise TimeoutError("the actors do not passivate")
        time.sleep(0.1)


# Connections: by the memory that the process alone has.


def _connections(bench: Bench) -> Iterator[Result]:
    count = bench.size(1_000, 120)
    case = "idle connection"
    bench.tell(f"{ROW}, {case}")
    with baseline("trio_websocket_server") as server:
        theirs = _each_connection(server, "/", count)
    with holdfast(bench.scratch()) as server:
        ours = _each_connection(server, "/ws", count)
    above = "above a bare trio-websocket one"
    yield Result(ROW, case, TRIO_WEBSOCKET, "memory", "KiB", [theirs])
    yield Result(ROW, case, HOLDFAST, "memory", "KiB", [ours])
    yield Result(ROW, case, HOLDFAST, f"memory {above}", "KiB", [ours - theirs], Goal(most=10.0))


def _each_connection(server: Server, path: str, count: int) -> float:
    with ExitStack() as stack:
        _open(stack, server.port, path, count // 4)
        before = server.own_bytes()
        _open(stack, server.port, path, count)
        return (server.own_bytes() - before) / count / KIB


def _open(stack: ExitStack, port: int, path: str, count: int) -> None:
    for _ in range(count):
        stack.enter_context(closing(frames.connect(port, path)[0]))
    time.sleep(0.5)


# Viewers that never read. What their thread keeps of its history for its next turns is no cost of
# theirs, however much is said before them: it keeps none.

_THREAD = FORGETFUL


def _silent_viewers(bench: Bench, server: Server) -> Iterator[Result]:
    count = bench.size(100, 20)
    case = "viewer that never reads"
    bench.tell(f"{ROW}, {case}")
    with (
        Peer(server.port) as reader,
        Peer(server.port) as counter,
        ExitStack() as stack,
    ):
        reader.attach(_THREAD, window=1)
        for _ in range(2):  # what grows only once is there then
            _speak(reader)
        before = _at_rest(counter, reader)
        for _ in range(count):
            silent = stack.enter_context(Peer(server.port, buffer=4 * KIB))
            silent.attach(_THREAD, window=1)
        spoken = _speak_past(counter, reader, count)
        value = (_at_rest(counter, reader) - before) / count / KIB
        if counter.census()["behind"] != count:
            raise RuntimeError("viewers were cut off before their memory was measured")
    notes = (
        f"with its connection, behind after {spoken} MiB; "
        "Python's memory, without the sockets' buffers"
    )
    yield Result(ROW, case, HOLDFAST, "memory", "KiB", [value], Goal(most=64.0), notes=notes)


def _speak_past(counter: Peer, reader: Peer, count: int) -> int:
    """Speak until the sockets of the silent are full and all are behind; return how many MiB."""
    for turn in range(1, 20):
        _speak(reader)
        if counter.census()["behind"] == count:
            return turn * _MIB
    raise RuntimeError("the sockets' buffers take all of it: nobody is behind")


def _at_rest(counter: Peer, reader: Peer) -> float:
    """Return the bytes in use when the last turn was a small one, whatever was said before it."""
    for _ in range(2):
        reader.order(_THREAD, {"do": "quiet"})
        reader.ended()
    return float(counter.census()["bytes"])


def _speak(reader: Peer) -> None:
    reader.order(_THREAD, {"do": "bulk", "kib": _MIB * KIB})
    reader.ended()

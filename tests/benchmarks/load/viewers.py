"""Many viewers in one process, which do nothing but count: one line of JSON says what to do.

A delivery is one offset that reached one viewer, merged or not. Each frame of Holdfast is checked
to go on where the last one ended; what it holds is not looked at, but for the times of paced runs.
"""

from __future__ import annotations

import json
import re
import select
import socket
import sys
import time
from typing import Any, Protocol

import orjson
from attrs import define, field

from ..harness.figures import quantile
from . import frames

_TIME = re.compile(rb"@(\d+)")
_FIRST = re.compile(rb'"offset":(\d+)')
_SECONDS = 120.0
# Seconds between two rounds of reading where no times are taken: larger reads cost less, so that
# it is the server that is measured and not its viewers.
_LET_GATHER = 0.002


@define(eq=False)
class Viewer:
    """One connection, and how far it is."""

    sock: socket.socket
    rest: bytes = b""
    delivered: int = 0
    frames: int = 0
    offset: int = 0
    ready: bool = False
    done: bool = False


@define
class Tally:
    """What all of them saw."""

    bytes: int = 0
    latencies: list[int] = field(factory=list)


class Dialect(Protocol):
    """How a server speaks."""

    path: str

    def open(self, viewer: Viewer, number: int) -> None:
        """Say what has to be said first; sets `ready`, or `take` does."""

    def take(self, viewer: Viewer, data: bytes, tally: Tally) -> int:
        """Count what is whole in `data`, and return how many bytes that is."""
        ...

    def go(self, viewers: list[Viewer]) -> None:
        """Have the server begin."""


class Holdfast:
    """Follows the threads that the order names, one for each viewer, and submits to each once."""

    path = "/ws"

    def __init__(self, order: dict[str, Any]) -> None:
        self._threads: list[str] = order["threads"]
        self._turns: dict[str, dict[str, Any]] = order["turns"]
        self._port = order["port"]
        self._timed: bool = order["timed"]

    def open(self, viewer: Viewer, number: int) -> None:
        attach = {"type": "attach", "id": "a", "thread": self._threads[number]}
        viewer.sock.sendall(frames.text(orjson.dumps(attach)))

    def take(self, viewer: Viewer, data: bytes, tally: Tally) -> int:
        found, taken = frames.split(data)
        for opcode, payload in found:
            if opcode == 9:
                viewer.sock.sendall(frames.pong(payload))
            elif payload.startswith(b'{"type":"events"'):
                self._events(viewer, payload, tally)
            elif payload.startswith(b'{"type":"caught_up"'):
                viewer.offset = _offset(payload)
                viewer.ready = True
            elif payload.startswith((b'{"type":"error"', b'{"type":"detached"')) or opcode == 8:
                raise RuntimeError(f"the server said {payload[:300]!r}")
        return taken

    def _events(self, viewer: Viewer, payload: bytes, tally: Tally) -> None:
        if not viewer.ready:
            return
        first = _FIRST.search(payload)
        if first is None or int(first[1]) != viewer.offset + 1:
            raise RuntimeError(f"not what follows {viewer.offset}: {payload[:300]!r}")
        now = _offset(payload)
        viewer.delivered += now - viewer.offset
        viewer.offset = now
        viewer.frames += 1
        if self._timed:
            _note_times(payload, tally)
        viewer.done = b'"type":"turn.completed"' in payload

    def go(self, viewers: list[Viewer]) -> None:
        sock, _ = frames.connect(self._port, "/ws")
        self._control = sock
        for thread, deed in self._turns.items():
            submit = {"type": "submit", "id": "s", "thread": thread}
            content = orjson.dumps(deed).decode()
            sock.sendall(frames.text(orjson.dumps({**submit, "content": content})))


def _offset(payload: bytes) -> int:
    # The cursor comes last: …,"cursor":"<epoch>.<offset>"}
    return int(payload[payload.rindex(b".") + 1 : -2])


def _note_times(payload: bytes, tally: Tally) -> None:
    now = time.monotonic_ns()
    tally.latencies += [now - int(at) for at in _TIME.findall(payload)]


class Plain:
    """A baseline that sends each token as a frame; the first connection tells it to begin."""

    path = "/"

    def __init__(self, order: dict[str, Any]) -> None:
        self._goal: int = order["frames"]
        self._go: dict[str, Any] = order["go"]
        self._timed: bool = order["timed"]

    def open(self, viewer: Viewer, number: int) -> None:
        viewer.ready = True

    def take(self, viewer: Viewer, data: bytes, tally: Tally) -> int:
        if self._timed:
            found, taken = frames.split(data)
            number = len(found)
            for _, payload in found:
                _note_times(payload, tally)
        else:
            number, taken = frames.count(data)
        viewer.frames += number
        viewer.delivered += number
        viewer.done = viewer.delivered >= self._goal
        return taken

    def go(self, viewers: list[Viewer]) -> None:
        viewers[0].sock.sendall(frames.text(orjson.dumps(self._go)))


class SocketIo(Plain):
    """python-socketio over WebSocket alone: Engine.IO's opening, then events."""

    path = "/socket.io/?EIO=4&transport=websocket"

    def open(self, viewer: Viewer, number: int) -> None:
        viewer.sock.sendall(frames.text(b"40"))

    def take(self, viewer: Viewer, data: bytes, tally: Tally) -> int:
        if viewer.ready:
            return super().take(viewer, data, tally)
        found, taken = frames.split(data)
        viewer.ready = any(payload.startswith(b"40") for _, payload in found)
        return taken

    def go(self, viewers: list[Viewer]) -> None:
        event = b"42" + orjson.dumps(["go", self._go])
        viewers[0].sock.sendall(frames.text(event))


_DIALECTS: dict[str, type[Holdfast | Plain]] = {
    "holdfast": Holdfast,
    "plain": Plain,
    "socketio": SocketIo,
}


class Crowd:
    """All viewers of this process."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._dialect: Dialect = _DIALECTS[order["dialect"]](order)
        self._timed: bool = order["timed"]
        self._poll = select.epoll()
        self._tally = Tally()
        self.viewers: list[Viewer] = []
        self._by_fd: dict[int, Viewer] = {}
        for number in range(order["viewers"]):
            self._connect(order["port"], number)

    def _connect(self, port: int, number: int) -> None:
        sock, rest = frames.connect(port, self._dialect.path)
        viewer = Viewer(sock, rest)
        self.viewers.append(viewer)
        self._by_fd[sock.fileno()] = viewer
        self._dialect.open(viewer, number)
        sock.setblocking(False)
        self._poll.register(sock.fileno(), select.EPOLLIN)

    def until(self, attribute: str) -> None:
        """Read until every viewer is `ready`, or `done`."""
        deadline = time.monotonic() + _SECONDS
        left = sum(not getattr(viewer, attribute) for viewer in self.viewers)
        while left:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{left} viewers are not {attribute}")
            if not self._timed:
                time.sleep(_LET_GATHER)
            for fd, _ in self._poll.poll(1.0):
                viewer = self._by_fd[fd]
                before = getattr(viewer, attribute)
                self._read(viewer)
                left -= getattr(viewer, attribute) and not before

    def _read(self, viewer: Viewer) -> None:
        data = viewer.sock.recv(1 << 18)
        if not data:
            raise ConnectionError("the server hung up")
        self._tally.bytes += len(data)
        if viewer.rest:
            data = viewer.rest + data
        viewer.rest = data[self._dialect.take(viewer, data, self._tally) :]

    def run(self) -> dict[str, Any]:
        """Have the server begin, and return what was seen until all are done."""
        began = time.monotonic()
        self._dialect.go(self.viewers)
        self.until("done")
        seconds = time.monotonic() - began
        seen = {
            "seconds": seconds,
            "deliveries": sum(viewer.delivered for viewer in self.viewers),
            "frames": sum(viewer.frames for viewer in self.viewers),
            "bytes": self._tally.bytes,
        }
        if self._tally.latencies:
            for name, share in (("p50", 0.5), ("p99", 0.99)):
                seen[name] = quantile(self._tally.latencies, share) / 1e9
        return seen


def main() -> None:
    """Open the connections, say so, wait for a line, run, and tell what was seen."""
    crowd = Crowd(json.loads(sys.stdin.readline()))
    crowd.until("ready")
    print(json.dumps({"ready": True}), flush=True)
    sys.stdin.readline()
    spent = time.process_time()
    seen = crowd.run()
    print(json.dumps({**seen, "client_cpu": time.process_time() - spent}), flush=True)


if __name__ == "__main__":
    main()

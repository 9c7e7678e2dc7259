"""One connection to Holdfast, blocking: for figures of a single command or attach."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

import orjson

from . import frames

if TYPE_CHECKING:
    from types import TracebackType


class Peer:
    """Speaks `holdfast.v1`.

    Args:
        port: where the server listens.
    """

    def __init__(self, port: int, *, buffer: int | None = None) -> None:
        self.sock, self._rest = frames.connect(port, "/ws", buffer=buffer)
        self._waiting: list[bytes] = []
        self._ids = map(str, itertools.count(1))
        self.welcome = self.until("welcome")

    def say(self, type: str, **fields: Any) -> str:
        """Send a command, and return its id."""
        id = next(self._ids)
        message = {"type": type, "id": id, **fields}
        self.sock.sendall(frames.text(orjson.dumps(message)))
        return id

    def hear(self) -> dict[str, Any]:
        """Return the next message; pings of the socket are answered."""
        while not self._waiting:
            self._read()
        message: dict[str, Any] = orjson.loads(self._waiting.pop(0))
        return message

    def until(self, type: str) -> dict[str, Any]:
        """Return the next message of a type, dropping those before it."""
        while (message := self.hear())["type"] != type:
            _check(message)
        return message

    def call(self, type: str, **fields: Any) -> dict[str, Any]:
        """Send a command and return its reply, dropping what comes before it."""
        id = self.say(type, **fields)
        while (message := self.hear()).get("id") != id or message["type"] != "reply":
            _check(message)
        return message

    def timed(self, type: str, **fields: Any) -> float:
        """Return the seconds from a command to its reply."""
        began = time.perf_counter()
        self.call(type, **fields)
        return time.perf_counter() - began

    def attach(self, thread: str, cursor: str | None = None, **fields: Any) -> list[dict[str, Any]]:
        """Attach, and return what comes up to `caught_up`, `attached` first."""
        self.say("attach", thread=thread, **({"cursor": cursor} if cursor else {}), **fields)
        heard = [self.until("attached")]
        while heard[-1]["type"] != "caught_up":
            heard.append(self.hear())
        return heard

    def census(self) -> dict[str, Any]:
        """Return what the server's process has counted; see `load.server`."""
        self.attach("census", window=1)
        self.order("census", {"do": "census"})
        said = ""
        while True:
            for event in self.until("events")["events"]:
                said += event.get("text", "")
                if event["type"] in _ENDINGS:
                    told: dict[str, Any] = orjson.loads(said)
                    return told

    def order(self, thread: str, deed: dict[str, Any]) -> dict[str, Any]:
        """Submit what the handlers are to do, and return the reply."""
        return self.call("submit", thread=thread, content=orjson.dumps(deed).decode())

    def ended(self, turn: str | None = None) -> None:
        """Wait, attached, until a turn has ended."""
        while True:
            for event in self.until("events")["events"]:
                if event["type"] in _ENDINGS and turn in (None, event["turn"]):
                    return

    def close(self) -> None:
        """Hang up."""
        self.sock.close()

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _read(self) -> None:
        found, taken = frames.split(self._rest)
        self._rest = self._rest[taken:]
        for opcode, payload in found:
            if opcode == 1:
                self._waiting.append(payload)
            elif opcode == 9:
                self.sock.sendall(frames.pong(payload))
            elif opcode == 8:
                raise ConnectionError(f"the server closed: {payload!r}")
        if not found:
            data = self.sock.recv(1 << 20)
            if not data:
                raise ConnectionError("the server hung up")
            self._rest += data


_ENDINGS = {
    f"turn.{state}"
    for state in ("completed", "cancelled", "failed", "interrupted", "superseded", "timed_out")
}


def _check(message: dict[str, Any]) -> None:
    if message["type"] == "error":
        raise RuntimeError(f"refused: {message}")

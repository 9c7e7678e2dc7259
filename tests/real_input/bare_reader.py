"""A viewer that is nothing but a WebSocket: it checks what the server says, by the protocol page.

It shares no code with the runtime or its client, so that it cannot share their mistakes.
"""

from __future__ import annotations

import json
from typing import Any

import trio
from attrs import define, field
from trio_websocket import (
    ConnectionClosed,
    HandshakeError,
    WebSocketConnection,
    wrap_client_stream,
)

SECONDS_TO_SHAKE = 2
_GONE = (
    HandshakeError,
    ConnectionClosed,
    trio.BrokenResourceError,
    trio.TooSlowError,
    OSError,
)
PIECE = dict[str, Any]


class Violation(Exception):
    """The server said something that it must not say."""


@define
class Seen:
    """One thread as a viewer shows it: rebuilt from snapshots and events alone.

    Attributes:
        items: by id, in the order in which they are shown.
        offset: the last one seen.
        ranges: what events covered, as (first, last), since the last snapshot.
        ended: terminal events by turn, with the offset of each.
        started: turns that were started.
        snapshots, resumes: how often the stream began in that way.
        heard_at: when the last piece of an answer came, on trio's clock.
    """

    thread: str
    epoch: str | None = None
    offset: int = 0
    cursor: str | None = None
    items: dict[str, PIECE] = field(factory=dict)
    turns: list[str] = field(factory=list)
    ended: dict[str, tuple[str, int]] = field(factory=dict)
    events: int = 0
    snapshots: int = 0
    resumes: int = 0
    heard_at: float = float("-inf")
    _moved: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot, repr=False)

    async def attached(self) -> None:
        """Wait until the first stream has begun."""
        while self.cursor is None:
            await self._moved.park()

    async def ending(self, turn: str) -> str:
        """Wait until a turn was seen to end, and return how."""
        while turn not in self.ended:
            await self._moved.park()
        return self.ended[turn][0]

    @property
    def running(self) -> list[str]:
        """The turns that were started and have not ended."""
        return [turn for turn in self.turns if turn not in self.ended]

    def take(self, message: PIECE) -> None:
        """Take one message of the server's."""
        self._moved.unpark_all()  # they look once this is taken in
        match message["type"]:
            case "attached":
                self._attached(message)
            case "snapshot":
                self._snapshot(message)
            case "events":
                for event in message["events"]:
                    self._event(event)
                self._moved_to(message["cursor"])
            case "caught_up":
                self._moved_to(message["cursor"])
            case "error" | "detached":
                raise Violation(f"{self.thread}: {message}")

    def _attached(self, message: PIECE) -> None:
        if message["mode"] == "resume":
            self.resumes += 1
            if message["cursor"] != self.cursor:
                raise Violation(f"resumed at {message['cursor']}, asked for {self.cursor}")
        elif self.cursor is not None and message["mode"] == "reset":
            raise Violation(f"{self.thread} was reset: {message}")

    def _snapshot(self, message: PIECE) -> None:
        self.snapshots += 1
        self.cursor = message["cursor"]
        epoch, offset = message["cursor"].split(".")
        if self.epoch not in (None, epoch):
            raise Violation(f"{self.thread} changed its epoch")
        if int(offset) < self.offset:
            raise Violation(f"{self.thread} went back from {self.offset} to {offset}")
        self.epoch, self.offset = epoch, int(offset)
        live = message["turn"]
        shown = [*message["items"], *(live["items"] if live else ())]
        shown += [item for queued in message["queue"] for item in queued["items"]]
        self.items = {item["item"]: dict(item) for item in shown}
        if live and live["turn"] not in self.turns:
            self.turns.append(live["turn"])

    def _event(self, event: PIECE) -> None:
        if event["offset"] != self.offset + 1:
            raise Violation(f"{self.thread}: offset {event['offset']} after {self.offset}")
        self.offset = event.get("to", event["offset"])
        self.events += 1
        turn = event.get("turn")
        match event["type"]:
            case "turn.submitted":
                item = {"kind": "message", "turn": turn, "content": event["content"]}
                self.items[event["item"]] = item
            case "turn.started":
                self.turns.append(turn)
            case "turn.delta":
                item = self.items.setdefault(
                    event["item"], {"kind": "answer", "turn": turn, "text": ""}
                )
                item["text"] += event["text"]
                self.heard_at = trio.current_time()
            case "thread.created":
                pass
            case ending:
                self._end(event, ending.removeprefix("turn."))

    def _end(self, event: PIECE, state: str) -> None:
        turn = event["turn"]
        if turn in self.ended:
            raise Violation(f"turn {turn} ended twice: {self.ended[turn]}, then {event}")
        self.ended[turn] = (state, event["offset"])
        if "item" in event:
            self.items[event["item"]] = {"kind": "marker", "turn": turn, "reason": state}

    def _moved_to(self, cursor: str) -> None:
        if cursor != f"{self.epoch}.{self.offset}":
            raise Violation(f"{self.thread}: cursor {cursor} at offset {self.offset}")
        self.cursor = cursor

    def transcript(self) -> list[tuple[str, str, str]]:
        """Return (turn, kind, text) of everything that is shown, in order of turns."""
        order = {turn: place for place, turn in enumerate(self.turns)}
        shown = sorted(self.items.values(), key=lambda item: order.get(item["turn"], len(order)))
        return [(item["turn"], item["kind"], _text(item)) for item in shown]


def _text(item: PIECE) -> str:
    return str(item.get("content", item.get("text", item.get("reason", ""))))


async def watch(seen: Seen, port: int) -> None:
    """Follow a thread through any number of connections, until cancelled."""
    while True:
        try:
            await _watch_once(seen, port)
        except* _GONE:
            pass  # cut, or the server is being restarted
        await trio.sleep(0.01)


async def _watch_once(seen: Seen, port: int) -> None:
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    try:
        async with trio.open_nursery() as nursery:
            # The library waits for ever for the answer of a server that died before it came.
            with trio.fail_after(SECONDS_TO_SHAKE):
                socket = await wrap_client_stream(
                    nursery, stream, f"127.0.0.1:{port}", "/ws", subprotocols=["holdfast.v1"]
                )
            await _follow(socket, seen)
    finally:
        await trio.aclose_forcefully(stream)


async def _follow(socket: WebSocketConnection, seen: Seen) -> None:
    attach = {"type": "attach", "id": "a", "thread": seen.thread}
    if seen.cursor is not None:
        attach["cursor"] = seen.cursor
    await socket.send_message(json.dumps(attach))
    while True:
        message = json.loads(await socket.get_message())
        if message.get("thread") == seen.thread or message.get("id") == "a":
            seen.take(message)

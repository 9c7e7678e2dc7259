"""What a page talks to in place of a server: it says what the test has it say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import define, field

if TYPE_CHECKING:
    from playwright.sync_api import WebSocketRoute

WELCOME = {
    "type": "welcome",
    "protocol": "holdfast.v1",
    "instance": "i-1",
    "limits": {"command_bytes": 65536},
    "heartbeat_seconds": 20,
}
EMPTY: dict[str, Any] = {"items": [], "before": None, "turn": None, "queue": [], "attributes": {}}


@define(slots=False)  # Playwright keeps notes of its own on what it calls
class ScriptedPeer:
    """A peer that shows a thread as it is told to, and hears what the page says.

    Args:
        snapshot: what an attach without a cursor is shown.
        attached: what `attached` says of one with a cursor.
    """

    snapshot: dict[str, Any] = field(factory=EMPTY.copy)
    attached: dict[str, Any] = field(factory=lambda: {"mode": "resume"})
    heard: list[dict[str, Any]] = field(factory=list)
    connections: int = 0
    _socket: "WebSocketRoute | None" = None

    def connect(self, socket: WebSocketRoute) -> None:
        """Take a connection of the page."""
        self.connections += 1
        self._socket = socket
        socket.on_message(self._on_message)
        self.say(**WELCOME)

    def say(self, **message: Any) -> None:
        """Send a message."""
        assert self._socket is not None
        self._socket.send(json.dumps(message))

    def say_events(self, *events: dict[str, Any], first: int = 2) -> None:
        """Send events in a row, of turn `t1` unless they say otherwise."""
        numbered = [
            {"offset": offset, "at": 1, "turn": "t1", **event}
            for offset, event in enumerate(events, first)
        ]
        last = first + len(events) - 1
        self.say(type="events", thread=self._thread, events=numbered, cursor=f"1.{last}")

    def close(self, code: int, reason: str) -> None:
        """Close the connection."""
        assert self._socket is not None
        self._socket.close(code=code, reason=reason)

    def heard_of(self, kind: str) -> list[dict[str, Any]]:
        """Return the messages of a type that were heard."""
        return [message for message in self.heard if message["type"] == kind]

    @property
    def _thread(self) -> str:
        return str(self.heard_of("attach")[-1]["thread"])

    def _on_message(self, payload: str | bytes) -> None:
        message = json.loads(payload)
        self.heard.append(message)
        if message["type"] == "attach":
            self._attach(message["id"], message.get("cursor"))

    def _attach(self, label: str, cursor: str | None) -> None:
        how = {"mode": "snapshot"} if cursor is None else self.attached
        here = {"thread": self._thread, "cursor": "1.1"}
        self.say(type="attached", id=label, **here, **how)
        if how["mode"] != "resume":
            self.say(type="snapshot", **here, **self.snapshot)
        self.say(type="caught_up", **here)

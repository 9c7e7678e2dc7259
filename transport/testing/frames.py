"""One connection's frames, held against the rules of docs/reference/protocol.md one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import define, field

from .conformance.watch import Watch


@define(eq=False)
class Frames:
    """What goes over a connection, judged frame by frame, as `holdfast conform` does."""

    _watch: Watch = field(factory=Watch)
    _asked: dict[str, dict[str, Any]] = field(factory=dict)
    _attached: dict[str, str] = field(factory=dict)

    def sent(self, message: dict[str, Any]) -> None:
        """Take note of what the client says."""
        self._watch.sent(message)
        if "id" in message:
            self._asked[message["id"]] = message

    def take(self, message: dict[str, Any]) -> Iterator[tuple[str, str]]:
        """Look at what the server says, and yield the rules that it breaks, and how."""
        self._watch.take(message)
        for violation in self._watch.found:
            yield violation.rule or "", str(violation)
        self._watch.found.clear()
        yield from self._answers(message)

    def _answers(self, message: dict[str, Any]) -> Iterator[tuple[str, str]]:
        match message:
            case {"type": "detached", "thread": thread}:
                self._attached.pop(thread, None)
            case {"type": "attached", "thread": thread, "id": label}:
                self._attached[thread] = label
                yield from self._answered(label)
            case {"type": "reply" | "error" | "pong", "id": label}:
                yield from self._in_order(label)
                yield from self._answered(label)

    def _answered(self, label: str) -> Iterator[tuple[str, str]]:
        if self._asked.pop(label, None) is None:
            yield "6", f"an answer to {label}, which nobody asked or which was answered"

    def _in_order(self, label: str) -> Iterator[tuple[str, str]]:
        asked = self._asked.get(label, {})
        if asked.get("type") == "attach":  # refused, and the one before is gone with it
            self._attached.pop(asked["thread"], None)
        if asked.get("type") == "detach" and asked["thread"] in self._attached:
            yield "13", f"the reply to a detach of {asked['thread']} before what detaches it"

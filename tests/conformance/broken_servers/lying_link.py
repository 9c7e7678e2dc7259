"""A link between a session and its client that changes what either of them says."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

from attrs import define, field

from transport.link import Link

Message = dict[str, Any]


class Lie:
    """Changes nothing; each broken server changes one thing. One for each connection."""

    def heard(self, message: Message) -> list[Message]:
        """Return what the session is to hear instead of a client's message."""
        return [message]

    def said(self, message: Message) -> list[Message]:
        """Return what the client is to hear instead of a session's message."""
        return [message]

    def answered(self, message: Message) -> list[Message]:
        """Return what the client hears at once, before the session hears the message."""
        return []

    def closes(self, code: int) -> int:
        """Return the code that a connection is closed with."""
        return code


@define(eq=False)
class LyingLink:
    """A session's link with a lie in it."""

    link: Link
    lie: Lie
    _waiting: deque[str | bytes] = field(factory=deque)

    @property
    def peer(self) -> str:
        return self.link.peer

    async def receive(self) -> str | bytes:
        while not self._waiting:
            raw = await self.link.receive()
            message = _object(raw) if isinstance(raw, str) else None
            if message is None:
                return raw
            for answer in self.lie.answered(message):
                await self.link.send_text(json.dumps(answer))
            self._waiting += map(json.dumps, self.lie.heard(message))
        return self._waiting.popleft()

    async def send_text(self, text: bytes | str) -> None:
        message = _object(text)
        assert message is not None
        for each in self.lie.said(message):
            await self.link.send_text(json.dumps(each))

    async def ping(self) -> None:
        await self.link.ping()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        await self.link.aclose(self.lie.closes(code), reason)

    def abort(self) -> None:
        self.link.abort()


def _object(raw: str | bytes) -> Message | None:
    """Return the JSON object in a message; None where it is something else, to be left alone."""
    if raw[:1] not in ("{", b"{"):
        return None
    try:
        message = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    # What JSON readers disagree about is passed on as it came.
    return message if json.dumps(message) == raw or isinstance(raw, bytes) else None

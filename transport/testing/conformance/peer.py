"""A bare client that keeps all that it says and hears, and watches what holds in every check."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any, Final

import trio
from attrs import define, field

from .channel import Channel, ChannelClosed
from .check import Violation
from .stream import OF_THREADS, Message, is_ending, said
from .watch import Watch

# Seconds for one answer, on a machine that is busy with other things as well.
PATIENCE: Final = 15.0
_ANSWERS: Final = frozenset({"reply", "error", "attached"})


@define(eq=False)
class Peer:
    """One connection.

    Attributes:
        heard: every message so far, in the order in which they came.
        log: what was said and heard, each line with an arrow.
        code: how the connection was closed; None while it is open.
        watch: what it found in the messages that no server may do.
    """

    channel: Channel
    heard: list[Message] = field(factory=list)
    log: list[str] = field(factory=list)
    code: int | None = None
    watch: Watch = field(factory=Watch)
    _ids: count[int] = field(factory=count)
    _moved: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    async def read(self) -> None:
        """Take in what comes until the connection is closed."""
        try:
            while True:
                self._take(await self.channel.receive())
        except ChannelClosed as closed:
            self.code = closed.code
            self.log.append(f"← closed with {closed.code}")
        self._moved.unpark_all()

    def _take(self, text: str | bytes) -> None:
        self.log.append(f"← {text!s}")
        message = json.loads(text) if isinstance(text, str) else None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            message = {"type": "?", "was": text}
            self.watch.found.append(Violation("an object with a type", text, "messages"))
        self.heard.append(message)
        self.watch.take(message)
        self._moved.unpark_all()

    # Saying

    async def send(self, message: object) -> None:
        """Send a message: text and bytes as they are, anything else as JSON."""
        raw = message if isinstance(message, str | bytes) else json.dumps(message)
        self.log.append(f"→ {raw!s}")
        if isinstance(message, dict):
            self.watch.sent(message)
        with suppress(ChannelClosed):  # `code` tells
            await self.channel.send(raw)

    async def post(self, type: str, **fields: Any) -> str:
        """Send a command without waiting for its answer; return its id."""
        label = f"c{next(self._ids)}"
        await self.send({"type": type, "id": label, **fields})
        return label

    async def answer(self, label: str) -> Message:
        """Wait for the answer to a command: `reply`, `error` or `attached`."""
        return await self.until(
            lambda m: m.get("id") == label and m["type"] in _ANSWERS, f"an answer with id {label}"
        )

    async def ask(self, type: str, **fields: Any) -> Message:
        """Send a command, and return its answer."""
        return await self.answer(await self.post(type, **fields))

    async def done(self, type: str, **fields: Any) -> Message:
        """Send a command that is not refused, and return its reply."""
        answer = await self.ask(type, **fields)
        if answer["type"] == "error":
            raise Violation(f"a reply to {type}", answer)
        return answer

    async def submit(self, thread: str, content: object, **fields: Any) -> Message:
        """Submit, and return the receipt."""
        return await self.done("submit", thread=thread, content=content, **fields)

    async def refusal(self, code: str, type: str, **fields: Any) -> Message:
        """Send a command that is refused with this code, and return the error."""
        answer = await self.ask(type, **fields)
        if (answer["type"], answer.get("code")) != ("error", code):
            raise Violation(f"{type} refused as {code}", answer)
        return answer

    # Following

    async def attach(self, thread: str, **fields: Any) -> Message:
        """Attach, and return `attached` once the stream has caught up."""
        since = len(self.heard)
        attached = await self.done("attach", thread=thread, **fields)
        if attached["type"] != "attached":
            raise Violation("attached", attached)
        await self.until(lambda m: is_of(m, "caught_up", thread), "caught_up", since)
        return attached

    async def until(
        self, wanted: Callable[[Message], object], what: str, since: int = 0
    ) -> Message:
        """Wait for the first message from `since` on that is wanted.

        Raises:
            Violation: the connection was closed first, or nothing of the kind came in time.
        """
        at = since
        with trio.move_on_after(PATIENCE):
            while True:
                while at < len(self.heard):
                    at += 1
                    if wanted(self.heard[at - 1]):
                        return self.heard[at - 1]
                if self.code is not None:
                    raise Violation(what, f"a close with {self.code}")
                await self._moved.park()
        raise Violation(what, f"nothing of the kind in {PATIENCE:g} seconds")

    async def until_event(
        self, thread: str, wanted: Callable[[Message], object], what: str
    ) -> Message:
        """Wait for an event of a thread."""

        def carries(message: Message) -> bool:
            return is_of(message, "events", thread) and any(map(wanted, message["events"]))

        message = await self.until(carries, what)
        return next(event for event in message["events"] if wanted(event))

    async def until_said(self, thread: str, turn: str, text: str) -> None:
        """Wait until a turn's answer is, or ends with, a text."""
        await self.until(
            lambda _: said(self.events(thread), turn).endswith(text), f"{text!r} from {turn}"
        )

    async def until_part(self, thread: str, turn: str, part: str) -> None:
        """Wait until a turn's answer has a part in it."""
        await self.until(
            lambda _: part in said(self.events(thread), turn), f"{part!r} in the answer of {turn}"
        )

    async def ending(self, thread: str, turn: str) -> Message:
        """Wait for a turn's terminal event."""
        return await self.until_event(
            thread,
            lambda e: e.get("turn") == turn and is_ending(e),
            f"a terminal event of turn {turn}",
        )

    async def closed(self) -> int:
        """Wait until the connection is closed, and return how.

        Raises:
            Violation: it is not.
        """
        with trio.move_on_after(PATIENCE):
            while self.code is None:
                await self._moved.park()
        if self.code is None:
            raise Violation("a close", f"none in {PATIENCE:g} seconds")
        return self.code

    def of(self, thread: str, since: int = 0) -> list[Message]:
        """Return what was heard of a thread's stream."""
        return [m for m in self.heard[since:] if m.get("thread") == thread and is_stream(m)]

    def events(self, thread: str, since: int = 0) -> list[Message]:
        """Return the thread's events."""
        return [event for m in self.of(thread, since) for event in m.get("events", ())]

    def snapshot(self, thread: str, since: int = 0) -> Message:
        """Return the thread's first snapshot.

        Raises:
            Violation: there was none.
        """
        for message in self.of(thread, since):
            if message["type"] == "snapshot":
                return message
        raise Violation("a snapshot", [m["type"] for m in self.of(thread, since)])

    async def settle(self) -> None:
        """See that the connection takes messages and answers them: all before is heard then."""
        label = f"ping{next(self._ids)}"
        await self.send({"type": "ping", "id": label})
        pong = await self.until(lambda m: m.get("id") == label, f"a pong with id {label}")
        if pong["type"] != "pong":
            raise Violation(f"a pong with id {label}", pong)

    def cut(self) -> None:
        """End the connection without a word."""
        self.channel.cut()


def is_of(message: Message, type: str, thread: str) -> bool:
    """Say whether a message is of a type and a thread."""
    return message["type"] == type and message.get("thread") == thread


def is_stream(message: Message) -> bool:
    """Say whether a message is part of a thread's stream."""
    return message["type"] in OF_THREADS

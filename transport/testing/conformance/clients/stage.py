"""A server of which a script says every word, for the client under test to connect to."""

from __future__ import annotations

import json
import math
from typing import Any, Final, Protocol

import trio
from attrs import define, field

from ..channel import ChannelClosed
from ..check import Violation
from ..fields import FIELDS
from ..stream import Message

# The thread that the client follows, and the one that it works on.
SCRIPT: Final = "script"
WORK: Final = "work"
# What a snapshot of nothing has beside its place.
EMPTY: Final[Message] = {
    **{"items": [], "before": None, "turn": None},
    **{"queue": [], "attributes": {}},
}
# Seconds for the client to do what is due: it may be a slow starter, and wait for up to 20 s.
PATIENCE: Final = 25.0
# Messages of a client that are waiting to be looked at; a script asks for a few.
_MESSAGES: Final = 1000
# What a client may say at any time.
_ASIDES: Final = frozenset({"hello", "ping", "pong"})


class Line(Protocol):
    """The server's end of one connection."""

    async def send(self, message: str) -> None:
        """Send one text message. Raises ChannelClosed. Cancellation may leave it torn."""

    async def receive(self) -> str | bytes:
        """Return the next message. Raises ChannelClosed. Cancellation loses nothing."""
        ...

    async def close(self, code: int) -> None:
        """Close with a close code. Cancellation cuts."""

    def cut(self) -> None:
        """End the connection at once, without a word."""


@define(eq=False)
class Connection:
    """One connection, as the server has it. Made by `Stage.accept`."""

    line: Line
    log: list[str]
    faults: list[Violation]
    answered: dict[str, Message]
    _said: trio.MemorySendChannel[Message] = field(init=False)
    _heard: trio.MemoryReceiveChannel[Message] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._said, self._heard = trio.open_memory_channel[Message](_MESSAGES)

    async def read(self) -> None:
        """Take what the client says until it leaves, and see that a server would understand it."""
        with self._said:
            try:
                while True:
                    await self._take(await self.line.receive())
            except ChannelClosed as closed:
                self.log.append(f"← left with {closed.code}")

    async def _take(self, raw: str | bytes) -> None:
        self.log.append(f"← {raw!s}")
        message = _parsed(raw)
        known = FIELDS.get(str(message.get("type")))
        if known is None or not set(message) - {"type"} <= set(known):
            self.faults.append(Violation("a known message with known fields", raw, "messages"))
        elif message["type"] == "ping":
            await self.say({**message, "type": "pong"})
        elif (answer := self.answered.get(str(message.get("key")))) is not None:
            # As any server does; the receipt may have been lost with the connection.
            await self.say({**answer, "id": message.get("id"), "duplicate": True})
            return
        if message.get("type") not in _ASIDES:
            self._said.send_nowait(message)

    async def say(self, *messages: Message) -> None:
        """Send messages; a client that has left meanwhile does not hear them."""
        for message in messages:
            text = json.dumps(message)
            self.log.append(f"→ {text}")
            try:
                await self.line.send(text)
            except ChannelClosed:
                return

    async def expect(self, type: str, **fields: Any) -> Message:
        """Return the client's next message, which has to be of this type, with these values.

        Raises:
            Violation: it is another, none came in time, or the client left.
        """
        told = ", ".join([type, *(f"{name} {value!r}" for name, value in fields.items())])
        came: Message | str = f"nothing in {PATIENCE:g} seconds"
        with trio.move_on_after(PATIENCE):
            try:
                came = await self._heard.receive()
            except trio.EndOfChannel:
                came = "the client left"
        if isinstance(came, str) or came.get("type") != type:
            raise Violation(told, came)
        if any(came.get(name) != value for name, value in fields.items()):
            raise Violation(told, came)
        return came

    async def expect_nothing(self, seconds: float) -> None:
        """Wait so long, and see that the client asks for nothing.

        Raises:
            Violation: it does.
        """
        with trio.move_on_after(seconds):
            try:
                message = await self._heard.receive()
            except trio.EndOfChannel:
                return
            raise Violation(f"nothing more for {seconds:g} seconds", message)

    def cut(self) -> None:
        """End the connection without a word."""
        self.log.append("→ cut")
        self.line.cut()

    async def close(self, code: int) -> None:
        """Close the connection with a code."""
        self.log.append(f"→ close with {code}")
        await self.line.close(code)


def _parsed(raw: str | bytes) -> Message:
    try:
        message = json.loads(raw) if isinstance(raw, str) else None
    except ValueError:
        message = None
    return message if isinstance(message, dict) else {}


@define(eq=False)
class Stage:
    """Takes the client's connections one after the other.

    Attributes:
        dialled: when the client connected, in seconds of trio's clock.
        log: what was said and heard on all connections.
        faults: what no client may say.
        epoch, offset: where the script stands.
    """

    arrivals: trio.MemoryReceiveChannel[Line]
    nursery: trio.Nursery
    dialled: list[float] = field(factory=list)
    log: list[str] = field(factory=list)
    faults: list[Violation] = field(factory=list)
    answered: dict[str, Message] = field(factory=dict)
    epoch: str = "1"
    offset: int = 1

    @property
    def cursor(self) -> str:
        """Where the script stands."""
        return f"{self.epoch}.{self.offset}"

    async def accept(self) -> Connection:
        """Wait for the client to connect.

        Raises:
            Violation: it does not.
        """
        with trio.move_on_after(PATIENCE):
            return self._met(await self.arrivals.receive())
        raise Violation("a connection", f"none in {PATIENCE:g} seconds")

    def _met(self, line: Line) -> Connection:
        self.dialled.append(trio.current_time())
        self.log.append("← connects")
        connection = Connection(line, self.log, self.faults, self.answered)
        self.nursery.start_soon(connection.read)
        return connection

    async def expect_nobody(self, seconds: float) -> None:
        """Wait so long, and see that the client stays away.

        Raises:
            Violation: it connects.
        """
        with trio.move_on_after(seconds):
            self._met(await self.arrivals.receive())
            raise Violation(f"no connection for {seconds:g} seconds", "a connection")

    async def greet(self) -> Connection:
        """Wait for the client to connect, and welcome it."""
        connection = await self.accept()
        limits = {"command_bytes": 65536, "frame_bytes": 1 << 20}
        welcome = {"protocol": "holdfast.v1", "instance": "scripted", "limits": limits}
        await connection.say({"type": "welcome", **welcome, "heartbeat_seconds": 20})
        return connection

    async def follow(self) -> Connection:
        """Have the client connect, and follow the script from an empty snapshot at 1.1 on."""
        connection = await self.greet()
        attach = await connection.expect("attach", thread=SCRIPT)
        if attach.get("cursor") is not None:
            raise Violation("a first attach without a cursor", attach)
        await self.show(connection, attach, "1.1")
        await self.heard(connection)
        return connection

    async def heard(self, connection: Connection) -> None:
        """Wait until the client has heard all that was said, by an order that it obeys."""
        await self.tell(connection, "submit heard")
        submit = await connection.expect("submit", thread=WORK, content="heard")
        await self.receipt(connection, submit)

    async def show(
        self, connection: Connection, attach: Message, cursor: str, **attached: Any
    ) -> None:
        """Answer an attach by an empty snapshot, from which the stream goes on."""
        at = {"thread": SCRIPT, "cursor": cursor}
        epoch, _, offset = cursor.partition(".")
        self.epoch, self.offset = epoch, int(offset)
        await connection.say(
            {"type": "attached", "id": attach["id"], **at, "mode": "snapshot", **attached},
            {"type": "snapshot", **at, **EMPTY},
            {"type": "caught_up", **at},
        )

    async def resumed(self) -> Connection:
        """Have the client come back with the cursor of what it has heard, and resume there."""
        connection = await self.greet()
        attach = await connection.expect("attach", thread=SCRIPT, cursor=self.cursor)
        await self.resume(connection, attach)
        return connection

    async def resume(self, connection: Connection, attach: Message) -> None:
        """Answer an attach by going on at its cursor."""
        at = {"thread": SCRIPT, "cursor": attach["cursor"]}
        await connection.say(
            {"type": "attached", "id": attach["id"], **at, "mode": "resume"},
            {"type": "caught_up", **at},
        )

    async def tell(self, connection: Connection, *words: str) -> None:
        """Have the client do something: each is the message of a turn in the script."""
        for word in words:
            turn = f"t{self.offset}"
            body = {"turn": turn, "item": f"{turn}.0", "content": word, "author": "local"}
            await self.events(connection, {"type": "turn.submitted", **body})

    async def events(self, connection: Connection, *events: Message) -> None:
        """Say events at the next offsets; each with its own `covers`, 1 where it has none."""
        told = []
        for event in events:
            covers = event.pop("covers", 1)
            first = self.offset + 1
            self.offset += covers
            place = {"offset": first, "to": self.offset} if covers > 1 else {"offset": first}
            told.append({**place, "at": 0.0, **event})
        at = {"thread": SCRIPT, "cursor": self.cursor}
        await connection.say({"type": "events", **at, "events": told})

    async def receipt(self, connection: Connection, submit: Message) -> None:
        """Answer a submit."""
        body = {"type": "reply", "turn": "w1", "cursor": "1.2", "duplicate": False}
        self.answered[str(submit.get("key"))] = body
        await connection.say({**body, "id": submit["id"]})


def longest_wait(attempt: int) -> float:
    """Return how long a client may wait before an attempt to come back, counted from 0."""
    return min(0.1 * math.pow(2, attempt), 20.0)

"""A server in a few plain lines: enough of `holdfast.v1` to try a client on.

It keeps logs of bare offsets and remembers what it was asked, on which connection, in which life of
the thread. Frames wait in `outbox` until a test hands them over.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from attrs import Factory, define, frozen

from actors.core.events import Entry, ThreadCreated
from actors.core.position import Position, parse_cursor
from actors.errors import PositionUnrecoverable
from transport.wire.codec import decode_client, encode_server
from transport.wire.messages import (
    Attach,
    Attached,
    CancelReply,
    CaughtUp,
    Delete,
    DeleteReply,
    Detach,
    Detached,
    DetachReply,
    ErrorMessage,
    Events,
    Goaway,
    Reply,
    Snapshot,
    Submit,
    SubmitReply,
)


@define
class Log:
    epoch: int = 1
    entries: list[Entry] = Factory(list)
    floor: int = 0

    @property
    def head(self) -> Position:
        return Position(self.epoch, self.entries[-1].to if self.entries else 0)

    def append(self, width: int) -> Entry:
        first = self.head.offset + 1
        entry = Entry(first, first + width - 1, 0.0, ThreadCreated())
        self.entries.append(entry)
        return entry

    def after(self, offset: int) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.offset > offset)


@frozen
class Taken:
    """A command that arrived: on which connection, and in which life of its thread."""

    connection: int
    command: Any
    epoch: int


@define
class FakeServer:
    connection: int = 0
    outbox: list[str] = Factory(list)
    logs: dict[str, Log] = Factory(lambda: defaultdict(Log))
    attached: set[str] = Factory(set)
    taken: list[Taken] = Factory(list)
    receipts: dict[tuple[str, int, str], str] = Factory(dict)
    busy: bool = False
    draining: bool = False

    def begin(self) -> None:
        self.draining = False
        self.connection += 1
        self.outbox.clear()
        self.attached.clear()

    def say(self, message: Any) -> None:
        self.outbox.append(encode_server(message).decode())

    def take(self, frame: str) -> None:
        command: Any = decode_client(frame)
        if self.draining and not isinstance(command, Detach):
            self.say(ErrorMessage("draining", "later", True, command.id))
            return
        self.taken.append(Taken(self.connection, command, self.logs[command.thread].epoch))
        handle = getattr(self, f"_{type(command).__name__.lower()}")
        handle(command, self.logs[command.thread])

    def append(self, thread: str, width: int) -> None:
        self._publish(thread, self.logs[thread].append(width))

    def fall_behind(self, thread: str) -> None:
        """A reader misses events, and is shown a snapshot in mid-attachment instead."""
        log = self.logs[thread]
        log.append(3)
        if thread in self.attached:
            self._snapshot(thread, log)

    def drain(self, *, says_goaway: bool) -> None:
        """Refuse whatever comes on this connection, with or without a word of warning."""
        self.draining = True
        if says_goaway:
            self.say(Goaway(1))

    def delete(self, thread: str) -> None:
        log = self.logs[thread]
        if thread in self.attached:
            self.attached.discard(thread)
            self.say(Detached(thread, log.head.cursor(), "deleted"))
        self.logs[thread] = Log(log.epoch + 1)

    def _publish(self, thread: str, *entries: Entry) -> None:
        if thread in self.attached and entries:
            cursor = Position(self.logs[thread].epoch, entries[-1].to).cursor()
            self.say(Events(thread, entries, cursor))

    def _snapshot(self, thread: str, log: Log) -> None:
        self.say(Snapshot(thread, log.head.cursor(), (), None, None, (), {}))

    def _attach(self, command: Attach, log: Log) -> None:
        if self.busy:
            self.busy = False
            self.say(ErrorMessage("overloaded", "later", True, command.id))
            return
        mode, reason, position = self._plan(command.cursor, log)
        self.attached.add(command.thread)
        self.say(Attached(command.id, command.thread, position.cursor(), mode, reason))
        if mode != "resume":
            self._snapshot(command.thread, log)
        self._publish(command.thread, *log.after(position.offset))
        self.say(CaughtUp(command.thread, log.head.cursor()))

    def _plan(self, cursor: str | None, log: Log) -> tuple[str, str | None, Position]:
        if cursor is None:
            return "snapshot", None, log.head
        try:
            position = parse_cursor(cursor)
        except PositionUnrecoverable:
            return "reset", "unreadable", log.head
        if position.epoch != log.epoch:
            return "reset", "deleted" if position.epoch < log.epoch else "epoch", log.head
        if position.offset < log.floor:
            return "snapshot", "truncated", log.head
        return "resume", None, position

    def _detach(self, command: Detach, log: Log) -> None:
        if command.thread in self.attached:
            self.attached.discard(command.thread)
            self.say(Detached(command.thread, log.head.cursor(), "requested"))
        self.say(Reply(command.id, DetachReply()))

    def _submit(self, command: Submit, log: Log) -> None:
        name = (command.thread, log.epoch, command.key or command.id)
        duplicate = name in self.receipts
        if not duplicate:
            entry = log.append(1)
            self.receipts[name] = Position(log.epoch, entry.to).cursor()
            self._publish(command.thread, entry)
        self.say(Reply(command.id, SubmitReply("u", self.receipts[name], duplicate)))

    def _cancel(self, command: Any, log: Log) -> None:
        body = CancelReply(None, "nothing_running", log.head.cursor())
        self.say(Reply(command.id, body))

    def _delete(self, command: Delete, log: Log) -> None:
        self.delete(command.thread)
        self.say(Reply(command.id, DeleteReply(existed=True)))

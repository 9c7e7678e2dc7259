"""One thread as a client follows it, across connections: what is delivered, and from where on.

Keeps I3 on the client's side: a contiguous, rising run of offsets, or an explicit snapshot.
"""

from __future__ import annotations

import enum

import attrs
from attrs import define, field

from actors.core.position import Position, parse_cursor
from actors.core.resume import Mode
from actors.errors import PositionUnrecoverable, RemoteProtocolError

from .client_messages import WINDOW, Attach
from .server_messages import (
    Attached,
    CaughtUp,
    Detached,
    Events,
    Presence,
    Snapshot,
    StreamMessage,
)
from .shapes import TEXT, THREAD


class Stage(enum.Enum):
    """How far an attachment is on the present connection."""

    WANTED = "wanted"
    ASKED = "asked"
    SNAPSHOT_DUE = "snapshot due"
    LIVE = "live"


@define
class Attachment:
    """A thread that is followed.

    Args:
        thread: its id.
        cursor: everything up to it was delivered; None while nothing was. It is not the cursor of
            an `attached` whose snapshot has not come: resuming there would skip the snapshot.
        window: how many items its snapshots show; None for the server's default.
        epoch: the life of the thread that the server spoke of last, to notice a deletion where
            there is no cursor; None while it spoke of none.
    """

    thread: str = field(validator=THREAD)
    cursor: str | None = field(default=None, validator=TEXT)
    window: int | None = field(default=None, validator=WINDOW)
    epoch: int | None = None
    stage: Stage = field(default=Stage.WANTED, init=False)
    # The label of the newest attach; only its `attached` counts (rule 5).
    _asked: str | None = field(default=None, init=False)
    # Where the stream stands; None where the cursor is none that this version can read.
    _at: Position | None = field(default=None, init=False)
    _caught_up: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._at = _position(self.cursor)
        self.epoch = self._at.epoch if self._at else self.epoch

    def ask(self, label: str) -> Attach:
        """Return the attach to send; nothing of an earlier one is delivered from now on."""
        self.stage, self._asked = Stage.ASKED, label
        return Attach(label, self.thread, self.cursor, self.window)

    def asked(self, label: str | None) -> bool:
        """Say whether the answer under this label is the one that is waited for."""
        return self.stage is Stage.ASKED and label == self._asked

    def lost(self) -> None:
        """Note that the connection is gone, or refused the attach for now."""
        self.stage = Stage.WANTED

    def attached(self, message: Attached) -> bool:
        """Take the answer to `ask`, and say whether the thread was deleted since (rule 7).

        Raises:
            RemoteProtocolError: where the server resumes from another cursor than the client's.
        """
        resumes = message.mode == Mode.RESUME
        if resumes and self.cursor not in (None, message.cursor):
            raise RemoteProtocolError(f"{self.thread}: resumed from a cursor that is not ours")
        position = _position(message.cursor)
        deleted = message.reason == "deleted" or self._other_life(message, position)
        if resumes:
            self.cursor, self._at = message.cursor, position
        self.epoch = position.epoch if position else self.epoch
        self.stage = Stage.LIVE if resumes else Stage.SNAPSHOT_DUE
        self._caught_up = False
        return deleted

    def deliver(self, message: StreamMessage) -> StreamMessage | None:
        """Take a message of the stream; return it where it is to be delivered, otherwise None.

        Raises:
            RemoteProtocolError: where it leaves a gap, repeats, or comes before a snapshot that is
                due. The attachment is as before: attaching anew from its cursor is right.
        """
        if self.stage in (Stage.WANTED, Stage.ASKED):
            return None
        match message:
            case Snapshot():
                return self._snapshot(message)
            case Detached():
                return self._detached(message)
            case Presence():
                return message if self.stage is Stage.LIVE else None
        if self.stage is Stage.SNAPSHOT_DUE:
            raise RemoteProtocolError(f"{self.thread}: the snapshot that is due did not come first")
        match message:
            case Events():
                return self._events(message)
            case CaughtUp():
                return self._catch_up(message)
        return None

    def _snapshot(self, message: Snapshot) -> Snapshot:
        position = _position(message.cursor)
        if self.stage is Stage.LIVE and position and self._at and position < self._at:
            raise RemoteProtocolError(f"{self.thread}: a snapshot at {message.cursor} goes back")
        self.cursor, self._at, self.stage = message.cursor, position, Stage.LIVE
        return message

    def _events(self, message: Events) -> Events:
        offset = self._at.offset if self._at else None
        for entry in message.events:
            if offset is not None and entry.offset != offset + 1:
                raise RemoteProtocolError(f"{self.thread}: offset {entry.offset} after {offset}")
            offset = entry.to
        position = _position(message.cursor)
        if position and offset is not None and position.offset != offset:
            raise RemoteProtocolError(f"{self.thread}: cursor {message.cursor} after {offset}")
        if position and self._at and position.epoch != self._at.epoch:
            raise RemoteProtocolError(f"{self.thread}: cursor {message.cursor} is of another life")
        self.cursor, self._at = message.cursor, position
        return message

    def _catch_up(self, message: CaughtUp) -> CaughtUp | None:
        first, self._caught_up = not self._caught_up, True
        return message if first else None

    def _detached(self, message: Detached) -> Detached:
        position = _position(message.cursor)
        if self.stage is Stage.LIVE and position and self._at and position > self._at:
            raise RemoteProtocolError(f"{self.thread}: detached at {message.cursor}, ahead of us")
        # Ours, not the server's: a snapshot that was due and never came is not to be skipped. The
        # empty cursor is one that no server can read, and gets a reset.
        return attrs.evolve(message, cursor=self.cursor or "")

    def _other_life(self, message: Attached, position: Position | None) -> bool:
        # An attach without a cursor is never told of a deletion, but epochs tell. A reset has its
        # own reason.
        if message.mode == Mode.RESET or position is None or self.epoch is None:
            return False
        return position.epoch != self.epoch


def _position(cursor: str | None) -> Position | None:
    try:
        return parse_cursor(cursor) if cursor is not None else None
    except PositionUnrecoverable:
        return None

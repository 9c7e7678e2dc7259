"""What the client's side of a connection tells the shell around it."""

from __future__ import annotations

from typing import TypeAlias

from attrs import frozen

from actors.errors import Rejected

from .client_messages import Command, Pong
from .replies import ReplyBody
from .server_messages import ErrorMessage, Goaway, StreamMessage, Welcome


@frozen
class Deliver:
    """Hand a message to whoever follows its thread; to the connection's owner where it has none.

    After `Detached` the thread is followed no longer; its cursor is where to attach again.
    """

    message: StreamMessage | Welcome | Goaway | Pong | ErrorMessage


@frozen
class Answered:
    """A command was carried out."""

    command: Command
    body: ReplyBody


@frozen
class Refused:
    """A command was refused and changed nothing.

    For an `Attach` that may be retried, the thread is still followed: see `reattach`.
    """

    command: Command
    error: Rejected


@frozen
class NoAnswer:
    """A command will never be answered.

    Args:
        command: what was asked.
        sent: whether it may have reached the server, so that its outcome is unknown; otherwise
            nothing happened.
    """

    command: Command
    sent: bool


ClientEvent: TypeAlias = Deliver | Answered | Refused | NoAnswer

"""What a client says, one class per type. See docs/reference/protocol.md.

A field with a default may be left out, and is not null on the wire unless its shape says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from attrs import field, frozen

from actors.core.commands import OnBusy
from actors.core.items import Content
from actors.limits import DEFAULT_LIMITS

from .shapes import (
    ABSENT,
    ANY,
    CONTENT,
    KEY,
    LABEL,
    LIST,
    OBJECT,
    TEXT,
    THREAD,
    WORD,
    Absent,
    choice,
    nullable,
    whole,
)

# Items or threads in one page, and items in a snapshot.
PAGE: Final = whole(1, DEFAULT_LIMITS.page_items_max)
WINDOW: Final = whole(1, DEFAULT_LIMITS.window_items_max)


@frozen
class Hello:
    """Say who calls. Answered `welcome`; a later one of the same principal renews its credentials.

    Args:
        token: the credentials.
        client: the program and its version, for the server's log.
    """

    token: str | None = field(default=None, validator=TEXT, repr=False)
    client: str | None = field(default=None, validator=TEXT)


@frozen
class Attach:
    """Follow a thread. Answered `attached`, then its stream.

    Args:
        id: the client's label for the reply.
        thread: the thread's id; it may be absent.
        cursor: the last one that the stream gave; absent for a snapshot.
        window: how many of the newest items a snapshot shows.
    """

    id: str = field(validator=LABEL)
    thread: str = field(validator=THREAD)
    cursor: str | None = field(default=None, validator=TEXT)
    window: int | None = field(default=None, validator=WINDOW)


@frozen
class Detach:
    """Stop following a thread: nothing more of it follows the reply.

    Args:
        id: the client's label for the reply.
        thread: the thread's id.
    """

    id: str = field(validator=LABEL)
    thread: str = field(validator=THREAD)


@frozen
class Submit:
    """Say something and have it answered by a turn. Replied to once durable.

    Args:
        id: the client's label for the reply.
        thread: the thread's id; the first submit creates it.
        content: a string, or a list of parts.
        key: the idempotency key; it outlives the connection.
        on_busy: what to do where a turn is running.
        after: truncate after this item first, or clear with null; absent leaves the history.
        attachments: the client's own, stored untouched.
        metadata: the client's own, stored untouched.
    """

    id: str = field(validator=LABEL)
    thread: str = field(validator=THREAD)
    content: Content = field(validator=CONTENT)
    key: str | None = field(default=None, validator=KEY)
    on_busy: str = field(default=OnBusy.REJECT.value, validator=choice(OnBusy))
    after: str | Literal[Absent.ABSENT] | None = field(default=ABSENT, validator=nullable(TEXT))
    attachments: Sequence[Any] | None = field(default=None, validator=LIST)
    metadata: Mapping[str, Any] | None = field(default=None, validator=OBJECT)


@frozen
class Cancel:
    """End a turn. Replied to once settled.

    Args:
        id: the client's label for the reply.
        thread: the thread's id.
        turn: which turn; absent for the one that runs, whichever it is.
        mode: whether what the turn said stays in the history.
    """

    id: str = field(validator=LABEL)
    thread: str = field(validator=THREAD)
    turn: str | None = field(default=None, validator=TEXT)
    mode: str = field(default="keep", validator=choice(("keep", "rollback")))


@frozen
class Record:
    """Put an application's own fact into the log. Replied to once durable.

    Args:
        id: the client's label for the reply.
        thread: the thread's id; the first record creates it.
        kind: the application's own word.
        data: any JSON.
        key: the idempotency key; it outlives the connection.
    """

    id: str = field(validator=LABEL)
    thread: str = field(validator=THREAD)
    kind: str = field(validator=WORD)
    data: Any = field(validator=ANY)
    key: str | None = field(default=None, validator=KEY)


@frozen
class Cast:
    """Hand something ephemeral to the thread's service. Never replied to.

    Args:
        thread: the thread's id.
        kind: the application's own word.
        data: any JSON; in a binary frame, the bytes behind its header.
    """

    thread: str = field(validator=THREAD)
    kind: str = field(validator=WORD)
    data: Any = field(validator=ANY)


@frozen
class History:
    """Read a page of items, newest first page, oldest first within it.

    Args:
        id: the client's label for the reply.
        thread: the thread's id.
        before: only items older than this one.
        limit: how many.
    """

    id: str = field(validator=LABEL)
    thread: str = field(validator=THREAD)
    before: str | None = field(default=None, validator=TEXT)
    limit: int | None = field(default=None, validator=PAGE)


@frozen
class Threads:
    """Read a page of thread summaries, last activity first.

    Args:
        id: the client's label for the reply.
        after: what the page before gave as `after`.
        limit: how many.
    """

    id: str = field(validator=LABEL)
    after: str | None = field(default=None, validator=TEXT)
    limit: int | None = field(default=None, validator=PAGE)


@frozen
class Truncate:
    """Cut the history. Replied to once durable.

    Args:
        id: the client's label for the reply.
        thread: the thread's id.
        after: the last item that stays, or null to clear.
    """

    id: str = field(validator=LABEL)
    thread: str = field(validator=THREAD)
    after: str | None = field(validator=nullable(TEXT))


@frozen
class Fork:
    """Copy a thread's history into a new thread. Replied to once durable.

    Args:
        id: the client's label for the reply.
        thread: the thread's id.
        to: the new thread's id.
        after: the last item that is copied, or null for none.
        key: the idempotency key; it outlives the connection.
    """

    id: str = field(validator=LABEL)
    thread: str = field(validator=THREAD)
    to: str = field(validator=THREAD)
    after: str | None = field(validator=nullable(TEXT))
    key: str | None = field(default=None, validator=KEY)


@frozen
class End:
    """Close a thread's activation; its history stays. Replied to once its resources are released.

    Args:
        id: the client's label for the reply.
        thread: the thread's id.
    """

    id: str = field(validator=LABEL)
    thread: str = field(validator=THREAD)


@frozen
class Delete:
    """End a thread and remove it. Replied to once its resources are released.

    Args:
        id: the client's label for the reply.
        thread: the thread's id.
    """

    id: str = field(validator=LABEL)
    thread: str = field(validator=THREAD)


@frozen
class Ping:
    """Ask for a `pong`. A server's wants no answer. Sent by both sides.

    Args:
        id: comes back with the answer.
    """

    id: str | None = field(default=None, validator=LABEL)


@frozen
class Pong:
    """The answer to a `ping`. Sent by both sides.

    Args:
        id: the ping's.
    """

    id: str | None = field(default=None, validator=LABEL)


Command: TypeAlias = (
    Attach | Detach | Submit | Cancel | Record | History | Threads | Truncate | Fork | End | Delete
)
ClientMessage: TypeAlias = Command | Hello | Cast | Ping | Pong

CLIENT_MESSAGES: Final[Mapping[str, type[ClientMessage]]] = {
    "hello": Hello,
    "attach": Attach,
    "detach": Detach,
    "submit": Submit,
    "cancel": Cancel,
    "record": Record,
    "cast": Cast,
    "history": History,
    "threads": Threads,
    "truncate": Truncate,
    "fork": Fork,
    "end": End,
    "delete": Delete,
    "ping": Ping,
    "pong": Pong,
}

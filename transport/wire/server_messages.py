"""What a server says, one class per type. See docs/reference/protocol.md.

A client reads these leniently: a word it does not know is passed on, a field it does not know is
dropped. Where a field's Python value is not its JSON, its metadata says how it is read; where the
members of a field stand beside the message's own, its metadata says `flat`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from attrs import field, frozen

from actors.core.event_codec import entry_from_json
from actors.core.events import Entry
from actors.core.items import Item
from actors.core.resume import Mode

from .client_messages import Ping, Pong
from .replies import ReplyBody
from .shapes import FLAG, LABEL, NUMBER, OBJECT, TEXT, list_of, nullable, open_choice, whole

PROTOCOL: Final = "holdfast.v1"
DETACH_REASONS: Final = ("requested", "ended", "deleted", "slow", "failed")


def _each(read: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    return lambda values: tuple(map(read, values))


def _read_entry(raw: Mapping[str, Any]) -> Entry:
    # What counts offsets relies on these two; everything else of an event is only passed on.
    entry = entry_from_json(raw)
    if not (type(entry.offset) is int and type(entry.to) is int and 1 <= entry.offset <= entry.to):
        raise ValueError("an event's offsets are whole numbers from 1 on, and rise")
    return entry


_ITEMS: Final = list_of("items", {"$ref": "#/$defs/item"})
_READ_ITEMS: Final = {"read": _each(Item.from_json)}


@frozen
class Welcome:
    """The connection is authenticated; the first message on it.

    Args:
        protocol: `holdfast.v1`.
        instance: names this run of the server.
        limits: the figures that a client has to keep to, by name.
        heartbeat_seconds: between the server's pings.
    """

    protocol: str = field(validator=TEXT)
    instance: str = field(validator=TEXT)
    limits: Mapping[str, Any] = field(validator=OBJECT)
    heartbeat_seconds: float = field(validator=NUMBER)


@frozen
class Reply:
    """The answer to a command.

    Args:
        id: the command's.
        body: what the command gives back, by the command.
    """

    # Of the command's class in `REPLIES`; as a client decodes it, the bare mapping, since only the
    # command tells what it is.
    id: str = field(validator=LABEL)
    body: ReplyBody | Mapping[str, Any] = field(metadata={"flat": True})


@frozen
class ErrorMessage:
    """A refusal (`error` on the wire).

    Args:
        code: what is wrong, in a word that programs go by.
        message: one sentence for a person.
        retryable: whether the same command may succeed later.
        id: the command's; absent where none could be read, and for a cast.
        details: what helps to act, such as the `turn` of `turn_in_progress`.
    """

    code: str = field(validator=TEXT)
    message: str = field(validator=TEXT)
    retryable: bool = field(validator=FLAG)
    id: str | None = field(default=None, validator=LABEL)
    details: Mapping[str, Any] = field(factory=dict, validator=OBJECT, metadata={"flat": True})


@frozen
class Attached:
    """The answer to `attach`: where the thread's stream begins, and how.

    Args:
        id: the command's.
        thread: the thread's id.
        cursor: the client's own on `resume`, otherwise the snapshot's.
        mode: `resume`, or `snapshot` or `reset`, which a snapshot follows.
        reason: why it is no resume, in a word.
    """

    id: str = field(validator=LABEL)
    thread: str = field(validator=TEXT)
    cursor: str = field(validator=TEXT)
    mode: str = field(validator=open_choice(Mode))
    reason: str | None = field(default=None, validator=TEXT)


@frozen
class SnapshotTurn:
    """The live turn of a snapshot.

    Args:
        turn: its id.
        attempt: how often it was started, from 1.
        items: what it has said, with the user's message.
    """

    turn: str
    attempt: int
    items: Sequence[Item]

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> SnapshotTurn:
        """Read it back. Raises KeyError where a field is missing."""
        return cls(raw["turn"], raw["attempt"], tuple(map(Item.from_json, raw["items"])))


@frozen
class SnapshotQueued:
    """A turn of a snapshot that waits.

    Args:
        turn: its id.
        items: the user's message.
    """

    turn: str
    items: Sequence[Item]

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> SnapshotQueued:
        """Read it back. Raises KeyError where a field is missing."""
        return cls(raw["turn"], tuple(map(Item.from_json, raw["items"])))


def _read_turn(raw: Mapping[str, Any] | None) -> SnapshotTurn | None:
    return None if raw is None else SnapshotTurn.from_json(raw)


@frozen
class Snapshot:
    """The thread as it stands at `cursor`. Authoritative: drop local state, show this.

    Args:
        thread: the thread's id.
        cursor: where `events` go on from.
        items: the newest ones that belong to no live or queued turn, in turn order.
        before: pages back in `history`; null where nothing older is there.
        turn: the live turn, or null.
        queue: the turns that wait, next one first.
        attributes: the thread's public projections.
    """

    thread: str = field(validator=TEXT)
    cursor: str = field(validator=TEXT)
    items: Sequence[Item] = field(validator=_ITEMS, metadata=_READ_ITEMS)
    before: str | None = field(validator=nullable(TEXT))
    turn: SnapshotTurn | None = field(metadata={"read": _read_turn})
    queue: Sequence[SnapshotQueued] = field(
        validator=list_of("queued turns", {"$ref": "#/$defs/queued"}),
        metadata={"read": _each(SnapshotQueued.from_json)},
    )
    attributes: Mapping[str, Any] = field(validator=OBJECT)


@frozen
class Events:
    """A run of events, contiguous with what the client has.

    Args:
        thread: the thread's id.
        events: each with its place.
        cursor: the place after the last of them.
    """

    # A server joins the bytes of its events instead: see `codec.events_frame`.

    thread: str = field(validator=TEXT)
    events: Sequence[Entry] = field(
        validator=list_of("events", {"$ref": "#/$defs/event"}),
        metadata={"read": _each(_read_entry)},
    )
    cursor: str = field(validator=TEXT)


@frozen
class CaughtUp:
    """The head as it was at attach has been delivered; once per attach.

    Args:
        thread: the thread's id.
        cursor: that head.
    """

    thread: str = field(validator=TEXT)
    cursor: str = field(validator=TEXT)


@frozen
class Detached:
    """Nothing more of the thread follows, and the cursor stays good.

    Args:
        thread: the thread's id.
        cursor: where the stream stopped.
        reason: why, in a word.
    """

    thread: str = field(validator=TEXT)
    cursor: str = field(validator=TEXT)
    reason: str = field(validator=open_choice(DETACH_REASONS))


@frozen
class PresentPrincipal:
    """A principal that is attached.

    Args:
        principal: its name.
        count: how many attachments it has.
    """

    principal: str
    count: int

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> PresentPrincipal:
        """Read it back. Raises KeyError where a field is missing."""
        return cls(raw["principal"], raw["count"])


@frozen
class Presence:
    """Who is attached to the thread: ephemeral, without an offset; only the newest one counts.

    Args:
        thread: the thread's id.
        attached: the principals, longest attached first; of many, only the first ones.
        total: how many principals there are in all.
    """

    thread: str = field(validator=TEXT)
    attached: Sequence[PresentPrincipal] = field(
        validator=list_of("attached principals", {"$ref": "#/$defs/attached"}),
        metadata={"read": _each(PresentPrincipal.from_json)},
    )
    total: int = field(validator=whole(0))


@frozen
class Goaway:
    """The server is about to stop: finish up, and reconnect later.

    Args:
        retry_after_seconds: wait a jittered time of at least half of it.
    """

    retry_after_seconds: float = field(validator=NUMBER)


StreamMessage: TypeAlias = Attached | Snapshot | Events | CaughtUp | Presence | Detached
ServerMessage: TypeAlias = StreamMessage | Welcome | Reply | ErrorMessage | Goaway | Ping | Pong

SERVER_MESSAGES: Final[Mapping[str, type[ServerMessage]]] = {
    "welcome": Welcome,
    "reply": Reply,
    "error": ErrorMessage,
    "attached": Attached,
    "snapshot": Snapshot,
    "events": Events,
    "caught_up": CaughtUp,
    "detached": Detached,
    "presence": Presence,
    "goaway": Goaway,
    "ping": Ping,
    "pong": Pong,
}

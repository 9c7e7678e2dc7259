"""Facts of the network: connections, what is delivered on them, and what client libraries show."""

from __future__ import annotations

from typing import TypeAlias

from attrs import frozen

from ..delivery.batches import Batch
from .facts import Answer
from .operations import Operation


@frozen
class Connected:
    """A client has a new connection, and says whom it speaks for."""

    connection: int
    client: int
    principal: str


@frozen
class Disconnected:
    """The client's end of a connection is closed, or broke; `code` is the close code."""

    connection: int
    code: int


@frozen
class Befell:
    """Something befell a connection, in words."""

    connection: int
    what: str


@frozen
class Strayed:
    """What came on a connection broke a rule of the protocol page, whoever is to read it."""

    connection: int
    rule: str
    what: str


@frozen
class Sent:
    """The command of a call went out on a connection, behind those before it."""

    connection: int
    call: int


@frozen
class Welcomed:
    """A server took credentials: whose they are, and until when, in virtual seconds."""

    connection: int
    principal: str
    until: float


@frozen
class TurnedAway:
    """A server was shown credentials that are no good."""

    connection: int


@frozen
class Delivered:
    """A server put something of a thread on a connection: a snapshot, events, a page."""

    connection: int
    thread: str
    what: str


@frozen
class Allowed:
    """Whether a principal may see and change a thread, from here on."""

    principal: str
    thread: str
    allowed: bool


@frozen
class Asked:
    """A user called a client library; several calls on the wire may come of it."""

    ask: int
    client: int
    thread: str
    operation: Operation


@frozen
class Told:
    """The client library answered its user."""

    ask: int
    answer: Answer


@frozen
class Went:
    """A user closes a client library; what still waits is told so."""

    client: int


@frozen
class Followed:
    """A user began to read a thread through a client library, across connections."""

    reader: int
    client: int
    thread: str
    cursor: str | None


@frozen
class Shown:
    """The client library handed a batch to its user."""

    reader: int
    batch: Batch


@frozen
class Unfollowed:
    """A reader is over: its user left, or it ended."""

    reader: int


WireFact: TypeAlias = (
    Connected
    | Disconnected
    | Befell
    | Strayed
    | Sent
    | Welcomed
    | TurnedAway
    | Delivered
    | Allowed
    | Asked
    | Told
    | Went
    | Followed
    | Shown
    | Unfollowed
)

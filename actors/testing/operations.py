"""Operations: what a client does to a thread, and what befalls the process."""

from __future__ import annotations

import enum
from typing import Final, TypeAlias

from attrs import frozen

from ..core.commands import OnBusy
from .along import Along
from .side import Side


class Target(enum.StrEnum):
    """Which turn a cancel is for."""

    RUNNING = "running"  # whichever it is: the command names none
    NEWEST = "newest"  # of those that somebody was told of
    EARLIER = "earlier"  # the one before that
    UNKNOWN = "unknown"


class Place(enum.StrEnum):
    """Up to which item a fork copies."""

    MESSAGE = "message"  # of the newest turn that somebody was told of
    EARLIER = "earlier"  # of the one before that
    SHOWN = "shown"  # the newest item of the newest snapshot
    NONE = "none"
    UNKNOWN = "unknown"


class Moment(enum.StrEnum):
    """When a fault strikes an append."""

    BEFORE = "before"  # nothing of it is on disk
    AFTER = "after"  # all of it is, and nobody is told


class Cursor(enum.StrEnum):
    """Where an attachment asks to go on from."""

    NONE = "none"
    HELD = "held"  # the newest that the client was given
    STALE = "stale"  # the oldest
    AHEAD = "ahead"
    FOREIGN = "foreign"  # of another life of the thread's id
    UNREADABLE = "unreadable"


@frozen
class Truncate:
    """Cut the history: all of it, or what follows the message of the newest turn."""

    clear: bool = True

    def __str__(self) -> str:
        return "truncate (all)" if self.clear else "truncate (after the newest message)"


@frozen
class Submit:
    """Say `text`, under `key` and behind a truncation, if any; one need not wait for its answer."""

    text: str
    key: str | None = None
    on_busy: OnBusy = OnBusy.REJECT
    waits: bool = True
    along: Along = Along.NOTHING
    first: Truncate | None = None

    def __str__(self) -> str:
        cut = "" if self.first is None else f"{self.first} and "
        more = "" if self.along is Along.NOTHING else f" with {self.along}"
        how = f"{_under(self.key)} ({self.on_busy}){_HURRY[self.waits]}"
        return f"{cut}submit {self.text!r}{more}{how}"


@frozen
class Cancel:
    """End a turn; the client may go on without its answer."""

    target: Target = Target.RUNNING
    rollback: bool = False
    waits: bool = True

    def __str__(self) -> str:
        back = " (rollback)" if self.rollback else ""
        return f"cancel {self.target}{back}{_HURRY[self.waits]}"


@frozen
class Attach:
    """Watch the thread from now on; replaces what the client had attached there before."""

    cursor: Cursor = Cursor.NONE

    def __str__(self) -> str:
        return f"attach (cursor {self.cursor})"


@frozen
class Detach:
    """Watch it no longer."""

    def __str__(self) -> str:
        return "detach"


@frozen
class End:
    """Close the activation."""

    def __str__(self) -> str:
        return "end"


@frozen
class Delete:
    """Remove the thread; or leave it as it is where it is in use."""

    unless_used: bool = False

    def __str__(self) -> str:
        return "delete unless used" if self.unless_used else "delete"


@frozen
class Finalise:
    """Hand the thread to its finaliser."""

    def __str__(self) -> str:
        return "finalise"


_HURRY: Final = {True: "", False: " without waiting"}
# The kinds of what clients record.
NOTE: Final = "note"
REMARK: Final = "remark"


@frozen
class Record:
    """Record a fact, a number, under `key` where there is one."""

    number: int = 1
    key: str | None = None
    kind: str = NOTE

    def __str__(self) -> str:
        return f"record {self.kind} {self.number}{_under(self.key)}"


@frozen
class Open:
    """Make the thread where it is not there."""

    def __str__(self) -> str:
        return "open"


@frozen
class Fork:
    """Begin thread `to` with the history up to a place, under `key` where there is one."""

    to: str
    place: Place = Place.MESSAGE
    key: str | None = None

    def __str__(self) -> str:
        return f"fork to {self.to} (after {self.place}){_under(self.key)}"


@frozen
class Cast:
    """Hand something to the thread's service, so many times in a row."""

    wish: str
    times: int = 1

    def __str__(self) -> str:
        return f"cast {self.wish!r}{f', times {self.times}' if self.times > 1 else ''}"


@frozen
class ReadPage:
    """Read the newest items of the history, or those before the newest message, at most so many."""

    limit: int | None = None
    older: bool = False

    def __str__(self) -> str:
        where = " before the newest message" if self.older else ""
        return f"read {'the newest page' if self.limit is None else f'{self.limit} items'}{where}"


@frozen
class ListThreads:
    """List all threads; the step's own counts for nothing."""

    def __str__(self) -> str:
        return "list the threads"


@frozen
class Compact:
    """Merge the deltas of all turns that ended."""

    def __str__(self) -> str:
        return "compact"


@frozen
class Crash:
    """Kill the process now, or at a moment of the next append; start another on the same disk."""

    moment: Moment | None = None
    settling: bool = False  # the next one that settles something

    def __str__(self) -> str:
        when = _in(self.moment, self.settling) if self.moment is not None else ""
        return f"kill the process{when}"


@frozen
class Restart:
    """Drain the runtime, close it, and start another on the same disk."""

    def __str__(self) -> str:
        return "drain and restart"


@frozen
class LetTimePass:
    """Do nothing for a while, however much else is going on."""

    ticks: int

    def __str__(self) -> str:
        return f"let {self.ticks} ticks pass"


@frozen
class CutConnection:
    """Break the client's connection, when the client has taken `after` more messages."""

    after: int = 0

    def __str__(self) -> str:
        return "cut the connection" + (f" {self.after} messages later" if self.after else "")


@frozen
class HalfClose:
    """Let nothing more through from one side of the client's connection."""

    side: Side = Side.CLIENT

    def __str__(self) -> str:
        return f"half-close the connection ({self.side})"


@frozen
class Stall:
    """Have one side of the client's connection take nothing for a while."""

    side: Side = Side.CLIENT

    def __str__(self) -> str:
        return f"stall the {self.side}"


@frozen
class Leave:
    """Close the client; it is another one, with the same cursors, that comes back."""

    def __str__(self) -> str:
        return "leave"


@frozen
class Renew:
    """Say hello again, with fresh credentials."""

    def __str__(self) -> str:
        return "renew the credentials"


@frozen
class Revoke:
    """Take the thread away from the client's principal: now, or amid so many `looks` at it."""

    looks: int = 0

    def __str__(self) -> str:
        return "take the thread away" + (f" amid look {self.looks} at it" if self.looks else "")


@frozen
class Grant:
    """Give the thread to the client's principal."""

    def __str__(self) -> str:
        return "give the thread"


@frozen
class FailJournal:
    """Have the next append, or read, fail, and with it the whole file until it is opened anew.

    Args:
        reads: whether it is a read; no thread's activation need take part in one.
        moment, settling: of the append; whether it is the next one that settles something.
    """

    moment: Moment = Moment.BEFORE
    reads: bool = False
    settling: bool = False

    def __str__(self) -> str:
        when = " in a read" if self.reads else _in(self.moment, self.settling)
        return f"fail the journal{when}"


@frozen
class BreakActor:
    """Have the thread's actor raise at its next appends, as a bug would.

    Args:
        times: how often.
        moment, settling: of each append; whether only those count that settle something.
        anywhere: whether it is whichever actors come to append next.
    """

    times: int = 1
    moment: Moment = Moment.BEFORE
    settling: bool = False
    anywhere: bool = False

    def __str__(self) -> str:
        when = f"{_in(self.moment, self.settling)}, times {self.times}"
        return f"break {'any' if self.anywhere else 'the'} actor{when}"


@frozen
class Damage:
    """Damage the thread's rows on disk; nobody can read them until they are mended."""

    def __str__(self) -> str:
        return "damage the rows"


@frozen
class Mend:
    """Mend the thread's rows and its actor, and lift its quarantine, as an operator would."""

    def __str__(self) -> str:
        return "mend and release"


Operation: TypeAlias = (
    Submit
    | Cancel
    | Attach
    | Detach
    | End
    | Delete
    | Finalise
    | Truncate
    | Record
    | Open
    | Fork
    | Cast
    | ReadPage
    | ListThreads
    | Compact
    | Crash
    | Restart
    | LetTimePass
    | CutConnection
    | HalfClose
    | Stall
    | Leave
    | Renew
    | Revoke
    | Grant
    | FailJournal
    | BreakActor
    | Damage
    | Mend
)


def _under(key: str | None) -> str:
    return f" key {key}" if key is not None else ""


def _in(moment: Moment, settling: bool) -> str:
    return f" in {'a settling' if settling else 'an'} append, {moment} its commit"

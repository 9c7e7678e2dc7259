"""Facts: what can be seen of a runtime from outside. A history is a list of them."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from typing import Any, TypeAlias

from attrs import field, frozen

from ..actor.fill import Fill
from ..actor.kinds import OnExit
from ..core.casting import Overflow
from ..core.effects import Cancelled, ForkReceipt, RecordReceipt, Submitted, Truncated
from ..core.event_codec import Row
from ..core.folds import NO_PROJECTIONS, Projections
from ..core.position import Position
from ..core.resume import Mode
from ..delivery.batches import Batch
from ..handles import LOCAL
from ..limits import Limits
from .disk_facts import Compacted
from .operations import Operation
from .read_facts import Listing, Page
from .service_facts import ServiceFact
from .turn_facts import TurnFact

# The process


@frozen
class Opening:
    """The process started, and opens its runtime.

    Args:
        limits: with which it does.
        slowest: ticks that a step of the disk takes at the most.
    """

    limits: Limits
    slowest: float = math.inf


@frozen
class Opened:
    """The runtime is open: what an earlier life left open is settled."""


@frozen
class Closing:
    """The runtime was asked to drain and close."""


@frozen
class Filled:
    """How full what is bounded was in this life of the process, at the most."""

    fill: Fill


@frozen
class Drained:
    """It has drained, and tells how many actors it restarted and which threads it set aside."""

    restarts: int
    quarantined: tuple[str, ...]


@frozen
class Closed:
    """It is closed, but for the turns that would not stop."""

    abandoned: tuple[tuple[str, str], ...]


@frozen
class KindGiven:
    """The process says what kind of thread one is, when it is first activated.

    Args:
        grace: seconds that a handler has to stop in.
        on_exit, overflow: what becomes of a service that is over, and of casts that do not fit;
            None where there is no service.
        ends: whether it ends by itself when nobody is there.
        deadline, silence: seconds that a turn may take, and may go without a word.
        overdue: seconds after which a turn is stopped for its slowness, at the earliest.
        presence: whether those who are attached are told who is.
    """

    thread: str
    retry: bool
    grace: float
    on_exit: OnExit | None = None
    overflow: Overflow | None = None
    ends: bool = False
    projections: Projections = NO_PROJECTIONS
    overdue: float = math.inf
    deadline: float = math.inf
    silence: float = math.inf
    presence: bool = False


@frozen
class Killed:
    """The process is gone between one step and the next."""


# Clients


@frozen
class Called:
    """A client asked for something.

    Args:
        call: numbers the calls of a run.
        argument: the turn, cursor or item that was named; None where none was.
        principal: who asked.
    """

    call: int
    client: int
    thread: str
    operation: Operation
    argument: str | None
    principal: str = LOCAL


@frozen
class Attached:
    """The answer to an attachment: how its stream begins, and where."""

    mode: Mode
    reason: str | None
    position: Position


@frozen
class Refused:
    """The answer to a command that was refused; `turn` is the one that the refusal names."""

    code: str
    turn: str | None = None


@frozen
class Raised:
    """The answer to a call that raised something else, in words."""

    error: str


@frozen
class Done:
    """The answer to `end`, `delete` and `detach`: whether there was something to end."""

    existed: bool


Receipt: TypeAlias = Submitted | RecordReceipt | ForkReceipt
Answer: TypeAlias = (
    Receipt | Cancelled | Truncated | Attached | Done | Page | Listing | Refused | Raised
)


@frozen
class Answered:
    """A call got its answer."""

    call: int
    answer: Answer


@frozen
class Lost:
    """A call got no answer, because the process was killed."""

    call: int


@frozen
class Unanswered:
    """A call got no answer, although the runtime closed in order."""

    call: int


@frozen
class Saw:
    """A subscriber took a batch; `attachment` is the number of the call that attached it."""

    attachment: int
    batch: Batch


@frozen
class CutOff:
    """A subscriber's stream broke off with a refusal; it may come back with its cursor."""

    attachment: int
    code: str


@frozen
class Left:
    """A subscriber went, or was gone with the process."""

    attachment: int


# Handlers


@frozen
class Entered:
    """A handler began to run a turn."""

    thread: str
    turn: str
    attempt: int


@frozen
class Read:
    """A handler was given the conversation: what `Turn.messages` returned, and the metadata."""

    thread: str
    turn: str
    attempt: int
    messages: tuple[dict[str, Any], ...]
    metadata: Mapping[str, Any] = field(factory=dict)


@frozen
class Said:
    """A handler's piece was accepted."""

    thread: str
    turn: str
    attempt: int
    text: str
    channel: str | None = None


@frozen
class Exited:
    """A handler is over; `error` names what it raised, and `words` is what that says.

    Both are None where it returned.
    """

    thread: str
    turn: str
    attempt: int
    error: str | None
    words: str | None = None


@frozen
class Acted:
    """Something that a handler set going took effect outside of the runtime: a tool, say."""

    thread: str
    turn: str
    attempt: int
    what: str


# The disk


@frozen
class Claimed:
    """An activation became a thread's writer."""

    thread: str
    generation: int


@frozen
class Stored:
    """Rows are on disk from here on; `owners` says by offset whose key a row has bound."""

    thread: str
    generation: int
    epoch: int
    rows: tuple[Row, ...]
    owners: Mapping[int, str] = field(factory=dict)


@frozen
class Copied:
    """A fork's copy is on disk: the rows that were stored just before.

    Args:
        thread: whose history it is; `epoch` of which of its lives.
        to: the new thread; `made` is its head.
        after: the last item that was copied.
        key: noted with it, of `author`.
    """

    thread: str
    generation: int
    epoch: int
    to: str
    made: Position
    after: str | None
    key: str | None
    author: str | None


# Faults


class Fault(enum.StrEnum):
    """What can be made to happen to a runtime, and what puts it right."""

    KILL = "the process dies in an append"
    JOURNAL = "the journal fails"
    REOPENED = "the journal is opened anew"
    ACTOR = "the actor breaks"
    SERVICE = "the service fails more often than it may"
    DAMAGE = "the rows are damaged"
    MENDED = "the rows are mended"
    RELEASED = "the quarantine is lifted"


@frozen
class Struck:
    """A fault happened, or was put right; to one thread, or to all where it names none."""

    fault: Fault
    thread: str | None = None


# Ourselves


@frozen
class Rested:
    """Nobody has had anything to do for longer than any wait of the runtime's; faults may come."""


@frozen
class AtRest:
    """The faults are off, every turn has ended, and nobody waits for anything."""


@frozen
class Stuck:
    """Something did not come to an end in its time; `what` says which."""

    what: str


@frozen
class Surprise:
    """The runtime did what nothing in the scenario explains: restarted an actor, say."""

    what: str


Fact: TypeAlias = (
    Opening
    | Opened
    | Closing
    | Filled
    | Drained
    | Closed
    | KindGiven
    | Killed
    | Called
    | Answered
    | Lost
    | Unanswered
    | Saw
    | CutOff
    | Left
    | Entered
    | Read
    | Said
    | TurnFact
    | Exited
    | Acted
    | ServiceFact
    | Claimed
    | Stored
    | Copied
    | Compacted
    | Struck
    | Rested
    | AtRest
    | Stuck
    | Surprise
)

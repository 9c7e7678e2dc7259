"""Holdfast: threads that survive their connections.

Each thread is a supervised actor that owns its history, its turn and that turn's cancel scope.
Start with `open_runtime`.
"""

from .actor.fill import Fill
from .actor.inbox import Inbox
from .actor.kinds import Handler, OnExit, ThreadKind
from .actor.leases import Lease
from .actor.lifetime import Capacity, EndAfter, Passivate
from .actor.service import Service
from .actor.service_runner import ServiceFunction
from .actor.turn import Turn
from .answer import Answer
from .core.casting import Cast, Overflow
from .core.commands import OnBusy, Truncation
from .core.effects import Cancelled, CancelOutcome, ForkReceipt, RecordReceipt, Submitted, Truncated
from .core.event_codec import Row
from .core.events import (
    Entry,
    Event,
    Recorded,
    ThreadCreated,
    ThreadDeleted,
    ThreadEnded,
    ThreadTruncated,
    TurnDelta,
    TurnEnded,
    TurnItem,
    TurnStarted,
    TurnSubmitted,
    UnknownEvent,
)
from .core.folds import Fact, Projection
from .core.head import Head, Life, Settled
from .core.items import Content, Item
from .core.position import Position, parse_cursor
from .core.progress import Progress
from .core.resume import Mode
from .core.turn_lifecycle import TurnState
from .delivery.batches import (
    Attendee,
    Batch,
    CaughtUp,
    Detached,
    Events,
    Presence,
    Roll,
    Snapshot,
    TurnItems,
    facts_of,
)
from .delivery.subscription import Subscription
from .errors import (
    HoldfastError,
    InternalError,
    JournalCorrupt,
    JournalError,
    JournalFenced,
    JournalUnavailable,
    LeaseLost,
    LocalProtocolError,
    PositionUnrecoverable,
    ProtocolError,
    Rejected,
    RemoteProtocolError,
    ServiceOver,
    TurnFailed,
    TurnOver,
    TurnsAbandoned,
)
from .handles import Thread
from .journal.contract import HistoryPage, Journal, Summary, SummaryPage
from .limits import DEFAULT_LIMITS, Limits
from .opening import open_runtime
from .ports import Clock, Executor, Ids
from .program import Program
from .resuming import Resumption, resume_or_new
from .runtime import Runtime
from .statistics import RuntimeStatistics
from .windows import Windows

__all__ = [
    "DEFAULT_LIMITS",
    "Answer",
    "Attendee",
    "Batch",
    "CancelOutcome",
    "Cancelled",
    "Capacity",
    "Cast",
    "CaughtUp",
    "Clock",
    "Content",
    "Detached",
    "EndAfter",
    "Entry",
    "Event",
    "Events",
    "Executor",
    "Fact",
    "Fill",
    "ForkReceipt",
    "Handler",
    "Head",
    "HistoryPage",
    "HoldfastError",
    "Ids",
    "Inbox",
    "InternalError",
    "Item",
    "Journal",
    "JournalCorrupt",
    "JournalError",
    "JournalFenced",
    "JournalUnavailable",
    "Lease",
    "LeaseLost",
    "Life",
    "Limits",
    "LocalProtocolError",
    "Mode",
    "OnBusy",
    "OnExit",
    "Overflow",
    "Passivate",
    "Position",
    "PositionUnrecoverable",
    "Presence",
    "Program",
    "Progress",
    "Projection",
    "ProtocolError",
    "RecordReceipt",
    "Recorded",
    "Rejected",
    "RemoteProtocolError",
    "Resumption",
    "Roll",
    "Row",
    "Runtime",
    "RuntimeStatistics",
    "Service",
    "ServiceFunction",
    "ServiceOver",
    "Settled",
    "Snapshot",
    "Submitted",
    "Subscription",
    "Summary",
    "SummaryPage",
    "Thread",
    "ThreadCreated",
    "ThreadDeleted",
    "ThreadEnded",
    "ThreadKind",
    "ThreadTruncated",
    "Truncated",
    "Truncation",
    "Turn",
    "TurnDelta",
    "TurnEnded",
    "TurnFailed",
    "TurnItem",
    "TurnItems",
    "TurnOver",
    "TurnStarted",
    "TurnState",
    "TurnSubmitted",
    "TurnsAbandoned",
    "UnknownEvent",
    "Windows",
    "facts_of",
    "open_runtime",
    "parse_cursor",
    "resume_or_new",
]

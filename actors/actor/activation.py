"""What an activation works with, and why it is over."""

from __future__ import annotations

import enum
from collections import Counter
from typing import TYPE_CHECKING

from attrs import field, frozen

from ..incident.recording import Recording
from ..journal.contract import Journal
from ..limits import Limits
from ..ports import Clock, Ids
from ..timers import Timers
from .commits import Commits
from .contexts import Contexts
from .leases import Leases

if TYPE_CHECKING:
    from ..runtime import Runtime  # noqa: TC004 - imported for real it would be a cycle


class Departure(enum.Enum):
    """Why an activation is over."""

    IDLE = "idle"
    CLOSED = "closed"
    DRAINED = "drained"
    STRANDED = "stranded"
    FAILED = "failed"


@frozen
class Surroundings:
    """What an actor works with, the same for every thread of a runtime.

    `runtime` is for the application's functions; an actor itself reaches no other. `endings` counts
    the turns that ended, by how they did; actors add to it. `contexts` keeps the history that turns
    are given. `recording` is told what happens, where somebody is to know.
    """

    runtime: Runtime
    journal: Journal
    commits: Commits
    timers: Timers
    clock: Clock
    ids: Ids
    leases: Leases
    limits: Limits
    contexts: Contexts
    endings: Counter[str] = field(factory=Counter, eq=False)
    recording: Recording | None = None

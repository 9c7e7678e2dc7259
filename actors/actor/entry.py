"""What the registry keeps of one thread that somebody uses."""

from __future__ import annotations

import trio
from attrs import define, field

from ..delivery.attendance import Attendance
from ..delivery.tail import Tail
from .actor import Actor
from .mailbox import Mailbox


@define(eq=False)
class Entry:
    """What the registry keeps of one thread.

    Args:
        active: whether a task supervises it; that task alone sets it to False.
        actor: its present activation.
        quarantined: why it was set aside, in a sentence; None where it was not.
        kept: how many tasks of its attendance run.
    """

    thread: str
    mailbox: Mailbox
    tail: Tail
    active: bool = False
    actor: Actor | None = None
    quarantined: str | None = None
    kept: int = 0
    settled: trio.Event = field(factory=trio.Event)
    attendance: Attendance = field(init=False)

"""What a runtime tells of itself, for operators and for tests."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from .actor.fill import Fill
from .journal.contract import Statistics


@frozen(kw_only=True)
class RuntimeStatistics:
    """What a runtime is doing at this instant.

    Args:
        active: threads with an activation.
        restarts: actors restarted since the start.
        quarantined: the threads that were set aside, and why.
        abandoned: (thread, turn) of handlers that would not stop and still run.
        subscribers: attachments to threads, of whoever watches them.
        fill: how full the fullest mailbox, tail and buffer are.
        leases: how many are asked for, lent, or being given back.
        commands_waiting: commands in all mailboxes.
        context_bytes: about what the history takes that is kept for the next turns of live threads;
            `limits.kept_context_bytes` bounds it.
        turns: how many turns ended since the start, by how they did.
        journal: what the journal has done since it was opened.
        journal_failed: whether the journal is failed and waits to be reopened.
    """

    active: int
    restarts: int
    quarantined: dict[str, str]
    abandoned: tuple[tuple[str, str], ...]
    subscribers: int
    fill: Fill
    leases: int
    journal_failed: bool
    commands_waiting: int
    context_bytes: int
    turns: Mapping[str, int]
    journal: Statistics

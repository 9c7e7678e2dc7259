"""What the server tells Prometheus: the text exposition format, version 0.0.4."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from actors import TurnState

if TYPE_CHECKING:
    from actors import RuntimeStatistics

EXPOSITION: Final = "text/plain; version=0.0.4; charset=utf-8"

_ENDINGS: Final = tuple(
    state.value for state in TurnState if state not in (TurnState.QUEUED, TurnState.RUNNING)
)


def exposition(statistics: RuntimeStatistics, connections: int, event_streams: int) -> str:
    """Return the metrics as text. No thread is named: the page is open to whoever reaches the port.

    Args:
        statistics: of the runtime.
        connections: open WebSockets.
        event_streams: open streams of Server-Sent Events.
    """
    journal = statistics.journal
    turns = {f'{{ending="{ending}"}}': statistics.turns.get(ending, 0) for ending in _ENDINGS}
    lines = (
        *_metric("threads_active", "gauge", "Threads with an activation.", statistics.active),
        *_metric("connections", "gauge", "Open WebSockets.", connections),
        *_metric("event_streams", "gauge", "Open streams of Server-Sent Events.", event_streams),
        *_metric("subscribers", "gauge", "Attachments to threads.", statistics.subscribers),
        *_metric("leases", "gauge", "Leases that are held.", statistics.leases),
        *_metric(
            "commands_waiting", "gauge", "Commands in mailboxes.", statistics.commands_waiting
        ),
        *_metric(
            "context_bytes",
            "gauge",
            "History kept in memory for next turns, in bytes.",
            statistics.context_bytes,
        ),
        *_metric("threads_quarantined", "gauge", "Threads set aside.", len(statistics.quarantined)),
        *_metric(
            "turns_abandoned",
            "gauge",
            "Handlers that would not stop and still run.",
            len(statistics.abandoned),
        ),
        *_metric(
            "journal_failed",
            "gauge",
            "1 while the journal is being reopened.",
            int(statistics.journal_failed),
        ),
        *_metric("actor_restarts_total", "counter", "Actors restarted.", statistics.restarts),
        *_metric("turns_total", "counter", "Turns that ended, by how they did.", turns),
        *_metric("journal_appends_total", "counter", "Steps made durable.", journal.appends),
        *_metric("journal_commits_total", "counter", "Commits, each one sync.", journal.commits),
        *_metric("journal_rows_total", "counter", "Events made durable.", journal.rows),
        *_metric("journal_refused_total", "counter", "Steps refused.", journal.refused),
        *_metric("journal_compacted_total", "counter", "Turns compacted.", journal.compacted),
    )
    return "".join(f"{line}\n" for line in lines)


def _metric(name: str, kind: str, text: str, value: int | Mapping[str, int]) -> Iterator[str]:
    """Yield a metric's lines; a mapping has one value for each set of labels."""
    yield f"# HELP holdfast_{name} {text}"
    yield f"# TYPE holdfast_{name} {kind}"
    values = value if isinstance(value, Mapping) else {"": value}
    for labels, number in values.items():
        yield f"holdfast_{name}{labels} {number}"

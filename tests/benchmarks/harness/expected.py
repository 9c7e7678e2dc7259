"""What a full run has to say something of: every goal, by row, case and metric.

A row that no longer yields one of them would otherwise look as if there had never been a goal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .report import Report

_MANY: Final = "200 × 1"
_PACED: Final = "200 × 50/s"
_GROWN: Final = "100,000 to 10 messages"

EXPECTED: Final = (
    *(("fan-out", f"{n} viewers", "deliveries/s") for n in (10, 100, 500)),
    ("fan-out", "1 viewer", "deliveries/s"),
    *(("fan-out", f"{n} viewers", "CPU per delivery") for n in (100, 500)),
    ("many threads", _MANY, "deliveries/s"),
    ("many threads", _MANY, "durable tokens/s"),
    *(("paced", _PACED, f"write to receive, {name}") for name in ("p50", "p99")),
    *(("paced", _PACED, metric) for metric in ("share of a core", "CPU per token")),
    *(("reattach", f"from the {place}", "attach to caught up") for place in ("start", "middle")),
    *(("attach", f"{n} messages", "attach to caught up") for n in ("10", "10,000", "100,000")),
    ("attach", _GROWN, "attach to caught up, growth"),
    *(("submit", f"{n} messages", "submit to reply, p50") for n in ("10", "10,000", "100,000")),
    ("submit", _GROWN, "submit to reply, p50, growth"),
    *(("activation", f"{n} messages", "first submit to reply") for n in ("10,000", "100,000")),
    ("cancel", "running turn", "cancel to settled, p99"),
    *(
        ("memory", case, "memory")
        for case in ("idle live actor", "passivated thread", "viewer that never reads")
    ),
    ("memory", "idle connection", "memory above a bare trio-websocket one"),
    ("start-up", "1,000,000 threads", "start to listening"),
    ("start-up", "1,000,000 threads", "first attach"),
    ("growth", "10,000 live threads to 1", "CPU per event, growth"),
    ("growth", "file after compaction", "size by text"),
)


def missing(report: Report) -> list[str]:
    """Return the goals of a full run that a report does not judge."""
    judged = {(result.row, result.case, result.metric) for result in report.judged()}
    return [", ".join(each) for each in EXPECTED if each not in judged]

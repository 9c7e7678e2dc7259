"""What can be passed or failed: the rules of docs/reference/protocol.md, and its tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

RULES: Final[Mapping[str, str]] = {
    "1": "Offsets rise by one; a range joins what is before and after it",
    "2": "A cursor exists from attached on, and never moves back",
    "3": "Resume where the run is retained, otherwise snapshot or reset",
    "4": "The terminal event comes after the turn's scope has exited",
    "5": "A second attach replaces the first",
    "6": "Commands of a connection to a thread are decided in the order sent",
    "7": "An epoch names one life of a thread id",
    "8": "A key is accepted once",
    "9": "Interrupt, rollback and cancel end a turn once, and start what is next",
    "10": "Truncate and fork leave live turns alone, and cut out of every read",
    "11": "End closes the activation, not the history",
    "12": "Bad frames and bad messages get the documented answers",
    "13": "Detached comes before the reply; a reader that takes nothing is cut",
    "14": "Errors carry no traceback, SQL or path",
    "15": "A repeated receipt is the same; loopback is one principal",
    "16": "The welcome tells the limits, and they hold",
    "closes": "Close codes and coming back",
    "messages": "Every message and field of a client",
    "errors": "The code, id and retryable of refusals",
    "pages": "Pages of history and threads",
    "handshake": "Origin, host and path in the handshake",
    "sse-begin": "An event stream begins with a snapshot, or where the reader was",
    "sse-types": "Each event comes alone, under its type",
    "sse-ids": "The id is the cursor to come back with, on all but pings",
    "sse-back": "Last-Event-ID wins; nothing is missed, nothing comes twice",
    "sse-pings": "Silence is broken by pings",
    "sse-end": "After detached the stream ends; coming back to a finished one is 204",
    "sse-wrong": "What is wrong is refused before the stream begins",
}
"""The rules by their number, and the parts of the page that have none by a word."""


def order_of(rule: str) -> int:
    """Return where a rule stands among the others."""
    return list(RULES).index(rule)

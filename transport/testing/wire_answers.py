"""What a reply on the wire says, as the simulation notes answers."""

from __future__ import annotations

from typing import Any

from actors.core.effects import (
    Cancelled,
    CancelOutcome,
    ForkReceipt,
    RecordReceipt,
    Submitted,
    Truncated,
)
from actors.core.items import Item
from actors.core.position import parse_cursor
from actors.testing import operations as do
from actors.testing.facts import Answer, Done
from actors.testing.read_facts import Line, Listing, Page

from ..wire.client_codec import read_reply
from ..wire.client_messages import Threads
from ..wire.replies import ThreadsReply


def answer_of(operation: do.Operation, body: Any) -> Answer:
    """Return what a reply's body says to a command.

    Args:
        operation: the command.
        body: as it came, from JSON.
    """
    match operation:
        case do.Submit():
            return Submitted(body["turn"], parse_cursor(body["cursor"]), body["duplicate"])
        case do.Cancel():
            outcome = CancelOutcome(body["outcome"])
            return Cancelled(body["turn"], outcome, parse_cursor(body["cursor"]))
        case do.Record():
            return RecordReceipt(parse_cursor(body["cursor"]), body["duplicate"])
        case do.Fork(key=key):
            # A reply does not say whether its key was used before.
            return ForkReceipt(parse_cursor(body["cursor"]), duplicate=key is not None)
        case do.Truncate():
            return Truncated(parse_cursor(body["cursor"]))
        case do.ReadPage():
            return Page(tuple(map(Item.from_json, body["items"])), body["before"])
        case do.ListThreads():
            reply = read_reply(Threads, body)
            assert isinstance(reply, ThreadsReply)
            return listing_of(reply)
        case do.Detach():
            return Done(True)
        case _:
            return Done(body["existed"])


def listing_of(reply: ThreadsReply) -> Listing:
    """Return a page of the list of threads."""
    lines = (
        Line(each.thread, parse_cursor(each.cursor), each.items, each.active_at)
        for each in reply.threads
    )
    return Listing(tuple(lines), reply.after is None)

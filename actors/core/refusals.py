"""Refusals that are given in more than one place, in the same words everywhere."""

from __future__ import annotations

from ..errors import Rejected


def no_such_thread() -> Rejected:
    """Return the refusal of what needs a thread that is there."""
    return Rejected("thread_not_found", "there is no such thread")


def no_such_turn() -> Rejected:
    """Return the refusal of what names a turn that the thread never had."""
    return Rejected("turn_not_found", "this thread has no such turn")


def no_such_item() -> Rejected:
    """Return the refusal of what names an item that is not in the thread's settled history."""
    return Rejected("item_not_found", "this thread has no such item")

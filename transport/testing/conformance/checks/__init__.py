"""The checks, a module for each group of rules."""

from __future__ import annotations

from typing import Final

from ..check import Check, in_order
from . import (
    endings,
    event_streams,
    frames,
    handshake,
    keys,
    lives,
    messages,
    pages,
    records,
    refusals,
    resuming,
    streams,
    truncation,
    turns,
    welcome,
)

CHECKS: Final[tuple[Check, ...]] = in_order(
    check
    for group in (
        streams.GROUP,
        resuming.GROUP,
        turns.GROUP,
        endings.GROUP,
        lives.GROUP,
        keys.GROUP,
        truncation.GROUP,
        records.GROUP,
        frames.GROUP,
        refusals.GROUP,
        welcome.GROUP,
        messages.GROUP,
        pages.GROUP,
        handshake.GROUP,
        event_streams.GROUP,
    )
    for check in group.checks
)
"""Every check, by the order of the rules."""

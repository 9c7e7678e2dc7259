"""Checkers: each holds what was seen from outside against one invariant, and lists what broke."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from ..history import History
from .broken import Broken
from .i1_one_turn import one_turn_at_a_time
from .i2_one_ending import one_ending
from .i3_stream import contiguous_streams
from .i4_durable import nothing_unsaid
from .i5_bystanders import bystanders_change_nothing
from .i6_cancel import settled_cancels
from .i7_silence import silence_after_the_end
from .i8_keys import keys_bind
from .i9_recovery import settled_once
from .liveness import everything_ends

__all__ = ["CHECKERS", "Broken", "Checker"]

Checker: TypeAlias = Callable[[History], Iterator[Broken]]

CHECKERS: Final[tuple[Checker, ...]] = (
    one_turn_at_a_time,
    one_ending,
    contiguous_streams,
    nothing_unsaid,
    bystanders_change_nothing,
    settled_cancels,
    silence_after_the_end,
    keys_bind,
    settled_once,
    everything_ends,
)

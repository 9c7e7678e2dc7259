"""I17: the same scenario and schedule give the same trace, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from ..story import lines
from .broken import Broken

if TYPE_CHECKING:
    from ..recorder import Record


def same_trace(first: Sequence[Record], second: Sequence[Record]) -> Iterator[Broken]:
    """Find the first line in which two runs of one case differ."""
    for index, (one, other) in enumerate(zip_longest(lines(first), lines(second))):
        if one != other:
            yield Broken("I17", f"the first run has {one!r}, the second one {other!r}", index)
            return

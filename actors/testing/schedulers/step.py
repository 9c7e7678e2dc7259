"""The step explorer: one task runs at a time, up to its next checkpoint, and the rest is held back.

It opens windows as short as one bare checkpoint, which trio's own order, a whole round of tasks at
a time, keeps shut. Findings are latent: a trio with another scheduler would have them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..trio_order import Arrange, one_at_a_time

if TYPE_CHECKING:
    from ..tape import Tape


def stepping(tape: Tape) -> Arrange:
    """Return the order of one task at a time that a tape chooses; nought is the oldest task."""
    return one_at_a_time(lambda among: tape.next() % among)

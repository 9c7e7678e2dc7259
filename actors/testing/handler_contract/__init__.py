"""What every turn handler has to hold, as checks that any handler can be put through::

    @pytest.mark.parametrize("check", handler_contract.CHECKS, ids=handler_contract.name_of)
    def test_my_handler(check):
        clock = trio.testing.MockClock(autojump_threshold=0)
        trio.run(check, ThreadKind(on_turn=reply), clock=clock)

Each check takes the kind of thread that the handler is for, with its `retry` and `cancel_grace`,
runs turns on a journal in memory, and raises `AssertionError` where the handler is wrong. Where the
handler speaks to a socket or works in a worker thread, run them on trio's own clock.
"""

from __future__ import annotations

from typing import Final

from ..naming import name_of
from . import cancelling, ending
from .kit import Check

__all__ = ["CHECKS", "Check", "name_of"]

CHECKS: Final[tuple[Check, ...]] = (*ending.CHECKS, *cancelling.CHECKS)

"""Trio's own order of the tasks of one instant, made a function of a seed.

The one place that knows trio's private names: the two that Hypothesis and pytest-trio set as well.
`tests/simulation/test_determinism.py` fails where a trio comes without them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import trio


@contextmanager
def trio_order(seed: int) -> Iterator[None]:
    """Make every `trio.run` within the context run its tasks in an order that `seed` decides.

    Args:
        seed: any whole number. The order also depends on nothing but what the tasks do.
    """
    run: Any = trio._core._run
    state, sorted_first = run._r.getstate(), run._ALLOW_DETERMINISTIC_SCHEDULING
    run._r.seed(seed)
    # Tasks are sorted by age before they are shuffled: some come out of sets, in any order.
    run._ALLOW_DETERMINISTIC_SCHEDULING = True
    try:
        yield
    finally:
        run._r.setstate(state)
        run._ALLOW_DETERMINISTIC_SCHEDULING = sorted_first

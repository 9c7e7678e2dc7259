"""Whether the same arguments give the same run, byte for byte (I17)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .run import Run


def assert_deterministic(run: Callable[[], Run], times: int = 10) -> Run:
    """Run a simulation again and again, and compare what was seen, byte for byte.

    What breaks it is what comes from outside the world: `random`, `uuid`, the time of day, the
    order of a set of strings or of objects, a worker thread, a dictionary that outlives a run.

    Args:
        run: calls `simulate` with the same arguments every time.
        times: how often.

    Returns:
        The first run.

    Raises:
        AssertionError: naming the first line that differs, and the one before it.
    """
    first = run()
    for number in range(2, times + 1):
        again = run().trace
        if again != first.trace:
            raise AssertionError(f"run {number} differs from run 1: {_differs(first.trace, again)}")
    return first


def _differs(first: bytes, again: bytes) -> str:
    before = "its very beginning"
    lines = zip_longest(first.decode().splitlines(), again.decode().splitlines())
    for number, (was, now) in enumerate(lines, 1):
        if was != now:
            return f"line {number} was\n  {was}\nand now is\n  {now}\nafter\n  {before}"
        before = str(was)
    return "only in its line ends"

"""Trio's own order of the tasks of one instant, made a choice of ours.

The one place that knows trio's private names: the two that Hypothesis and pytest-trio set as well,
and the queue of the tasks that can run. `tests/simulation/test_trio_order.py` fails where a trio
comes without them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableSequence
from contextlib import contextmanager
from random import Random
from typing import Any, Final, TypeAlias, cast

import trio

_run: Final[Any] = trio._core._run

# Puts a batch of at least two tasks, oldest first, into the order in which they are to run, and
# returns how many of them run in this round; the rest wait for the next.
Arrange: TypeAlias = Callable[[list[Any]], int]


def plain(batch: list[Any]) -> int:
    """Run the oldest task first."""
    return len(batch)


def shuffled(seed: int) -> Arrange:
    """Return an order that `seed` decides; the plain one where that is nought."""
    if seed == 0:
        return plain
    random = Random(seed)

    def shuffle(batch: list[Any]) -> int:
        random.shuffle(batch)
        return len(batch)

    return shuffle


def one_at_a_time(choose: Callable[[int], int]) -> Arrange:
    """Return an order in which one task runs in a round, and the others are held back.

    No trio does that, so what only this finds is latent: it would take another scheduler.

    Args:
        choose: says which of so many tasks, from the oldest, which is number nought.
    """

    def arrange(batch: list[Any]) -> int:
        batch.insert(0, batch.pop(choose(len(batch))))
        return 1

    return arrange


class _Batches(Random):
    """Stands in for the generator with which trio shuffles each batch of tasks.

    An exception here would end trio's loop, so it is kept, and the order is the plain one from
    then on.
    """

    def __init__(self, arrange: Arrange) -> None:
        super().__init__(0)
        self.failure: Exception | None = None
        self._arrange = arrange

    def shuffle(self, x: MutableSequence[Any]) -> None:
        """Arrange a batch; trio sorted it by age, and runs it from its end."""
        batch = cast("list[Any]", x)
        if len(batch) < 2:
            return
        running = self._arranged(batch)
        if running < len(batch):
            _run.GLOBAL_RUN_CONTEXT.runner.runq.extend(batch[running:])
            del batch[running:]
        batch.reverse()

    def _arranged(self, batch: list[Any]) -> int:
        try:
            return self._arrange(batch)
        except Exception as exc:  # raised once trio's loop is left behind
            self.failure, self._arrange = exc, plain
            return len(batch)


@contextmanager
def trio_order(arrange: Arrange) -> Iterator[None]:
    """Make every `trio.run` within the context run its tasks in an order of ours.

    Args:
        arrange: decides it. The order also depends on nothing but what the tasks do.

    Raises:
        Exception: on the way out, what `arrange` raised.
    """
    batches = _Batches(arrange)
    random, sorted_first = _run._r, _run._ALLOW_DETERMINISTIC_SCHEDULING
    # Tasks are sorted by age before they are shuffled: some come out of sets, in any order.
    _run._r, _run._ALLOW_DETERMINISTIC_SCHEDULING = batches, True
    try:
        yield
    finally:
        _run._r, _run._ALLOW_DETERMINISTIC_SCHEDULING = random, sorted_first
    if batches.failure is not None:
        raise batches.failure

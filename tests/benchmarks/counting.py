"""What a test of shape counts: calls of functions of ours, and steps of tasks."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio

import actors
import transport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


@contextmanager
def calls_counted() -> Iterator[Counter[str]]:
    """Count calls of functions in `actors` and `transport`, in this worker thread alone."""
    counted: Counter[str] = Counter()
    folders = tuple(package.__path__[0] for package in (actors, transport))

    def count(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(folders):
            counted[frame.f_code.co_qualname] += 1

    sys.setprofile(count)
    try:
        yield counted
    finally:
        sys.setprofile(None)


class Steps(trio.abc.Instrument):
    """Counts the steps that tasks take, by the last two parts of their names."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count one."""
        self.count[".".join(task.name.split(".")[-2:])] += 1


@contextmanager
def steps_counted() -> Iterator[Counter[str]]:
    """Count the steps of all tasks."""
    steps = Steps()
    trio.lowlevel.add_instrument(steps)
    try:
        yield steps.count
    finally:
        trio.lowlevel.remove_instrument(steps)

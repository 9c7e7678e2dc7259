"""Faults: what goes wrong under the runtime, once an operation has said that it is to.

Each waits for the next append, or read, that it is for, strikes once, and is over. What has not
struck when the faults are switched off never does.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field, frozen

from .facts import Fault
from .operations import BreakActor, Crash, FailJournal, Moment


class ActorBug(Exception):
    """What a broken actor raises."""


@frozen
class Strike:
    """A fault that waits for an append.

    Args:
        fault: what is to happen.
        moment: before or after the append's rows are on disk.
    """

    fault: Fault
    moment: Moment


def _nobody() -> None:
    raise AssertionError("nobody said how to kill the process")


@define
class Faults:
    """The faults that wait, one of a sort for the file and for each thread.

    Args:
        crash: kills the process, and starts the next one; set by whoever can.
        struck: whether anything has gone wrong so far.
    """

    crash: Callable[[], None] = field(default=_nobody)
    struck: bool = False
    _of_a_read: bool = False
    _of_the_file: dict[Fault, Strike] = field(factory=dict)
    _of_threads: dict[str, list[Strike]] = field(factory=dict)

    def arm(self, operation: Crash | FailJournal | BreakActor, thread: str) -> None:
        """Have a fault wait for the next append; of that thread, where it is an actor's."""
        match operation:
            case Crash(moment=Moment() as moment):
                self._of_the_file[Fault.KILL] = Strike(Fault.KILL, moment)
            case FailJournal(reads=True):
                self._of_a_read = True
            case FailJournal(moment=moment):
                self._of_the_file[Fault.JOURNAL] = Strike(Fault.JOURNAL, moment)
            case BreakActor(times=times, moment=moment):
                self._of_threads[thread] = [Strike(Fault.ACTOR, moment)] * times
            case _:
                raise AssertionError(f"nothing waits for {operation}")

    def calm(self) -> None:
        """Put away whatever still waits."""
        self._of_a_read = False
        self._of_the_file.clear()
        self._of_threads.clear()

    def disarm(self, thread: str) -> None:
        """Put away what waits for one thread."""
        self._of_threads.pop(thread, None)

    def take_of_a_read(self) -> bool:
        """Say whether a read fails now; it is over with that."""
        fails, self._of_a_read = self._of_a_read, False
        self.struck = self.struck or fails
        return fails

    def take(self, thread: str) -> Strike | None:
        """Return the fault that strikes a thread's append now, if any; it is over with that."""
        waiting = self._of_threads.get(thread)
        if waiting:
            self.struck = True
            return waiting.pop()
        for fault in tuple(self._of_the_file):
            self.struck = True
            return self._of_the_file.pop(fault)
        return None

"""Faults: what goes wrong under the runtime, once an operation has said that it is to.

Each waits for the next append, or read, that it is for, strikes once, and is over. What has not
struck when the faults are switched off never does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from .facts import Fault
from .operations import BreakActor, Crash, FailJournal, Moment

if TYPE_CHECKING:
    from ..journal.contract import Append


class ActorBug(Exception):
    """What a broken actor raises."""


@frozen
class Strike:
    """A fault that waits for an append.

    Args:
        fault: what is to happen.
        moment: before or after the append's rows are on disk.
        settling: whether it waits for one that settles something: ends a turn, or is a record.
    """

    fault: Fault
    moment: Moment
    settling: bool = False

    def is_for(self, append: Append) -> bool:
        """Say whether it strikes an append of those that it is for."""
        return bool(append.settled) or not self.settling


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
    _of_anyone: list[Strike] = field(factory=list)
    _amid_looks: dict[str, tuple[int, Callable[[], None]]] = field(factory=dict)

    def arm(self, operation: Crash | FailJournal | BreakActor, thread: str) -> None:
        """Have a fault wait for the next append; of that thread, where it is an actor's."""
        match operation:
            case Crash(moment=Moment() as moment, settling=settling):
                self._of_the_file[Fault.KILL] = Strike(Fault.KILL, moment, settling)
            case FailJournal(reads=True):
                self._of_a_read = True
            case FailJournal(moment=moment, settling=settling):
                self._of_the_file[Fault.JOURNAL] = Strike(Fault.JOURNAL, moment, settling)
            case BreakActor(times=times, moment=moment, settling=settling, anywhere=anywhere):
                strikes = [Strike(Fault.ACTOR, moment, settling)] * times
                if anywhere:
                    self._of_anyone = strikes
                else:
                    self._of_threads[thread] = strikes
            case _:
                raise AssertionError(f"nothing waits for {operation}")

    def calm(self) -> None:
        """Put away whatever still waits."""
        self._of_a_read = False
        self._of_the_file.clear()
        self._of_threads.clear()
        self._of_anyone.clear()
        self._amid_looks.clear()

    def amid_look(self, thread: str, looks: int, happens: Callable[[], None]) -> None:
        """Have something happen when a thread was read so many times, before that is told."""
        self._amid_looks[thread] = looks, happens

    def looked_at(self, thread: str) -> None:
        """Count a look at a thread, and have happen what waits for it."""
        looks, happens = self._amid_looks.pop(thread, (0, None))
        if happens is not None and looks > 1:
            self._amid_looks[thread] = looks - 1, happens
        elif happens is not None:
            happens()

    def disarm(self, thread: str) -> None:
        """Put away what waits for one thread's actor."""
        self._of_threads.pop(thread, None)
        self._of_anyone.clear()

    def take_of_a_read(self) -> bool:
        """Say whether a read fails now; it is over with that."""
        fails, self._of_a_read = self._of_a_read, False
        self.struck = self.struck or fails
        return fails

    def take(self, append: Append) -> Strike | None:
        """Return the fault that strikes an append now, if any; it is over with that."""
        for waiting in (self._of_threads.get(append.thread), self._of_anyone):
            if waiting and waiting[-1].is_for(append):
                self.struck = True
                return waiting.pop()
        for fault, strike in self._of_the_file.items():
            if strike.is_for(append):
                self.struck = True
                return self._of_the_file.pop(fault)
        return None

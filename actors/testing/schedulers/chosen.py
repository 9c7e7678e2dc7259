"""What a schedule asks for: the scheduler of the ports, and the order of the tasks that can run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..schedule import Explorer
from ..tape import Tape
from ..trio_order import Arrange, shuffled
from .gate import Gate
from .step import stepping
from .virtual_delays import VirtualDelays

if TYPE_CHECKING:
    from ..schedule import Schedule
    from .scheduler import Scheduler


def scheduler_of(schedule: Schedule) -> Scheduler:
    """Return who decides among those that wait at a port."""
    match schedule.explorer:
        case Explorer.DELAYS:
            return VirtualDelays(Tape(schedule.tape), schedule.delays)
        case Explorer.GATE:
            return Gate(Tape(schedule.tape))
        case Explorer.STEP:
            # Every other choice, so that neither moves when the other one is shrunk.
            return VirtualDelays(Tape(schedule.tape[0::2]), schedule.delays)


def arrange_of(schedule: Schedule) -> Arrange:
    """Return what decides among the tasks that can run."""
    if schedule.explorer is Explorer.STEP:
        return stepping(Tape(schedule.tape[1::2]))
    return shuffled(schedule.order)

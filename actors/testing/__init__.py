"""The testing kit: find the race, read it as a story, replay it for ever.

`simulate` runs a scenario of several clients against the real actor code, on virtual time, with a
disk, ids and a model of its own; what was seen from outside is then held against the invariants.
Scenarios and schedules are Hypothesis strategies. It needs the extra `testing`.
"""

from .case import read_case, write_case
from .checkers import CHECKERS, Broken
from .coverage import Overlaps
from .determinism import assert_deterministic
from .lender import Lender
from .operations import Cursor, Operation, Target
from .run import InvariantBroken, Run
from .scenario import (
    Scenario,
    Step,
    attach,
    break_actor,
    cancel,
    casts,
    crash,
    damage,
    delete,
    detach,
    end,
    everything,
    fail_journal,
    restart,
    sample_scenario,
    scenarios,
    submit,
    truncate,
)
from .schedule import PLAIN, TICK, Delays, Explorer, Schedule, sample_schedule, schedules
from .schedulers.exhaustive import Explored, explore
from .script import Script, Then, scripted, scripts
from .scripted_service import Wish, scripted_service
from .shrink import shrink
from .simulation import DEADLINE, replay, simulate, with_deadline
from .state_machine import RuntimeStateMachine
from .stepping import StillWaiting
from .world import SIMULATION_LIMITS, Model, World

__all__ = [
    "CHECKERS",
    "DEADLINE",
    "PLAIN",
    "SIMULATION_LIMITS",
    "TICK",
    "Broken",
    "Cursor",
    "Delays",
    "Explored",
    "Explorer",
    "InvariantBroken",
    "Lender",
    "Model",
    "Operation",
    "Overlaps",
    "Run",
    "RuntimeStateMachine",
    "Scenario",
    "Schedule",
    "Script",
    "Step",
    "StillWaiting",
    "Target",
    "Then",
    "Wish",
    "World",
    "assert_deterministic",
    "attach",
    "break_actor",
    "cancel",
    "casts",
    "crash",
    "damage",
    "delete",
    "detach",
    "end",
    "everything",
    "explore",
    "fail_journal",
    "read_case",
    "replay",
    "restart",
    "sample_scenario",
    "sample_schedule",
    "scenarios",
    "schedules",
    "scripted",
    "scripted_service",
    "scripts",
    "shrink",
    "simulate",
    "submit",
    "truncate",
    "with_deadline",
    "write_case",
]

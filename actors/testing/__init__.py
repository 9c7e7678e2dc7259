"""The testing kit: find the race, read it as a story, replay it for ever.

`simulate` runs a scenario of several clients against the real actor code, on virtual time, with a
disk, ids and a model of its own; what was seen from outside is then held against the invariants.
Scenarios and schedules are Hypothesis strategies. It needs the extra `testing`.
"""

from . import handler_contract, journal_contract, strategies
from .case import Kept, read_case, read_kept, write_case, write_kept
from .checkers import CHECKERS, Broken
from .coverage import Overlaps
from .determinism import assert_deterministic
from .incident.lines import DamagedIncident
from .incident.replay import Incident, Replayed, read_incident, replay_incident
from .lender import Lender
from .operations import (
    Attach,
    BreakActor,
    Cancel,
    Cast,
    Compact,
    Crash,
    Cursor,
    Damage,
    Delete,
    Detach,
    End,
    FailJournal,
    Finalise,
    LetTimePass,
    Mend,
    Moment,
    Operation,
    Restart,
    Submit,
    Target,
    Truncate,
)
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
    fork,
    let_time_pass,
    record,
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
from .simulation import DEADLINE, KindOf, MakeHandler, replay, simulate, with_deadline
from .state_machine import RuntimeStateMachine
from .stepping import StillWaiting
from .world import SIMULATION_LIMITS, Model, Tool, World

__all__ = [
    "CHECKERS",
    "DEADLINE",
    "PLAIN",
    "SIMULATION_LIMITS",
    "TICK",
    "Attach",
    "BreakActor",
    "Broken",
    "Cancel",
    "Cast",
    "Compact",
    "Crash",
    "Cursor",
    "Damage",
    "DamagedIncident",
    "Delays",
    "Delete",
    "Detach",
    "End",
    "Explored",
    "Explorer",
    "FailJournal",
    "Finalise",
    "Incident",
    "InvariantBroken",
    "Kept",
    "KindOf",
    "Lender",
    "LetTimePass",
    "MakeHandler",
    "Mend",
    "Model",
    "Moment",
    "Operation",
    "Overlaps",
    "Replayed",
    "Restart",
    "Run",
    "RuntimeStateMachine",
    "Scenario",
    "Schedule",
    "Script",
    "Step",
    "StillWaiting",
    "Submit",
    "Target",
    "Then",
    "Tool",
    "Truncate",
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
    "fork",
    "handler_contract",
    "journal_contract",
    "let_time_pass",
    "read_case",
    "read_incident",
    "read_kept",
    "record",
    "replay",
    "replay_incident",
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
    "strategies",
    "submit",
    "truncate",
    "with_deadline",
    "write_case",
    "write_kept",
]

"""Profiles: what is drawn in a campaign. One is for everything; each other looks at one corner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from attrs import frozen

from actors.core.commands import OnBusy
from actors.testing import (
    Scenario,
    Wish,
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
    submit,
    truncate,
)
from actors.testing.scenario import Choices, compact, fork, record

if TYPE_CHECKING:
    from random import Random

# Turns that a cancellation, a viewer or a crash has the time to meet.
LONG: Final = ("4 stop", "3 hang", "3 linger", "4 flush", "2 tool", "2 deaf")


@frozen
class Profile:
    """What is drawn.

    Args:
        name: by which it is asked for.
        operations: each sort is as likely as the next.
    """

    name: str
    operations: tuple[Choices, ...]

    def sample(self, random: Random) -> Scenario:
        """Return a scenario of it."""
        return sample_scenario(random, *self.operations)


def _crashes() -> tuple[Choices, ...]:
    return (submit(), submit(*LONG), cancel(), attach(), crash(), crash(), restart())


def _viewers() -> tuple[Choices, ...]:
    return (submit("4 stop", "4 flush", "4 tool"), attach(), attach(), attach(), detach(), crash())


def _queues() -> tuple[Choices, ...]:
    waiting = submit(*LONG, policies=(OnBusy.QUEUE, OnBusy.INTERRUPT, OnBusy.ROLLBACK))
    return (waiting, waiting, waiting, cancel(), attach(), end(), restart())


def _history() -> tuple[Choices, ...]:
    return (submit(), submit(), truncate(), delete(), end(), compact(), attach(), attach())


def _services() -> tuple[Choices, ...]:
    talking = (submit("1 stop", "1 hang"), submit("1 stop"), record(), attach(), attach(), cancel())
    return (*talking, casts(), casts(), casts(), end(), delete(), crash(), restart(), fork())


def _failing_services() -> tuple[Choices, ...]:
    failing = casts(Wish.FAIL, Wish.FAIL, f"{Wish.RECORD} 1", Wish.RETURN)
    faults = (*fail_journal(), *break_actor(), *damage())
    return (submit("1 stop"), submit("2 stop"), failing, failing, attach(), end(), faults)


def _faults() -> tuple[Choices, ...]:
    return (submit(), submit(), cancel(), attach(), fail_journal(), break_actor(), damage())


_MADE: Final[Mapping[str, Callable[[], tuple[Choices, ...]]]] = {
    "everything": everything,
    "cancels": lambda: (submit(*LONG), submit(), cancel(), cancel(), cancel(), attach()),
    "crashes": _crashes,
    "viewers": _viewers,
    "queues": _queues,
    "history": _history,
    "keys": lambda: (submit("1 stop", "2 stop"), submit("1 stop"), crash(), restart(), delete()),
    "faults": _faults,
    "services": _services,
    "failing services": _failing_services,
}

PROFILES: Final[Mapping[str, Profile]] = {
    name: Profile(name, made()) for name, made in _MADE.items()
}
# The one that is for all: it stands for them where only one can be run.
DEFAULT: Final = PROFILES["everything"]

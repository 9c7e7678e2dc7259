"""What may befall connections and credentials in a scenario: choices beside those of the kit."""

from __future__ import annotations

from functools import cache
from typing import Final

from actors.testing.operations import (
    CutConnection,
    Grant,
    HalfClose,
    Leave,
    ListThreads,
    ReadPage,
    Renew,
    Revoke,
    Stall,
)
from actors.testing.scenario import (
    Choices,
    attach,
    break_actor,
    cancel,
    crash,
    delete,
    detach,
    end,
    fail_journal,
    fork,
    let_time_pass,
    record,
    restart,
    submit,
    truncate,
)
from actors.testing.side import Side

# Answers that are still under way when something befalls those who read them.
_LONG: Final = ("8 stop", "8 flush", "6 tool", "6 hang", "6 linger", "6 deaf")


def cut() -> Choices:
    """Return cuts: of both directions, at once or amid what comes next, or of one."""
    return (*map(CutConnection, (0, 0, 1, 1, 1, 2)), *(HalfClose(side) for side in Side))


def stall() -> Choices:
    """Return stalls: a client that takes nothing, or a server that does not."""
    return (Stall(Side.CLIENT), Stall(Side.CLIENT), Stall(Side.SERVER))


def leave() -> Choices:
    """Return the closing of a client; its next step is that of a new one."""
    return (Leave(),)


def renew() -> Choices:
    """Return the renewal of credentials."""
    return (Renew(),)


def revoke() -> Choices:
    """Return what takes threads away, at any time or while they are read, and gives them."""
    return (*[Revoke()] * 3, *map(Revoke, (1, 2, 3)), *[Grant()] * 2)


def reads() -> Choices:
    """Return what is read without being followed: histories, and the list of threads."""
    pages = (ReadPage(), ReadPage(2), ReadPage(older=True), ReadPage(1, older=True))
    return (*pages, *[ListThreads()] * 4)


@cache
def wire_everything() -> tuple[Choices, ...]:
    """Return each sort of operation, the frequent ones more than once."""
    talking = (*[submit()] * 2, *[submit(*_LONG)] * 2, *[cancel()] * 2, *[attach()] * 4)
    network = (*[cut()] * 3, *[stall()] * 2, leave(), *[revoke()] * 3)
    faults = (*fail_journal(), *break_actor())
    rare = (detach(), end(), crash(), restart(), truncate(), delete(), renew(), record())
    twice = (faults, let_time_pass(), fork()) * 2
    return (*talking, *talking, *network, *network, *rare, *twice, *[reads()] * 3)

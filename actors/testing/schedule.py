"""A schedule: everything that a run depends on beside its scenario, as one value."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from attrs import field, frozen
from hypothesis import strategies as st

from .tape import TAPE_BYTES

if TYPE_CHECKING:
    from random import Random

# Seconds of one step of virtual time. A binary fraction: sums of delays are exact, so instants
# that are meant to be the same are the same.
TICK: Final = 2.0**-10


class Delays(enum.StrEnum):
    """How far apart the delays lie."""

    FLAT = "flat"
    HEAVY = "heavy"


class Explorer(enum.StrEnum):
    """What is done to find another order; see the modules of `schedulers`."""

    DELAYS = "delays"
    GATE = "gate"
    STEP = "step"


# What a choice of the tape means, modulo the length: ticks.
TICKS: Final = {
    Delays.FLAT: (0, 1, 2, 3),
    Delays.HEAVY: (0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 4, 4, 16, 64),
}


@frozen
class Schedule:
    """Which of the steps that could come next does.

    Args:
        tape: where each choice is read from; nought is always the plain one.
        delays: what a choice of a delay means.
        order: seeds the order in which trio runs the tasks of one instant; nought is by their age.
        explorer: which choices there are.
    """

    tape: bytes = field(default=b"", repr=lambda tape: f"bytes.fromhex({tape.hex()!r})")
    delays: Delays = Delays.FLAT
    order: int = 0
    explorer: Explorer = Explorer.DELAYS

    @property
    def latent(self) -> bool:
        """Whether no trio of today would run the tasks like that: what it finds may come."""
        return self.explorer is Explorer.STEP


PLAIN: Final = Schedule()


def schedules(*explorers: Explorer) -> st.SearchStrategy[Schedule]:
    """Draw schedules; they shrink towards the plain order.

    Args:
        explorers: which may be drawn; without any, virtual delays.
    """
    return st.builds(
        _schedule,
        st.binary(min_size=TAPE_BYTES, max_size=TAPE_BYTES),
        st.sampled_from(Delays),
        st.integers(0, 255),
        st.sampled_from(explorers or (Explorer.DELAYS,)),
    )


def sample_schedule(random: Random, *explorers: Explorer) -> Schedule:
    """Return a schedule of a random generator; see `schedules` and `sample_scenario`."""
    return Schedule(
        random.randbytes(TAPE_BYTES),
        random.choice(list(Delays)),
        random.randrange(256),
        random.choice(explorers or (Explorer.DELAYS,)),
    )


def _schedule(tape: bytes, delays: Delays, order: int, explorer: Explorer) -> Schedule:
    return Schedule(tape.rstrip(b"\0"), delays, order, explorer)

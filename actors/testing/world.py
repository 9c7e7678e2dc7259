"""The world of a simulated run: its time, its ids, its disk, its model, and who goes first."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import trio

from ..journal.memory import MemoryJournal
from ..limits import Limits
from .faults import Faults
from .lender import Lender
from .recorder import Recorder
from .schedule import TICK, Schedule
from .schedulers.chosen import scheduler_of
from .virtual_clock import VirtualClock
from .watched_turn import WatchedTurn

if TYPE_CHECKING:
    from ..actor.turn import Turn

# A model: gives the pieces of its answer to a conversation.
Model: TypeAlias = Callable[[Sequence[Any]], AsyncIterator[str]]

# A tool: is called with the turn that it is for, and whatever it is to be told.
Tool: TypeAlias = Callable[..., Awaitable[Any]]

# Small enough that a few steps reach every bound and every timer.
SIMULATION_LIMITS: Final = Limits(
    mailbox_commands=4,
    inbox_casts=2,
    fold_records=2,
    queued_turns=2,
    turn_buffer_pieces=2,
    write_burst_seconds=TICK,
    tail_bytes=600,
    tail_merged_bytes=300,
    batch_bytes=300,
    kept_context_bytes=6000,
    kept_context_items=1,
    receipts_in_memory=1,
    cancel_grace_seconds=8 * TICK,
    drain_seconds=4 * TICK,
    close_seconds=8 * TICK,
    idle_seconds=3 * TICK,
    turn_attempts=2,
    # Longer than either thing that the lender does, and shorter than both.
    lease_allocate_seconds=100 * TICK,
    lease_release_seconds=72 * TICK,
    restart_intensity=1,
    restart_period_seconds=64 * TICK,
    journal_reopen_seconds=4 * TICK,
)


class World:
    """Everything outside the runtime, as one run of a simulation sees it.

    Args:
        schedule: decides when each step comes.
        limits: the bounds of the runtime.

    Attributes:
        disk: the rows that survive a crash.
        recorder: what was seen from outside.
        delays: the scheduler: whom the ports ask for leave to go on.
        slowest: ticks that a step of the disk takes at the most.
        clock: virtual time.
        faults: what is to go wrong.
        lender: lends to the services of the present process.
    """

    def __init__(self, schedule: Schedule, limits: Limits = SIMULATION_LIMITS) -> None:
        self.limits = limits
        self.disk = MemoryJournal(limits=limits)
        self.recorder = Recorder()
        self.faults = Faults()
        self.delays = scheduler_of(schedule)
        self.slowest = self.delays.slowest
        self.clock = VirtualClock(self.delays)
        self.lender = Lender(self, lambda _: None)
        self._ids = 0

    def now(self) -> float:
        """Return Unix seconds; see `Clock`."""
        return trio.current_time()

    def fresh(self, prefix: str) -> str:
        """Return a new id, the same one in every run; see `Ids`."""
        self._ids += 1
        return f"{prefix}{self._ids}"

    async def pause(self, label: str = "") -> None:
        """Wait for one's turn: to be awaited wherever real code would wait for something.

        Args:
            label: names who waits; see `Scheduler.step`.
        """
        await self.delays.step(label)

    def effect(self, turn: Turn, what: str) -> None:
        """Note that something took effect outside: to be called by stand-ins for services.

        What takes effect when its turn is over breaks I7.

        Args:
            turn: as the handler under test was given it.
            what: says in a word what it was.
        """
        _watched(turn).acted(what)

    def tool(self, name: str, result: Any = None) -> Tool:
        """Return a tool that takes effect, and answers with `result`, each after a drawn time.

        Its first argument is the turn that it is called for; it takes any others.
        """

        async def call(turn: Turn, *args: Any, **more: Any) -> Any:
            with _watched(turn).process.connection():
                await self.pause()
                self.effect(turn, name)
                await self.pause()
            return result

        return call

    def model(self, *pieces: str) -> Model:
        """Return a model that answers everything with these pieces, each after a drawn time."""

        async def answer(messages: Sequence[Any]) -> AsyncIterator[str]:
            for piece in pieces:
                await self.pause()
                yield piece

        return answer


def _watched(turn: Turn) -> WatchedTurn:
    if not isinstance(turn, WatchedTurn):
        raise TypeError(f"expected the turn that a simulated handler was given, got {turn!r}")
    return turn

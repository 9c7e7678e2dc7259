"""The gate: every step is parked at its port, and one at a time is let through.

Nothing else is under way then, so a step runs to its end before the next one is chosen: what is
explored is the order of the steps, all of it, and nothing but it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import trio
from attrs import define

from .quiescence import Quiescence

if TYPE_CHECKING:
    from ..tape import Tape


T = TypeVar("T")


@define(eq=False)
class _Parked:
    label: str
    number: int
    task: trio.lowlevel.Task


class Gate:
    """Lets the parked steps through one by one, as a tape says.

    Time stands still, unless the choice is to let it pass to the next timer; that comes last.

    Args:
        tape: where the choices are read from; nought is the first label, and the first there.

    Attributes:
        choices: among how many each choice was, of those where there was one.
    """

    slowest = math.inf

    def __init__(self, tape: Tape) -> None:
        self.choices: list[int] = []
        self._tape = tape
        self._calm = False
        self._parked: list[_Parked] = []
        self._number = 0
        self._quiescence = Quiescence()

    async def step(self, label: str = "") -> None:
        """Wait to be let through."""
        if self._calm:
            return
        task = trio.lowlevel.current_task()
        self._number += 1
        parked = _Parked(label or task.name, self._number, task)
        self._parked.append(parked)

        def abort(_: object) -> trio.lowlevel.Abort:
            self._parked.remove(parked)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def trip(self) -> tuple[int, int]:
        """Return that a call passes the gate twice."""
        return (1, 1)

    async def wait(self, ticks: int) -> None:
        """Wait to be let through, where there is anything to wait for."""
        if ticks:
            await self.step()

    def choose(self, among: Sequence[T]) -> T:
        """Return what the tape chooses; the first of them is the plain choice."""
        return among[0 if self._calm else self._choose(len(among))]

    def calm(self) -> None:
        """Park nobody from now on."""
        self._calm = True

    async def quiet(self) -> None:
        """Wait until nobody is parked and every task is blocked: quiescence."""
        await self._quiescence.reached()

    def next(self, now: float, deadline: float) -> float:
        """Let one step through, or time pass."""
        if not self._parked:
            return now if self._quiescence.awaited() else deadline
        chosen = self._choose(len(self._parked) + (deadline < math.inf))
        if chosen == len(self._parked):
            return deadline
        self._parked.sort(key=lambda parked: (parked.label, parked.number))
        trio.lowlevel.reschedule(self._parked.pop(chosen).task)
        return now

    def _choose(self, among: int) -> int:
        if among == 1:
            return 0
        self.choices.append(among)
        return self._tape.next() % among

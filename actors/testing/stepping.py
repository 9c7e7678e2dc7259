"""A simulation that is driven from outside: it runs while it is pumped, and stands still between.

Trio runs as a guest of ours: each of its rounds is a call that it asks us to make, so nothing
happens in it while we make none.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast

import trio
from attrs import define

from .quiet_log import quiet_log
from .schedulers.held import Held
from .simulation import Simulation
from .trio_order import plain, trio_order
from .virtual_clock import VirtualClock

if TYPE_CHECKING:
    import outcome

    from .scenario import Step
    from .simulation import KindOf, MakeHandler
    from .world import World

T = TypeVar("T")

# Rounds of trio's loop in one go; more only where tasks keep each other busy for ever.
ROUNDS: Final = 50_000


class StillWaiting(AssertionError):
    """What was to be waited for does not come without time going on."""


@define(eq=False)
class _Asked(Generic[T]):
    """A call and what came of it; `over` tells a result of None from none."""

    call: Callable[[], Awaitable[T]]
    over: bool = False
    result: T | None = None
    error: Exception | None = None

    async def run(self) -> None:
        try:
            self.result = await self.call()
        except Exception as exc:  # raised where the call was asked for
            self.error = exc
        self.over = True


class SteppedSimulation:
    """A simulation whose time stands still while nobody moves it.

    Args:
        world, make_handler, kind: as for `simulate_in`. Worker threads are not waited for.
    """

    def __init__(self, world: World, make_handler: MakeHandler, kind: KindOf) -> None:
        self._time = Held(world.delays)
        self._world = world
        world.delays = self._time
        world.clock = VirtualClock(self._time)
        self._calls: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._over = trio.Event()
        self._ended: outcome.Outcome[None] | None = None
        self._simulation = Simulation(self._until_over, make_handler, world, kind, None)
        self._around = ExitStack()

    def open(self) -> None:
        """Start the process, and wait until it serves."""
        self._around.enter_context(quiet_log())
        self._around.enter_context(trio_order(plain))
        trio.lowlevel.start_guest_run(
            self._simulation.run,
            run_sync_soon_threadsafe=self._calls.put,
            run_sync_soon_not_threadsafe=self._calls.put,
            done_callback=self._note_end,
            clock=self._world.clock,
        )
        self.settle()

    @property
    def simulation(self) -> Simulation:
        """What is stepped."""
        return self._simulation

    def begin(self, step: Step) -> None:
        """Begin a step of a client, and go on until nobody can go on without time."""
        self._simulation.start(step)
        self.settle()

    def ask(self, call: Callable[[], Awaitable[T]], most: float = 0.0) -> T:
        """Return what a coroutine function returns; raises what it raises.

        Args:
            call: is run within the simulation.
            most: virtual seconds that it may take.

        Raises:
            StillWaiting: where it has not returned by then.
        """
        asked = _Asked(call)
        trio.lowlevel.spawn_system_task(asked.run)
        self._pump(most, lambda: asked.over)
        if asked.error is not None:
            raise asked.error
        if not asked.over:
            raise StillWaiting(f"it was not answered within {most:g} virtual seconds")
        return cast("T", asked.result)

    def settle(self) -> None:
        """Go on until nobody can go on without time."""
        self._pump(0.0)

    def advance(self, seconds: float) -> None:
        """Let so much time go by, in order of all timers that go off meanwhile."""
        self._pump(seconds)

    def close(self) -> None:
        """Switch the faults off, let time run, and see that all comes to its end; see `Run`.

        Raises what broke within the simulation itself.
        """
        try:
            if self._ended is None:
                self._over.set()
                self._time.until, self._time.enough = math.inf, lambda: False
                while self._ended is None:
                    self._calls.get()()
            self._ended.unwrap()
        finally:
            self._around.close()
        if self._world.clock.failure is not None:
            raise self._world.clock.failure

    def _pump(self, seconds: float, enough: Callable[[], bool] = lambda: False) -> None:
        self._time.until = self._world.clock.current_time() + seconds
        self._time.enough = enough
        self._time.idle = False
        for _ in range(ROUNDS):
            if self._time.idle or self._ended is not None:
                return
            self._calls.get()()
        raise StillWaiting("tasks keep each other busy, and time does not go on")

    async def _until_over(self, simulation: Simulation) -> None:
        await self._over.wait()

    def _note_end(self, ended: outcome.Outcome[None]) -> None:
        self._ended = ended

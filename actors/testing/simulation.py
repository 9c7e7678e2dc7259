"""`simulate`: runs a scenario against the real actor code, in a world of our own."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import trio

from ..actor.kinds import Handler, ThreadKind
from .case import read_case
from .clients import Clients
from .facts import AtRest, Fact, Fault, Rested, Struck, Stuck, Surprise
from .operations import (
    Attach,
    BreakActor,
    Crash,
    Cursor,
    Damage,
    FailJournal,
    LetTimePass,
    Mend,
    Restart,
)
from .process import Process
from .quiet_log import quiet_log
from .run import Run
from .scenario import Scenario, Step
from .schedule import PLAIN, TICK, Schedule
from .schedulers.chosen import arrange_of
from .trio_order import trio_order
from .world import SIMULATION_LIMITS, World

if TYPE_CHECKING:
    from ..limits import Limits
    from .scripted_service import MakeService

# Makes the handler under test; called anew in every life of the process.
MakeHandler: TypeAlias = Callable[[World], Handler]
# Makes a thread's kind of its id and its handler.
KindOf: TypeAlias = Callable[[str, Handler], ThreadKind]

# The client that looks at every thread when all is over.
NEWCOMER = -1
# Virtual seconds that a turn may take, so that one which waits for ever comes to an end.
DEADLINE = 256 * TICK
# Virtual seconds in which a phase, and the rest after the last one, has to come to its end.
PATIENCE = 4096 * TICK
# How often a grace is waited for at the end, while a thread is still active.
RESTS = 128


def with_deadline(thread: str, handler: Handler) -> ThreadKind:
    """Return the kind that a simulation uses by default."""
    return ThreadKind(on_turn=handler, deadline=DEADLINE, no_progress=None)


def simulate(
    scenario: Scenario,
    make_handler: MakeHandler,
    *,
    schedule: Schedule = PLAIN,
    kind: KindOf = with_deadline,
    limits: Limits = SIMULATION_LIMITS,
    make_service: MakeService | None = None,
) -> Run:
    """Run a scenario on virtual time, and return what was seen of it from outside.

    The same arguments give the same run, byte for byte (I17).

    Args:
        scenario: what the clients do.
        make_handler: makes the handler under test of the world that it is to live in.
        schedule: which of the steps that could come next does.
        kind: a thread's kind, from its id and the handler.
        limits: the bounds of the runtime.
        make_service: makes the service of every thread, of the world that it is to live in. A
            service keeps its thread active unless the kind's lifetime names its seconds.

    Returns:
        The run; `check()` raises where it broke an invariant.
    """
    world = World(schedule, limits)
    return simulate_in(world, scenario, make_handler, schedule, kind, make_service)


def simulate_in(
    world: World,
    scenario: Scenario,
    make_handler: MakeHandler,
    schedule: Schedule,
    kind: KindOf,
    make_service: MakeService | None = None,
) -> Run:
    """Run a scenario as `simulate` does, in a fresh world that the caller made of the schedule."""
    play = partial(play_phases, scenario)
    simulation = Simulation(play, make_handler, world, kind, make_service)
    drive(world, schedule, simulation.run, simulation.give_up)
    return Run(scenario, schedule, tuple(world.recorder.records))


def drive(
    world: World,
    schedule: Schedule,
    main: Callable[[], Awaitable[None]],
    give_up: Callable[[], None],
) -> None:
    """Run a simulation on its world's time, in its schedule's order.

    Args:
        world, schedule: whose clock counts, and whose order.
        main: what runs.
        give_up: called once where tasks keep each other busy and time stands still; see
            `VirtualClock.patience`, which bounds the time as well.

    Raises:
        Exception: what broke in the scheduler itself.
    """
    world.clock.patience(math.inf, give_up)
    with quiet_log(), trio_order(arrange_of(schedule)):
        try:
            _run_to_its_end(world, main)
        except* SystemExit:  # of a handler or a service, which the runtime has let through
            world.recorder.note_last(Surprise("what it runs has ended the program"))
    if world.clock.failure is not None:
        raise world.clock.failure


def _run_to_its_end(world: World, main: Callable[[], Awaitable[None]]) -> None:
    try:
        trio.run(main, clock=world.clock)
    except Exception:  # of trio's loop, or of the task that read the clock last
        if world.clock.endless is None:
            raise
        world.recorder.note_last(Stuck(world.clock.endless))


def replay(
    case: str,
    make_handler: MakeHandler,
    *,
    kind: KindOf = with_deadline,
    make_service: MakeService | None = None,
) -> Run:
    """Run a case again, as a story gives it.

    Args:
        case: one line of JSON, from `write_case`.
        make_handler, kind, make_service: what they were when the story was told.

    Raises:
        ValueError: where the text is no case.
    """
    scenario, schedule = read_case(case)
    return simulate(scenario, make_handler, schedule=schedule, kind=kind, make_service=make_service)


async def play_phases(scenario: Scenario, simulation: Simulation) -> None:
    """Play a scenario phase by phase, each with a patience of its own.

    Between two, an operator releases what was set aside, or, every other time, so much time passes
    that whatever counts for a while is forgotten.
    """
    for number, phase in enumerate(scenario.phases):
        simulation.renew_patience()
        await simulation.play(phase)
        if number % 2:
            await simulation.let_time_pass()
        else:
            simulation.release_all()


class Simulation:
    """The lives of a process in a world, and the clients who speak to it.

    Args:
        play: does what is to be done, by `play` and `perform`; the faults end with it.
        make_handler, world, kind, make_service: as for `simulate_in`.
        patience: virtual seconds until whatever has not come to its end is stuck.

    Attributes:
        clients: who speak to the process.
    """

    def __init__(
        self,
        play: Callable[[Simulation], Awaitable[None]],
        make_handler: MakeHandler,
        world: World,
        kind: KindOf,
        make_service: MakeService | None,
        patience: float = PATIENCE,
    ) -> None:
        self._play = play
        self._make_handler = make_handler
        self._world = world
        self._kind = kind
        self._make_service = make_service
        self._lives = 0
        self._damaged: dict[str, None] = {}
        world.faults.crash = self._crash
        self._changed = trio.lowlevel.ParkingLot()
        self._patience = trio.CancelScope()
        self._seconds = patience

    async def run(self) -> None:
        """Start the process, play, and come to rest."""
        tasks = trio.lowlevel.current_statistics().tasks_living
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self.clients = Clients(self._world, nursery)
            with self._patience:
                await self._play_all()
            if self._patience.cancelled_caught:
                self._note_stuck()
            nursery.cancel_scope.cancel()
        left = trio.lowlevel.current_statistics().tasks_living - tasks
        if left:
            self._note(Stuck(f"{left} tasks are left when all is over"))

    async def _play_all(self) -> None:
        self._start()
        await self._play(self)
        self._world.delays.calm()
        self._world.faults.calm()
        self._mend_all()
        self.renew_patience()
        await self._come_to_rest()

    def give_up(self) -> None:
        """Stop where everything is."""
        self._patience.cancel()

    def renew_patience(self) -> None:
        """Allow as many seconds from now on as there is patience."""
        self._world.clock.patience(self._seconds, self.give_up)

    def _note_stuck(self) -> None:
        calls = self._world.recorder.open_calls.values()
        waiting = ", ".join(f"call {called.call}" for _, called in calls)
        self._note(Stuck(f"it does not come to an end; open calls: {waiting or 'none'}"))

    # Phases

    async def play(self, phase: tuple[Step, ...]) -> None:
        """Have each client do its steps of one phase, and wait until all is at rest."""
        async with trio.open_nursery() as nursery:
            for client in dict.fromkeys(step.client for step in phase):
                own = [step for step in phase if step.client == client]
                nursery.start_soon(self._play_client, own)
        await self._world.delays.quiet()
        await self._world.pause()

    async def let_time_pass(self) -> None:
        """Wait until no failure of before counts any more, and nobody winds down."""
        await trio.sleep(3 * self._world.limits.restart_period_seconds)
        await self._world.delays.quiet()
        if self._process.serving and not self._process.runtime.statistics().journal_failed:
            self._note(Rested())

    def release_all(self) -> None:
        """Lift the quarantine of every thread whose rows are sound; what breaks it may go on."""
        self._process.release_all(self._damaged)

    async def _play_client(self, steps: list[Step]) -> None:
        for step in steps:
            await self._world.pause(f"client {step.client}")
            await self.perform(step)

    def start(self, step: Step) -> None:
        """Begin one step, beside whatever is under way."""
        self._nursery.start_soon(self.perform, step)

    async def perform(self, step: Step) -> None:
        """Do one step, and wait for what its client waits for."""
        match step.operation:
            case Crash(moment=None):
                self._crash()
            case Crash() | FailJournal() | BreakActor() as fault:
                self._world.faults.arm(fault, step.thread)
            case Damage():
                self._damage(step.thread)
            case Mend():
                self._mend(step.thread)
                (await self.serving()).release(step.thread)
            case Restart():
                await self._restart()
            case LetTimePass(ticks=ticks):
                await trio.sleep(ticks * TICK)
            case _:
                await self.clients.perform(await self.serving(), step)

    # The disk

    def _damage(self, thread: str) -> None:
        self._world.faults.struck = True
        if thread not in self._damaged:
            self._damaged[thread] = None
            self._world.disk.damage(thread)
            self._note(Struck(Fault.DAMAGE, thread))

    def _mend(self, thread: str) -> None:
        self._world.faults.disarm(thread)
        if thread in self._damaged:
            del self._damaged[thread]
            self._world.disk.mend(thread)
            self._note(Struck(Fault.MENDED, thread))

    def _mend_all(self) -> None:
        for thread in list(self._damaged):
            self._mend(thread)

    # Lives

    def _start(self) -> None:
        self._lives += 1
        handler = self._make_handler(self._world)
        self._process = Process(
            self._lives, self._world, handler, self._kind, make_service=self._make_service
        )
        self._nursery.start_soon(self._process.run, self._on_open)

    def _on_open(self) -> None:
        self._changed.unpark_all()

    def _crash(self) -> None:
        self._process.kill()
        self._start()

    async def _restart(self) -> None:
        process = self._process
        process.close()
        await process.closed()
        if process is self._process:  # nobody killed it meanwhile, and started another
            self._start()

    @property
    def process(self) -> Process:
        """The life of the process that is the present one."""
        return self._process

    async def serving(self) -> Process:
        """Wait until the process serves, and return it."""
        while not self._process.serving:
            await self._changed.park()
        return self._process

    # The end

    async def _come_to_rest(self) -> None:
        """Let everything end by itself, see that nothing is left to do, and close."""
        process = await self.serving()
        if self._world.faults.struck:
            await process.healthy()
        for client, thread in list(self.clients.cursors):
            if not self.clients.is_attached(client, thread):
                step = Step(client, thread, Attach(Cursor.HELD))
                await self.clients.perform(process, step)
        for thread in self.clients.threads:
            await self.clients.perform(process, Step(NEWCOMER, thread, Attach(Cursor.NONE)))
        await self._settled()
        # Twice: what a fork made may be activated once more, only to be shown.
        await trio.sleep(2 * self._world.limits.idle_seconds + TICK)
        await passive(process, self._world.limits)
        await self._world.delays.quiet()
        if process.runtime.statistics().active:
            self._note(Stuck("a thread without anything to do is still active"))
        self._note(AtRest())
        process.close()
        await process.closed()

    async def _settled(self) -> None:
        """Wait until no turn is open on disk, and everybody has seen what there is."""
        await self._world.delays.quiet()
        while await self._world.disk.unsettled():
            await self._world.recorder.moved()
            await self._world.delays.quiet()

    def _note(self, fact: Fact) -> None:
        self._world.recorder.note(self._lives, fact)


async def passive(process: Process, limits: Limits) -> None:
    """Wait until no thread is active, but not for ever.

    A kind may have its threads stay, and a service may take its time over each of its casts.
    """
    for _ in range(RESTS):
        if not process.runtime.statistics().active:
            return
        await trio.sleep(limits.cancel_grace_seconds)

"""`simulate_wire`: runs a scenario through real sessions and real clients, over our own network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import trio
from attrs import evolve

from actors.testing import operations as do
from actors.testing.case import read_case
from actors.testing.facts import AtRest, Fact, Stuck, Surprise
from actors.testing.process import Process
from actors.testing.run import Run
from actors.testing.schedule import PLAIN, TICK, Schedule
from actors.testing.simulation import (
    PATIENCE,
    KindOf,
    MakeHandler,
    drive,
    passive,
    with_deadline,
)
from actors.testing.world import World

from ..access import AccessPolicy
from ..api import answer_api
from ..auth import Authorise, anything
from ..event_stream import EventStreams
from ..exchange import Request
from ..http import Site
from ..link import LinkClosed
from ..server import Server
from .network import Connection, SimulatedNetwork
from .page_client import PageClient
from .raw_client import RawClient
from .wire_access import SimulatedAccess
from .wire_clients import LibraryClient
from .wire_limits import WIRE_LIMITS
from .wire_log import DeliveringLink, WireLog
from .wire_steps import Surroundings

if TYPE_CHECKING:
    from actors.limits import Limits
    from actors.testing.scenario import Scenario, Step
    from actors.testing.wire_facts import WireFact

# Whom the clients of a scenario speak for: two connections of one principal, and one of another.
PRINCIPALS: Final = ("ada", "ada", "eve")

# Messages under way in each direction, few enough that a reader who stalls is noticed.
_IN_FLIGHT: Final = 2
# Whether who loses a thread is away just then.
_AWAY: Final = (False, False, True)
# What whoever loses a thread is about to see of it just then, or asks for when it is back.
_LOOKING: Final[tuple[do.Operation, ...]] = (do.ReadPage(), do.ReadPage(), do.Attach())
# Who speaks for a user: the library, a page without it, or nobody.
_SORTS: Final[tuple[type[LibraryClient | RawClient | PageClient], ...]] = (
    *[LibraryClient] * 7,
    *[RawClient] * 2,
    *[PageClient] * 3,
)


def simulate_wire(
    scenario: Scenario,
    make_handler: MakeHandler,
    *,
    schedule: Schedule = PLAIN,
    principals: Sequence[str] = PRINCIPALS,
    authorise: Authorise = anything,
    kind: KindOf = with_deadline,
    limits: Limits = WIRE_LIMITS,
) -> Run:
    """Run a scenario over a simulated network, and return what was seen of it from outside.

    The runtime, the server's sessions and the client library are the real ones; time, disk, ids and
    network are the simulation's. The same arguments give the same run, byte for byte (I17).

    Args:
        scenario: what the clients do; see `wire_everything`.
        make_handler: makes the handler under test of the world that it is to live in.
        schedule: which of the steps that could come next does, and what faults do.
        principals: whom each client speaks for; further clients begin from the first again.
        authorise: which threads are whose, as for `serve`; the scenario takes away and gives back.
        kind: a thread's kind, from its id and the handler.
        limits: the bounds of runtime, server and clients.

    Returns:
        The run; `check()` raises where it broke an invariant.
    """
    world = World(schedule, limits)
    simulation = _WireSimulation(scenario, make_handler, world, kind, principals, authorise)
    drive(world, schedule, simulation.run, simulation.give_up)
    return Run(scenario, schedule, tuple(world.recorder.records), replayed_by="replay_wire")


def replay_wire(
    case: str,
    make_handler: MakeHandler,
    *,
    principals: Sequence[str] = PRINCIPALS,
    authorise: Authorise = anything,
    kind: KindOf = with_deadline,
) -> Run:
    """Run a case of `simulate_wire` again, as a story gives it.

    Args:
        case: one line of JSON, from `write_case`.
        make_handler, principals, authorise, kind: what they were when the story was told.

    Raises:
        ValueError: where the text is no case.
    """
    scenario, schedule = read_case(case)
    return simulate_wire(
        scenario,
        make_handler,
        schedule=schedule,
        principals=principals,
        authorise=authorise,
        kind=kind,
    )


class _WireSimulation:
    def __init__(
        self,
        scenario: Scenario,
        make_handler: MakeHandler,
        world: World,
        kind: KindOf,
        principals: Sequence[str],
        authorise: Authorise,
    ) -> None:
        self._scenario = scenario
        self._make_handler = make_handler
        self._world = world
        self._kind = kind
        self._principals = principals
        self._authorise = authorise
        self._log = WireLog(world.recorder)
        self._lives = 0
        self._clients: dict[int, LibraryClient | RawClient | PageClient] = {}
        self._changed = trio.lowlevel.ParkingLot()
        self._patience = trio.CancelScope()
        world.faults.crash = self._crash

    async def run(self) -> None:
        tasks = trio.lowlevel.current_statistics().tasks_living
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            world = self._world
            self._access = SimulatedAccess(world, self._principals, self._authorise, self._note)
            self._network = SimulatedNetwork(world.delays, nursery, world.limits, _IN_FLIGHT)
            self._around = Surroundings(
                world,
                self._network,
                self._log,
                nursery,
                self._note,
                lambda: self._process,
                self._listening,
                lambda request: self._answers(request),
            )
            with self._patience:
                await self._play_all()
            if self._patience.cancelled_caught:
                asking = ", ".join(f"ask {ask}" for ask in self._around.asking)
                self._note(Stuck(f"it does not come to an end; open asks: {asking or 'none'}"))
            nursery.cancel_scope.cancel()
        left = trio.lowlevel.current_statistics().tasks_living - tasks
        if left:
            self._note(Stuck(f"{left} tasks are left when all is over"))

    def give_up(self) -> None:
        """Stop where everything is."""
        self._patience.cancel()

    async def _play_all(self) -> None:
        self._start()
        self._access.tell(self._scenario)
        for number, phase in enumerate(self._scenario.phases):
            self._renew_patience()
            await self._play(phase)
            if number % 2:
                await self._let_time_pass()
            else:
                self._process.release_all()
        self._world.delays.calm()
        self._world.faults.calm()
        self._network.heal()
        self._renew_patience()
        await self._find_out()
        self._renew_patience()
        await self._come_to_rest()

    def _renew_patience(self) -> None:
        self._world.clock.patience(PATIENCE, self.give_up)

    # Phases

    async def _play(self, phase: tuple[Step, ...]) -> None:
        async with trio.open_nursery() as nursery:
            for number in dict.fromkeys(step.client for step in phase):
                own = [step for step in phase if step.client == number]
                nursery.start_soon(self._play_client, own)
        await self._quiet()
        await self._world.pause()

    async def _let_time_pass(self) -> None:
        """Wait until whatever counts for a while is forgotten."""
        await trio.sleep(3 * self._world.limits.restart_period_seconds)
        await self._quiet()

    async def _play_client(self, steps: list[Step]) -> None:
        for step in steps:
            await self._world.pause(f"client {step.client}")
            match step.operation:
                case do.Crash(moment=None):
                    self._crash()
                case do.Crash() | do.FailJournal() | do.BreakActor() as fault:
                    self._world.faults.arm(fault, step.thread)
                case do.Restart():
                    await self._restart()
                case do.LetTimePass(ticks=ticks):
                    await trio.sleep(ticks * TICK)
                case do.Compact():
                    await self._compact()
                case do.Revoke(looks=0):
                    self._access.allow(step.client, step.thread, False)
                    if self._world.delays.choose(_AWAY):
                        await self._perform(evolve(step, operation=do.CutConnection()))
                        await self._look(step)
                case do.Revoke(looks=looks):
                    revoke = partial(self._access.allow, step.client, step.thread, False)
                    self._world.faults.amid_look(step.thread, looks, revoke)
                    await self._look(step)
                case do.Grant():
                    self._access.allow(step.client, step.thread, True)
                case _:
                    await self._perform(step)

    async def _look(self, step: Step) -> None:
        looking = self._world.delays.choose(_LOOKING)
        await self._perform(evolve(step, operation=looking))

    async def _perform(self, step: Step) -> None:
        await self._client(step.client).perform(step)

    def _client(self, number: int) -> LibraryClient | RawClient | PageClient:
        if number not in self._clients:
            principal = self._access.principal(number)
            sort = self._world.delays.choose(_SORTS)
            self._clients[number] = sort(number, principal, self._around)
        return self._clients[number]

    async def _compact(self) -> None:
        process = await self._serving()
        with process.connection():
            await process.runtime.compact(everything=True)

    async def _quiet(self) -> None:
        await self._world.delays.quiet()
        self._log.settle(trio.current_time(), self._world.limits.cancel_grace_seconds)

    # Lives

    def _start(self) -> None:
        self._lives += 1
        self._stopped = trio.Event()
        handler = self._make_handler(self._world)
        self._process = Process(self._lives, self._world, handler, self._kind, self._shut_down)
        self._nursery.start_soon(self._process.run, self._on_open)

    def _on_open(self) -> None:
        process = self._process
        auth = self._access.auth
        streams = EventStreams(self._world.limits, lambda: 0.5)
        self._server = Server("simulated", process.runtime, (), f"i{self._lives}", auth, streams)
        self._answers = partial(answer_api, process.runtime, auth, streams)
        self._nursery.start_soon(self._serve, process, self._server, self._stopped)
        self._network.listener = partial(self._serve_and_close, process, self._server)
        self._changed.unpark_all()

    async def _serve(self, process: Process, server: Server, stopped: trio.Event) -> None:
        site = Site(
            routes={},
            serve_link=server.serve_link,
            access=AccessPolicy(),
            limits=self._world.limits,
        )
        with process.connection():
            await server.run(site)
        for scope in list(self._around.requests):
            scope.cancel()
        stopped.set()

    async def _serve_and_close(
        self, process: Process, server: Server, connection: Connection
    ) -> None:
        link = DeliveringLink(connection.server, connection.number, process)
        if self._network.listener is None:  # it came as the server closed
            connection.server.abort()
            return
        try:
            with process.connection():
                await server.serve_link(link, Request(method="GET", path="/ws"))
        except* LinkClosed:
            pass
        except* Exception as exc:  # whatever it is, it is what the run has found
            process.note(Surprise(f"the session of connection {connection.number} got {exc!r}"))
        finally:
            connection.server.abort()

    async def _shut_down(self) -> None:
        self._network.listener = None
        self._server.stop()
        await self._stopped.wait()
        await self._quiet()
        self._log.settle_all()

    def _crash(self) -> None:
        self._network.listener = None
        self._process.kill()
        self._network.sever()
        self._start()

    async def _restart(self) -> None:
        process = self._process
        process.close()
        await process.closed()
        if process is self._process:  # nobody killed it meanwhile, and started another
            self._start()

    async def _serving(self) -> Process:
        while not self._process.serving:
            await self._changed.park()
        return self._process

    async def _listening(self) -> Process:
        while self._network.listener is None:
            await self._changed.park()
        return self._process

    # The end

    async def _find_out(self) -> None:
        """Give both sides of what broke without a word the time to miss a sign of life."""
        if self._network.vanished:  # or is about to: after a sign of life, and two are missed then
            await trio.sleep(3 * self._world.limits.heartbeat_seconds + 2 * TICK)

    async def _come_to_rest(self) -> None:
        """Heal, have everybody come back and see everything; then leave, and see what is left."""
        process = await self._serving()
        if self._world.faults.struck:
            await process.healthy()
        await self._quiet()
        for client in self._clients.values():
            await client.come_back()
        while self._around.asking:
            await self._world.recorder.moved()
        await self._settled()
        limits = self._world.limits
        await trio.sleep(limits.idle_seconds + 2 * limits.reconnect_most_seconds)
        await self._quiet()
        await passive(process, limits)
        if process.runtime.statistics().active:
            self._note(Stuck("a thread without anything to do is still active"))
        self._note(AtRest())
        for client in self._clients.values():
            await client.leave()
        await self._quiet()
        self._look_for_remains(process)
        process.close()
        await process.closed()

    def _look_for_remains(self, process: Process) -> None:
        if self._server.connections:
            self._note(Stuck(f"{self._server.connections} sessions outlive their connections"))
        subscribers = process.runtime.statistics().subscribers
        if subscribers:
            self._note(Stuck(f"{subscribers} subscribers outlive their connections"))

    async def _settled(self) -> None:
        await self._quiet()
        while await self._world.disk.unsettled():
            await self._world.recorder.moved()
            await self._quiet()

    def _note(self, fact: Fact | WireFact) -> None:
        self._world.recorder.note(self._lives, fact)

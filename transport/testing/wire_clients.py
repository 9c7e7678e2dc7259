"""The clients of a simulated run: real client libraries, and the users who call them."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final

import trio
from attrs import define, field

from actors.core.effects import (
    Cancelled,
    CancelOutcome,
    ForkReceipt,
    RecordReceipt,
    Submitted,
    Truncated,
)
from actors.core.position import parse_cursor
from actors.errors import ClientClosed, HoldfastError, OutcomeUnknown, Rejected
from actors.testing import operations as do
from actors.testing.facts import Answer, Done, Raised, Refused, Surprise
from actors.testing.read_facts import Page
from actors.testing.wire_facts import (
    Asked,
    Followed,
    Shown,
    Told,
    Unfollowed,
    Went,
)

from ..client import Client
from ..connecting import connect
from .wire_answers import listing_of

if TYPE_CHECKING:
    from actors.testing.scenario import Step
    from actors.testing.world import World

    from ..link import Link
    from .network import Connection
    from .wire_log import WatchedLink
    from .wire_steps import Surroundings

# Whether a user opens a thread once more, before anything of it may have come.
_AGAIN: Final = (False, False, False, True)


# After how many messages the connection breaks on which a thread was opened; mostly it stays.
_BREAKS: Final = (*[0] * 6, 1, 2)

# Ticks that a reader is busy with a batch for; the longest is longer than a turn goes on.
_NAPS: Final = (*[0] * 13, 8, 32, 128)


class _Drawn(Random):
    """Draws keys from a seed, and what waits are made of from the tape: binary fractions of them.

    Never nought: who finds nobody listening has to let time go by.
    """

    def __init__(self, seed: str, world: World) -> None:
        super().__init__(seed)
        self._world = world

    def __new__(cls, seed: str, world: World) -> _Drawn:
        """Return a generator; `random.Random` takes one argument only."""
        return super().__new__(cls)

    def random(self) -> float:
        """Return a number in (0, 1)."""
        return self._world.delays.choose((0.5, 0.25, 0.75, 0.125))


@define(eq=False)
class _Reader:
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    over: trio.Event = field(factory=trio.Event)


@define(eq=False)
class _Visit:
    """One client library, from its opening until it is left."""

    client: Client | None = None
    here: trio.Event = field(factory=trio.Event)
    leaving: trio.Event = field(factory=trio.Event)
    over: trio.Event = field(factory=trio.Event)


class LibraryClient:
    """A user with the real client library, whose calls it may leave waiting.

    Args:
        number: which client of the scenario it is.
        principal: whom it speaks for.
        around: what it shares with the others.
    """

    def __init__(self, number: int, principal: str, around: Surroundings) -> None:
        self.number = number
        self.principal = principal
        self._around = around
        self._visits = 0
        self._visit: _Visit | None = None
        self._connection: Connection | None = None
        self._link: WatchedLink | None = None
        self._readers: dict[str, _Reader] = {}

    async def perform(self, step: Step) -> None:
        """Carry out one step. Some calls are not waited for, as the tape chooses."""
        client = await self.come()
        match step.operation:
            case do.CutConnection() | do.HalfClose() | do.Stall() as fault:
                self._around.befall(self._connection, fault, unnoticed=self._link)
            case do.Leave():
                await self.leave()
            case do.Renew():
                client.renew()
            case do.Attach(cursor=cursor):
                held = self._around.cursor(self.number, step.thread, cursor)
                await self.follow(step.thread, held)
                if self._around.world.delays.choose(_AGAIN):
                    await self.follow(step.thread, None)
                after = self._around.world.delays.choose(_BREAKS)
                if after:
                    self._around.befall(self._connection, do.CutConnection(after))
            case do.Detach():
                await self._unfollow(step.thread)
            case _:
                await self._ask(client, step)

    async def come(self) -> Client:
        """Return the library; a new one where the last one was left."""
        if self._visit is None:
            self._visit = _Visit()
            self._visits += 1
            self._around.nursery.start_soon(self._stay, self._visit)
        await self._visit.here.wait()
        assert self._visit.client is not None
        return self._visit.client

    async def leave(self) -> None:
        """Close the library in order; readers and calls that wait are told."""
        if self._visit is not None:
            self._around.note(Went(self.number))
            self._visit.leaving.set()
            await self._visit.over.wait()

    async def come_back(self) -> None:
        """Be connected, and read on where anything was read."""
        client = await self.come()
        await client.opened()
        for thread in self._around.followed(self.number):
            if thread not in self._readers:
                cursor = self._around.cursor(self.number, thread, do.Cursor.HELD)
                await self.follow(thread, cursor)

    # The connection

    async def _stay(self, visit: _Visit) -> None:
        around = self._around
        rng = _Drawn(f"{self.number}/{self._visits}", around.world)
        limits = around.world.limits
        async with connect(
            open_link=self._open_link, token=self._token, limits=limits, rng=rng
        ) as client:
            visit.client = client
            visit.here.set()
            await visit.leaving.wait()
            self._visit = None
        visit.over.set()

    async def _open_link(self, nursery: trio.Nursery) -> Link:
        around = self._around
        connection = await around.network.dial()
        self._connection = connection
        self._link = around.watched(connection, self.number, self.principal)
        return self._link

    def _token(self) -> str:
        number = self._connection.number if self._connection is not None else 0
        return f"{self.principal}:{number}"

    # Calls

    async def _ask(self, client: Client, step: Step) -> None:
        ask, answered = self._around.number(), trio.Event()
        argument = self._around.argument(step)
        self._around.note(Asked(ask, self.number, step.thread, step.operation))
        self._around.asking[ask] = None
        self._around.nursery.start_soon(self._call, client, step, argument, ask, answered)
        if self._around.world.delays.choose((True, False)):
            await answered.wait()

    async def _call(
        self, client: Client, step: Step, argument: str | None, ask: int, answered: trio.Event
    ) -> None:
        answer = await _answer(client, step, argument)
        self._around.note(Told(ask, answer))
        del self._around.asking[ask]
        answered.set()

    # Readers

    async def follow(self, thread: str, cursor: str | None) -> None:
        """Read a thread from now on, in place of what was read of it before."""
        await self._unfollow(thread)
        client = await self.come()
        reader = self._readers[thread] = _Reader()
        self._around.nursery.start_soon(self._read, client, reader, thread, cursor)

    def _stays(self, client: Client) -> bool:
        visit = self._visit
        return visit is not None and visit.client is client and not visit.leaving.is_set()

    async def _unfollow(self, thread: str) -> None:
        reader = self._readers.get(thread)
        if reader is not None:
            reader.scope.cancel()
            await reader.over.wait()

    async def _read(self, client: Client, reader: _Reader, thread: str, cursor: str | None) -> None:
        around, number = self._around, self._around.number()
        around.note(Followed(number, self.number, thread, cursor))
        try:
            with reader.scope:
                async with client.attach(thread, cursor) as subscription:
                    async for batch in subscription:
                        around.note(Shown(number, batch))
                        around.log.cursors[self.number, thread].append(batch.cursor)
                        await around.world.pause()
                        await around.world.delays.wait(around.world.delays.choose(_NAPS))
        except Rejected:
            pass  # not its thread
        except ClientClosed as exc:
            if self._stays(client):
                around.note(Surprise(f"reader {number} got {exc!r}, and its user has stayed"))
        except Exception as exc:  # whatever it is, it is what the run has found
            around.note(Surprise(f"reader {number} got {exc!r}"))
        finally:
            around.note(Unfollowed(number))
            del self._readers[thread]
            reader.over.set()


async def _answer(client: Client, step: Step, argument: str | None) -> Answer:
    try:
        return await _carry_out(client, step, argument)
    except Rejected as exc:
        return Refused(exc.code, exc.details.get("turn"))
    except OutcomeUnknown:
        return Refused("outcome_unknown")
    except ClientClosed:
        return Refused("client_closed")
    except HoldfastError as exc:
        return Raised(repr(exc))


async def _carry_out(client: Client, step: Step, argument: str | None) -> Answer:
    thread = step.thread
    match step.operation:
        case do.Submit(text=text, key=key, on_busy=on_busy, along=along, first=first):
            more = along.more if first is None else {"after": argument, **along.more}
            receipt = await client.submit(thread, text, key=key, on_busy=on_busy, **more)
            return Submitted(receipt.turn, parse_cursor(receipt.cursor), receipt.duplicate)
        case do.Cancel(rollback=rollback):
            reply = await client.cancel(thread, argument, rollback=rollback)
            outcome = CancelOutcome(reply.outcome)
            return Cancelled(reply.turn, outcome, parse_cursor(reply.cursor))
        case do.Record(number=number, key=key, kind=kind):
            recorded = await client.record(thread, kind, number, key=key)
            return RecordReceipt(parse_cursor(recorded.cursor), recorded.duplicate)
        case do.Fork(to=to, key=key):
            made = await client.fork(thread, to, argument, key=key)
            return ForkReceipt(parse_cursor(made.cursor))
        case do.ReadPage(limit=limit):
            page = await client.history(thread, argument, limit=limit)
            return Page(tuple(page.items), page.before)
        case do.ListThreads():
            return listing_of(await client.threads())
        case do.Truncate():
            return Truncated(parse_cursor((await client.truncate(thread, argument)).cursor))
        case do.End():
            return Done(await client.end(thread))
        case do.Delete():
            return Done(await client.delete(thread))
        case _:
            raise AssertionError(f"not over the wire: {step}")

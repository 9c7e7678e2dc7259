"""What the client contract plays its scenes with: a client, a script, calls and readers beside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar

import trio

from actors.delivery.batches import CaughtUp, Detached, Events, Snapshot
from actors.errors import HoldfastError
from actors.limits import Limits

from ..background import background_nursery
from ..connection import OpenLink
from ..wire.client_messages import Attach
from ..wire.replies import SubmitReply
from .scripted_server import ScriptedConnection, ScriptedServer

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Subscribed(Protocol):
    """What a client's `attach` yields: an async iterator of batches."""

    def __aiter__(self) -> AsyncIterator[Any]:
        """Iterate over the batches, each `actors.Snapshot`, `Events`, `CaughtUp` or `Detached`."""
        ...


class SomeClient(Protocol):
    """What the contract asks of a client; see `transport.Client`."""

    def submit(self, thread: str, content: str, *, key: str | None = None) -> Awaitable[Any]:
        """Submit; the answer has `turn`, `cursor` and `duplicate`."""
        ...

    def cancel(self, thread: str, turn: str | None = None) -> Awaitable[Any]:
        """Cancel; the answer has `outcome`."""
        ...

    def record(
        self, thread: str, kind: str, data: Any, *, key: str | None = None
    ) -> Awaitable[Any]:
        """Record; the answer has `cursor` and `duplicate`."""
        ...

    def fork(
        self, thread: str, to: str, after: str | None, *, key: str | None = None
    ) -> Awaitable[Any]:
        """Fork; the answer has `cursor`."""
        ...

    def truncate(self, thread: str, after: str | None) -> Awaitable[Any]:
        """Truncate."""
        ...

    def end(self, thread: str) -> Awaitable[bool]:
        """End."""
        ...

    def delete(self, thread: str) -> Awaitable[bool]:
        """Delete."""
        ...

    def ping(self) -> Awaitable[None]:
        """Ping."""
        ...

    def attach(
        self, thread: str, cursor: str | None = None
    ) -> AbstractAsyncContextManager[Subscribed]:
        """Attach."""
        ...


# Connects a client by that way of opening links, under those limits.
ConnectClient: TypeAlias = Callable[[OpenLink, Limits], AbstractAsyncContextManager[SomeClient]]

Check: TypeAlias = Callable[[ConnectClient], Awaitable[None]]

LIMITS: Final = Limits(client_buffer_chars=2000)
RECEIPT: Final = SubmitReply("u1", "1.2", duplicate=False)
HOUR: Final = 3600.0
# Virtual seconds within which a scene is over.
_SCENE_SECONDS: Final = 24 * HOUR


class Asked(Generic[T]):
    """A call that runs beside the script."""

    def __init__(self, nursery: trio.Nursery, call: Callable[[], Awaitable[T]]) -> None:
        self._over = trio.Event()
        self._result: list[T] = []
        self._failure: HoldfastError | None = None
        nursery.start_soon(self._run, call)

    async def _run(self, call: Callable[[], Awaitable[T]]) -> None:
        try:
            self._result.append(await call())
        except HoldfastError as failure:
            self._failure = failure
        self._over.set()

    @property
    def is_over(self) -> bool:
        """Whether it has returned or raised."""
        return self._over.is_set()

    async def result(self) -> T:
        """Wait for it, and return what it returned or raise what it raised."""
        await self._over.wait()
        if self._failure is not None:
            raise self._failure
        return self._result[0]

    async def failure(self, sort: type[HoldfastError]) -> Any:
        """Wait for it, and return what it raised, which has to be of this sort."""
        await self._over.wait()
        assert isinstance(self._failure, sort), f"got {self._failure!r}, {self._result}"
        return self._failure


class Reader:
    """Follows a thread, and notes what it is given.

    Attributes:
        seen: the offset of every event since the last snapshot.
        snapshots: the cursors of the snapshots.
        detached: the reason, once it was detached.
        failure: what the iteration raised.
    """

    def __init__(
        self, nursery: trio.Nursery, client: SomeClient, thread: str, cursor: str | None = None
    ) -> None:
        self.seen: list[int] = []
        self.snapshots: list[str] = []
        self.detached: str | None = None
        self.failure: HoldfastError | None = None
        self.allowed = trio.CapacityLimiter(1)
        self._caught_up = 0
        self._news = trio.lowlevel.ParkingLot()
        nursery.start_soon(self._run, client, thread, cursor)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition on what was noted holds."""
        while not condition():
            await self._news.park()

    async def _run(self, client: SomeClient, thread: str, cursor: str | None) -> None:
        try:
            async with client.attach(thread, cursor) as subscription:
                async for batch in subscription:
                    async with self.allowed:  # a test that holds it makes a slow reader
                        self._note(batch)
        except HoldfastError as failure:
            self.failure = failure
        self._news.unpark_all()

    def _note(self, batch: object) -> None:
        match batch:
            case Snapshot():
                self.snapshots.append(batch.cursor)
                self.seen.clear()
            case Events():
                for entry in batch.entries:
                    self.seen += range(entry.offset, entry.to + 1)
            case CaughtUp():
                self._caught_up += 1
            case Detached():
                self.detached = batch.reason
        self._news.unpark_all()


class Scene:
    """A client and a server that says what the test says.

    Attributes:
        server: the server.
        client: the client.
    """

    def __init__(self, server: ScriptedServer, client: SomeClient, nursery: trio.Nursery) -> None:
        self.server = server
        self.client = client
        self._nursery = nursery

    def ask(self, call: Callable[..., Awaitable[T]], *args: Any, **options: Any) -> Asked[T]:
        """Call the client beside the script."""
        return Asked(self._nursery, lambda: call(*args, **options))

    def read(self, thread: str, cursor: str | None = None) -> Reader:
        """Attach the client, and note what it is given."""
        return Reader(self._nursery, self.client, thread, cursor)

    async def follow(self) -> tuple[Reader, ScriptedConnection]:
        """Have the client connect, and follow thread `t` from 1.1."""
        reader = self.read("t")
        peer = await self.server.greet()
        await peer.show(await peer.expect(Attach), "1.1")
        await reader.until(lambda: reader.snapshots == ["1.1"])
        return reader, peer


@asynccontextmanager
async def scene(connect: ConnectClient, limits: Limits) -> AsyncIterator[Scene]:
    """Open a scene, which is over within a day of virtual time."""
    server = ScriptedServer(limits)
    with trio.fail_after(_SCENE_SECONDS):
        async with connect(server.open_link, limits) as client, background_nursery() as nursery:
            yield Scene(server, client, nursery)

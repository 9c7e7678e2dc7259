"""The history program's server on a file and a socket, and in a process of its own."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio
from attrs import define

from actors import Item, Limits, Runtime, Snapshot, ThreadKind, Turn, open_runtime
from tests.real_input.server_process import ServerProcess, running_server
from transport import Client, Server, connect, serve

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

ROOT = Path(__file__).resolve().parents[2]
LIMITS = Limits(drain_seconds=0.2, cancel_grace_seconds=0.2)


@define
class Served:
    """A runtime on a file, its server on a socket, and a client of that."""

    runtime: Runtime
    server: Server
    client: Client

    async def ends(self, thread: str, turn: str) -> str:
        state = (await self.runtime.thread(thread).outcome(turn)).state
        assert state is not None
        return state.value

    async def shown(self, thread: str = "t") -> list[tuple[str, Any]]:
        return shown((await self.client.history(thread)).items)


@asynccontextmanager
async def served(
    folder: Path, on_turn: Any = None, limits: Limits = LIMITS
) -> AsyncGenerator[Served, None]:
    kind = ThreadKind(on_turn=on_turn) if on_turn else ThreadKind()
    path = folder / "chat.db"
    with trio.fail_after(60):
        async with (
            open_runtime(path, kind_of=lambda _: kind, limits=limits) as runtime,
            trio.open_nursery() as nursery,
        ):
            server: Server = await nursery.start(partial(serve, runtime, port=0))
            async with connect(server.url, limits=limits) as client:
                yield Served(runtime, server, client)
            server.stop()


def own_process(folder: Path) -> AbstractAsyncContextManager[ServerProcess]:
    """A server in a process of its own, which the test may kill."""
    return running_server(folder, "tests.examples.history_stage:say")


def reached(server: ServerProcess) -> AbstractAsyncContextManager[Client]:
    return connect(f"http://127.0.0.1:{server.port}")


def shown(items: tuple[Item, ...]) -> list[tuple[str, Any]]:
    """What a person reads: the kind of each item, and what it says."""
    says = ("content", "text", "reason", "name", "data")
    return [
        (item.kind, next(item.body[name] for name in says if name in item.body)) for item in items
    ]


def on_disk(folder: Path) -> dict[str, bytes]:
    """The files of a journal, but for the index that processes share as memory."""
    files = folder.glob("chat.db*")
    return {path.name: path.read_bytes() for path in files if not path.name.endswith("-shm")}


async def say(turn: Turn) -> None:
    """Answer, or begin to."""
    await turn.write(f"answer to {turn.text}")
    if turn.text == "wait":
        await trio.sleep_forever()


async def answer_begun(client: Client, thread: str) -> tuple[Item, ...]:
    """Wait until the running turn has said something, and return what is shown of it."""
    while True:
        async with client.attach(thread) as stream:
            snapshot = await anext(stream)
        assert isinstance(snapshot, Snapshot)
        if snapshot.turn is not None and len(snapshot.turn.items) > 1:
            return snapshot.turn.items
        await trio.sleep(0.02)

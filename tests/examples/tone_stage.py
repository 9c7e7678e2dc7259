"""The tone program on a stage, with sidecars that are not there."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import audio
import tone
import trio
import trio.testing
from attrs import define, field

from actors import Lease, ThreadKind
from tests.examples.stage import shown, stage
from tests.transport.memory_server import MemoryServer, client_of, run

if TYPE_CHECKING:
    from transport import Client

T = "s"
LOUD = next(chunk for chunk in audio.chunks_of() if audio.level(chunk) > 80)
CALM = bytes(audio.CHUNK_BYTES)
blocked = trio.testing.wait_all_tasks_blocked


@define
class Lender:
    """Lends sidecars that are not there, as slowly and as badly as it is told."""

    seconds: float = 0.0
    fails: bool = False
    bad_at_taking_back: bool = False
    address: str = "http://sidecar-{}"
    asked: list[str] = field(factory=list)
    lent: list[str] = field(factory=list)
    back: list[str] = field(factory=list)

    def lease(self, static: str | None = None) -> Lease[str]:
        return Lease(
            allocate=self.allocate,
            release=self.release,
            static=static,
            allocate_seconds=30,
            release_seconds=5,
        )

    async def allocate(self, thread: str) -> str:
        self.asked.append(thread)
        await trio.sleep(self.seconds)
        if self.fails:
            raise OSError("no machine is free")
        self.lent.append(self.address.format(len(self.lent)))
        return self.lent[-1]

    async def release(self, url: str) -> None:
        self.back.append(url)
        if self.bad_at_taking_back:
            await trio.sleep(60)


@define
class Calls:
    """Takes the calls to sidecars; those of the numbers named fail."""

    failing: frozenset[int] = frozenset()
    windows: list[tuple[str, bytes]] = field(factory=list)

    async def __call__(self, url: str, pcm: bytes) -> bytes:
        await trio.lowlevel.checkpoint()
        self.windows.append((url, pcm))
        if len(self.windows) in self.failing:
            raise OSError("it is not well")
        return json.dumps([("tone", {"label": f"{len(self.windows)}", "score": 0.9})]).encode()


def play(scene: Callable[[MemoryServer, Client], Awaitable[None]], kind: ThreadKind) -> None:
    async def opened() -> None:
        async with stage(lambda _: kind) as server, client_of(server) as client:
            await scene(server, client)

    run(opened)


async def begin(client: Client, thread: str = T) -> None:
    await client.record(thread, "environ", tone.DEVICE)
    await client.ping()
    await blocked()


async def say(client: Client, *chunks: bytes, thread: str = T) -> None:
    for chunk in chunks:
        assert client.cast(thread, audio.KIND, chunk)
    await client.ping()
    await blocked()


async def modes(client: Client, thread: str = T) -> list[str]:
    environs = await shown(client, thread, "environ")
    return [data["value"] for data in environs if data["what"] == "classifier"]


def tones(found: list[Any]) -> list[str]:
    return [data["label"] for kind, data in found if kind == "tone"]


async def look(client: Client, seconds: float) -> None:
    """Be attached for some seconds."""
    with trio.move_on_after(seconds):
        async with client.attach(T) as subscription:
            async for _ in subscription:
                pass
    await client.ping()

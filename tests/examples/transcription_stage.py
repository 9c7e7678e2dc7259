"""The transcription program on a stage that can be stopped, and started again on its journal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import audio
import transcription
import trio
import trio.testing
from attrs import define, field
from transcription import PLACE

from actors import Progress, ThreadKind
from actors.journal.memory import MemoryJournal
from tests.examples.stage import LIMITS, shown, stage
from tests.transport.memory_server import MemoryServer, client_of, run

if TYPE_CHECKING:
    from transport import Client

CHUNKS = audio.chunks_of()
blocked = trio.testing.wait_all_tasks_blocked


@define
class Product:
    """The program's server: it can be stopped, and started again on the same journal."""

    conversation: ThreadKind = transcription.CONVERSATION
    journal: MemoryJournal = field(factory=lambda: MemoryJournal(limits=LIMITS))

    starts: int = 0

    async def run(self, scene: Callable[[MemoryServer, Client], Awaitable[None]]) -> None:
        self.journal.reopen()
        self.starts += 1
        async with (
            stage(self.kind_of, self.journal) as server,
            client_of(server, self.starts) as client,
        ):
            await scene(server, client)

    def kind_of(self, thread: str) -> ThreadKind:
        kind = transcription.kind_of(thread)
        return self.conversation if kind is transcription.CONVERSATION else kind


def play(
    *scenes: Callable[[MemoryServer, Client], Awaitable[None]],
    conversation: ThreadKind = transcription.CONVERSATION,
) -> None:
    """Run scenes one after the other, the server started anew for each."""

    async def all_of_them() -> None:
        product = Product(conversation)
        for scene in scenes:
            await product.run(scene)

    run(all_of_them)


async def say(
    client: Client, thread: str, first: int = 0, upto: int = len(CHUNKS), connected: int = 1
) -> None:
    """Cast some chunks of the recording, and wait until they were heard."""
    for number in range(first, upto):
        assert client.cast(thread, audio.KIND, PLACE.pack(connected, number) + CHUNKS[number])
    await client.ping()
    await blocked()


async def items_of(client: Client, thread: str, kind: str, count: int) -> list[Mapping[str, Any]]:
    """Wait until a thread shows so many items of a kind, and return what is in them."""
    found: list[Mapping[str, Any]] = []
    async with client.attach(thread) as stream:
        while len(found) < count:
            await anext(stream)
            items = (await client.history(thread)).items
            found = [item.body for item in items if kind in (item.kind, item.body.get("record"))]
    return found


async def segments(client: Client, thread: str) -> list[tuple[int, int]]:
    return [(each["start"], each["end"]) for each in await shown(client, thread, "segment")]


def segment(number: int, **more: Any) -> dict[str, Any]:
    return {"text": "x", "start": number, "end": number + 1, "speaker": 1, **more}


async def progress(server: MemoryServer, thread: str) -> Progress:
    return await server.runtime.thread(thread).progress()

"""How long the way of a submit through the server is, counted and not timed."""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson
import trio
import trio.testing
from attrs import define

from actors import Runtime, ThreadKind, Turn, open_runtime
from tests.benchmarks.counting import calls_counted, steps_counted
from tests.benchmarks.load import frames
from transport import frame_stream, serve

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    import pytest

# Which task takes how many steps from the frame to its reply.
WAY = {"SocketOwner._own": 1, "Commits._run": 2, "<TrioToken.run_sync_soon task>": 1}


async def mute(turn: Turn) -> None:
    """Say nothing."""


@define(eq=False)
class Talk:
    """One connection, whose submits are answered one after the other."""

    runtime: Runtime
    stream: trio.SocketStream
    submits: int = 0

    async def submit(self) -> str:
        """Submit, and return the turn that is to answer."""
        self.submits += 1
        said = {"type": "submit", "id": str(self.submits), "thread": "t", "content": "a"}
        await self.stream.send_all(frames.text(orjson.dumps(said)))
        return str((await self.hear())["turn"])

    async def hear(self) -> dict[str, Any]:
        """Return the next message, which comes alone."""
        heard, _ = frames.split(await self.stream.receive_some())
        message: dict[str, Any] = orjson.loads(heard[0][1])
        return message

    async def turn(self) -> None:
        """Submit, and see the turn end."""
        await self.runtime.thread("t").outcome(await self.submit())


@asynccontextmanager
async def talking(path: Path) -> AsyncGenerator[Talk, None]:
    kind = ThreadKind(on_turn=mute, context_items=0)
    async with (
        open_runtime(path / "a.db", kind_of=lambda _: kind) as runtime,
        trio.open_nursery() as nursery,
    ):
        server = await nursery.start(partial(serve, runtime, port=0))
        port = urlsplit(server.url).port or 0
        sock, rest = await trio.to_thread.run_sync(frames.connect, port, "/ws")
        sock.settimeout(0)
        async with trio.SocketStream(trio.socket.from_stdlib_socket(sock)) as stream:
            talk = Talk(runtime, stream)
            assert rest or (await talk.hear())["type"] == "welcome"
            for _ in range(3):
                await talk.turn()
            await trio.testing.wait_all_tasks_blocked()
            yield talk
        nursery.cancel_scope.cancel()


async def test_a_submit_is_answered_in_four_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader's, which decides; one to begin the commit, one to be told, one to publish.

    The reply is written in the last, before the turn has begun.
    """
    until_reply: Counter[str] = Counter()
    send_now = frame_stream.send_now
    async with talking(tmp_path) as talk:
        with steps_counted() as steps:

            def noted(stream: trio.abc.SendStream, data: bytes) -> int:
                until_reply.update(steps)
                return send_now(stream, data)

            monkeypatch.setattr(frame_stream, "send_now", noted)
            await talk.submit()
        monkeypatch.setattr(frame_stream, "send_now", send_now)
    taken = {name: count for name, count in until_reply.items() if "test" not in name}
    assert taken == WAY


async def test_a_submit_takes_few_calls(tmp_path: Path) -> None:
    """Calls of ours on the loop's side, for the submit and all of a turn that says nothing."""
    async with talking(tmp_path) as talk:
        endings = talk.runtime.registry.around.endings
        before = endings.total()
        with calls_counted() as calls:
            for number in range(1, 11):
                await talk.submit()
                while endings.total() < before + number:
                    await trio.lowlevel.checkpoint()
    assert calls.total() / 10 <= 360, calls.most_common()

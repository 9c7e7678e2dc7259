"""What a connection says of a thread is taken where it is read, and comes to the same."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import trio
from raw_peer import RawPeer, connect, text

from actors import Turn, open_runtime
from actors.limits import DEFAULT_LIMITS, Limits
from transport import serve
from transport.auth import Authorise, anything
from transport.wire.protocol import Output, ServerProtocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    import pytest

FEW = Limits(unanswered_commands=3)


async def mute(turn: Turn) -> None:
    """Say nothing."""


@asynccontextmanager
async def peer_of(
    path: Path, authorise: Authorise = anything, limits: Limits = DEFAULT_LIMITS
) -> AsyncGenerator[RawPeer, None]:
    async with (
        open_runtime(path / "a.db", on_turn=mute, limits=limits) as runtime,
        trio.open_nursery() as nursery,
    ):
        server = await nursery.start(partial(serve, runtime, port=0, authorise=authorise))
        with trio.fail_after(10):
            async with connect(urlsplit(server.url).port or 0) as peer:
                await peer.upgrade()
                await read(peer)
                yield peer
        nursery.cancel_scope.cancel()


def submit(number: int) -> bytes:
    said = {"type": "submit", "id": str(number), "thread": "t", "content": "a", "on_busy": "queue"}
    return text(json.dumps(said))


async def read(peer: RawPeer) -> dict[str, Any]:
    message: dict[str, Any] = json.loads((await peer.read_frame())[1])
    return message


async def test_no_task_is_woken_to_take_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    received: list[str] = []
    receive_text = ServerProtocol.receive_text

    def noted(self: ServerProtocol, text: str) -> list[Output]:
        received.append(text)
        return receive_text(self, text)

    monkeypatch.setattr(ServerProtocol, "receive_text", noted)
    async with peer_of(tmp_path) as peer:
        for number in range(3):
            await peer.send(submit(number))
            assert (await read(peer))["id"] == str(number)
        assert received == []
        await peer.send(text('{"type":"ping","id":"p"}'))
        assert (await read(peer))["type"] == "pong"
        assert received == ['{"type":"ping","id":"p"}']


async def test_commands_that_come_together_are_taken_in_order(tmp_path: Path) -> None:
    """And no more of them than may be unanswered, however they come."""
    async with peer_of(tmp_path, limits=FEW) as peer:
        await peer.send(submit(0))
        await peer.send(b"".join(map(submit, range(1, 20))))
        for number in range(20, 30):
            await peer.send(submit(number))
        cursors = {(reply := await read(peer))["id"]: reply["cursor"] for _ in range(30)}
    offsets = [int(cursors[str(number)].partition(".")[2]) for number in range(30)]
    assert offsets == sorted(offsets)


async def test_an_application_that_fails_ends_the_connection_with_4005(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def authorise(principal: str, thread: str) -> bool:
        raise ValueError("secret")

    async with peer_of(tmp_path, authorise) as peer:
        await peer.send(submit(1))
        assert await peer.read_frame() == (8, b"\x0f\xa5internal error")
    assert "secret" in caplog.text

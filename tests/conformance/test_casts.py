"""Casts over real sockets: what they are for, and what becomes of odd ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ..real_input.server_process import ServerProcess
from .peer import Message, Peer, connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncIterator[Peer]:
    """A connection to a server whose threads have a service."""
    own = ServerProcess(tmp_path, "tests.conformance.handlers:LISTENING")
    await own.start()
    try:
        async with connect(own.port) as peer:
            yield peer
        assert await own.stop() == 0
    finally:
        await own.kill()


def sound(thread: str, data: bytes, /, **more: object) -> bytes:
    header = {"type": "cast", "thread": thread, "kind": "audio", **more}
    return json.dumps(header).encode() + b"\n" + data


def heard(peer: Peer, thread: str) -> list[Message]:
    events = peer.events(thread)
    return [e["data"] for e in events if e["type"] == "record" and e["kind"] == "heard"]


async def test_odd_casts_are_refused_and_the_thread_goes_on(peer: Peer, tmp_path: Path) -> None:
    await peer.send(sound("talk", b"too early"))
    early = await peer.until(lambda m: m["type"] == "error")
    assert (early["code"], early["retryable"], "id" in early) == ("thread_not_found", False, False)
    await peer.ask("record", thread="talk", kind="created", data=None)
    await peer.attach("talk")
    odd = [b"", b"\n", sound("talk", b"", data=1), sound("/", b""), sound("talk", b"", kind=7)]
    await peer.send(sound("talk", b"\n\0\xff" * 1000))
    for each in odd:
        await peer.send(each)
    await peer.send({"type": "cast", "thread": "talk", "kind": "typing", "data": [1]})
    await peer.send(sound("talk", b""))
    await peer.send(sound("talk", b"x" * 900_000))
    await peer.until(lambda _: len(heard(peer, "talk")) == 2)
    assert heard(peer, "talk") == [[3000], [0, 900_000]]
    refused = [m["code"] for m in peer.heard if m["type"] == "error"]
    assert refused == ["thread_not_found", *["bad_request"] * len(odd)]
    assert (await peer.ask("end", thread="talk"))["existed"]
    assert (tmp_path / "service-talk").read_text() == "left"  # before the answer
    assert not (await peer.ask("end", thread="talk"))["existed"]

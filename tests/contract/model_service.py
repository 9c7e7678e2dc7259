"""A model service of either interface, on this machine."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from attrs import define, field

# httpx and what stands on it leave their generators to the garbage collector.
careless = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore:Async generator:ResourceWarning"
)


@define
class FakeService:
    """A model service on this machine: streams what it is told to, and notes what it was asked."""

    events: Sequence[tuple[str | None, Any]]
    hang: bool = False
    asked: list[dict[str, Any]] = field(factory=list)
    left: trio.Event = field(factory=trio.Event)

    async def serve(self, stream: trio.SocketStream) -> None:
        request = await self._request(stream)
        self.asked.append(request)
        head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
        await stream.send_all(head.encode())
        for name, data in self.events:
            event = f"event: {name}\n" if name is not None else ""
            body = data if isinstance(data, str) else json.dumps(data)
            await stream.send_all(f"{event}data: {body}\n\n".encode())
        if self.hang:
            assert await stream.receive_some() == b""
        self.left.set()

    async def _request(self, stream: trio.SocketStream) -> dict[str, Any]:
        data = b""
        while b"\r\n\r\n" not in data:
            data += await stream.receive_some()
        head, _, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        assert length is not None
        while len(body) < int(length[1]):
            body += await stream.receive_some()
        request: dict[str, Any] = json.loads(body)
        return request


@asynccontextmanager
async def running(service: FakeService) -> AsyncIterator[str]:
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, service.serve, 0, host="127.0.0.1"))
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


def chunk(**delta: str) -> tuple[None, dict[str, Any]]:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return None, {**body, "choices": [choice]}


def anthropic_events(*texts: str) -> list[tuple[str | None, Any]]:
    """Return what Anthropic's interface streams for an answer in these pieces."""
    message = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }

    def block(text: str) -> tuple[str, dict[str, Any]]:
        delta = {"type": "text_delta", "text": text}
        name = "content_block_delta"
        return name, {"type": name, "index": 0, "delta": delta}

    start = {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "text", "text": ""},
    }
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    ended = {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 2}}
    return [
        ("message_start", {"type": "message_start", "message": message}),
        ("content_block_start", start),
        *map(block, texts),
        ("content_block_stop", {"type": "content_block_stop", "index": 0}),
        ("message_delta", ended),
        ("message_stop", {"type": "message_stop"}),
    ]

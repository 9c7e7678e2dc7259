"""trio-websocket as one would use it at first: a `send_message` for each token and viewer."""

from __future__ import annotations

import json
import time
from typing import Any

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

from ..load.handlers import TOKEN

_connections: list[WebSocketConnection] = []


async def _serve(request: WebSocketRequest) -> None:
    connection = await request.accept()
    _connections.append(connection)
    try:
        while True:
            await _go(json.loads(await connection.get_message()))
    except ConnectionClosed:
        pass
    finally:
        _connections.remove(connection)


async def _go(order: dict[str, Any]) -> None:
    everybody = list(_connections)
    async with trio.open_nursery() as nursery:
        match order:
            case {"do": "fan", "tokens": tokens}:
                nursery.start_soon(_flat, everybody, tokens)
            case {"do": "each", "tokens": tokens}:
                for connection in everybody:
                    nursery.start_soon(_flat, [connection], tokens)
            case {"do": "paced", "rate": rate, "seconds": seconds}:
                share = 1 / rate / len(everybody)
                for n, connection in enumerate(everybody):
                    nursery.start_soon(_paced, connection, rate, seconds, n * share)


async def _flat(viewers: list[WebSocketConnection], tokens: int) -> None:
    for _ in range(tokens):
        for viewer in viewers:
            await viewer.send_message(TOKEN)


async def _paced(viewer: WebSocketConnection, rate: float, seconds: float, phase: float) -> None:
    start = trio.current_time() + phase
    for n in range(round(rate * seconds)):
        await trio.sleep_until(start + n / rate)
        await viewer.send_message(f"@{time.monotonic_ns()}")


async def main() -> None:
    """Serve until killed, and say where."""
    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve_websocket, _serve, "127.0.0.1", 0, None)
        print(f":{server.port}", flush=True)


if __name__ == "__main__":
    trio.run(main)

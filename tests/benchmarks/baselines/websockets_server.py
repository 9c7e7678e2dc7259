"""websockets on uvloop, as fast as it goes: `broadcast`, no compression, no keep-alive pings."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

from ..load.handlers import TOKEN

_connections: list[ServerConnection] = []


async def _serve(connection: ServerConnection) -> None:
    _connections.append(connection)
    try:
        async for message in connection:
            await _go(json.loads(message))
    finally:
        _connections.remove(connection)


async def _go(order: dict[str, Any]) -> None:
    everybody = list(_connections)
    match order:
        case {"do": "fan", "tokens": tokens}:
            await _flat(everybody, tokens)
        case {"do": "each", "tokens": tokens}:
            await asyncio.gather(*(_flat([connection], tokens) for connection in everybody))
        case {"do": "paced", "rate": rate, "seconds": seconds}:
            share = 1 / rate / len(everybody)
            tasks = (_paced(c, rate, seconds, n * share) for n, c in enumerate(everybody))
            await asyncio.gather(*tasks)


async def _flat(viewers: list[ServerConnection], tokens: int) -> None:
    for _ in range(tokens):
        broadcast(viewers, TOKEN)
        await asyncio.sleep(0)


async def _paced(viewer: ServerConnection, rate: float, seconds: float, phase: float) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time() + phase
    for n in range(round(rate * seconds)):
        await asyncio.sleep(start + n / rate - loop.time())
        broadcast([viewer], f"@{time.monotonic_ns()}")


async def main() -> None:
    """Serve until killed, and say where."""
    async with serve(_serve, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        print(f":{next(iter(server.sockets)).getsockname()[1]}", flush=True)
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    uvloop.run(main())

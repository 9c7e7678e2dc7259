"""python-socketio on aiohttp and uvloop, WebSocket only."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import socketio
import uvloop
from aiohttp import web

from ..load.handlers import TOKEN

_server = socketio.AsyncServer(
    async_mode="aiohttp", transports=["websocket"], http_compression=False
)
_sessions: list[str] = []


@_server.event
async def connect(session: str, environ: dict[str, Any]) -> None:
    """Take a viewer."""
    _sessions.append(session)


@_server.event
async def disconnect(session: str, reason: str) -> None:
    """Lose a viewer."""
    _sessions.remove(session)


@_server.on("go")
async def go(session: str, order: dict[str, Any]) -> None:
    """Send what was ordered."""
    everybody = list(_sessions)
    match order:
        case {"do": "fan", "tokens": tokens}:
            await _flat(None, tokens)
        case {"do": "each", "tokens": tokens}:
            await asyncio.gather(*(_flat(each, tokens) for each in everybody))
        case {"do": "paced", "rate": rate, "seconds": seconds}:
            share = 1 / rate / len(everybody)
            tasks = (_paced(s, rate, seconds, n * share) for n, s in enumerate(everybody))
            await asyncio.gather(*tasks)


async def _flat(to: str | None, tokens: int) -> None:
    for _ in range(tokens):
        await _server.emit("t", TOKEN, to=to)
        await asyncio.sleep(0)


async def _paced(to: str, rate: float, seconds: float, phase: float) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time() + phase
    for n in range(round(rate * seconds)):
        await asyncio.sleep(start + n / rate - loop.time())
        await _server.emit("t", f"@{time.monotonic_ns()}", to=to)


async def main() -> None:
    """Serve until killed, and say where."""
    app = web.Application()
    _server.attach(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(f":{runner.addresses[0][1]}", flush=True)
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    uvloop.run(main())

"""`holdfast serve` in a process of its own, to be killed and started again on the same port."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

ROOT = Path(__file__).resolve().parents[2]
SECONDS_TO_START = 20


class ServerProcess:
    """A server that can be killed.

    Args:
        folder: where it runs, and keeps its database.
        handler: `module:function`.
        env: variables that it gets beside ours.
    """

    def __init__(self, folder: Path, handler: str, **env: str) -> None:
        self.port = 0
        self._env = env
        self._folder = folder
        self._handler = handler
        self._process: trio.Process | None = None

    async def start(self) -> None:
        """Start it, on the port that it had before, and wait until it listens."""
        command = [sys.executable, "-m", "transport.cli", "serve", "--handler", self._handler]
        command += ["--db", "chat.db", "--port", str(self.port), "--log-level", "warning"]
        with (self._folder / "server.log").open("ab") as log:
            self._process = await trio.lowlevel.open_process(
                command,
                cwd=self._folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), **self._env},
                stdout=subprocess.PIPE,
                stderr=log,
            )
        with trio.fail_after(SECONDS_TO_START):
            self.port = await self._port()

    async def kill(self) -> None:
        """End it with `kill -9`."""
        await self._signal(signal.SIGKILL)

    async def stop(self) -> int:
        """End it in order, and return its exit code."""
        return await self._signal(signal.SIGTERM)

    async def _port(self) -> int:
        assert self._process is not None
        assert self._process.stdout is not None
        heard = b""
        while b"/\n" not in heard:
            data = await self._process.stdout.receive_some()
            assert data, f"the server ended: {(self._folder / 'server.log').read_text()}"
            heard += data
        line = heard.partition(b"/\n")[0]
        return int(line.rpartition(b":")[2])

    async def _signal(self, number: int) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        code = await self._process.wait()
        if self._process.stdout is not None:
            await self._process.stdout.aclose()
        return code


@asynccontextmanager
async def running_server(folder: Path, handler: str) -> AsyncGenerator[ServerProcess, None]:
    """Start a server that the test may kill; it is killed in the end, come what may."""
    server = ServerProcess(folder, handler)
    await server.start()
    try:
        yield server
    finally:
        with trio.move_on_after(10, shield=True):
            await server.kill()

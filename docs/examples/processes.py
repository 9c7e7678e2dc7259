"""Programs in processes of their own, for the examples to start and to kill."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import h11
import trio

ROOT = Path(__file__).resolve().parents[2]


class Program:
    """A Python program that listens on a port, and says so in the first line that it prints.

    Args:
        arguments: of Python; the port follows as the last one.

    Attributes:
        url: where it listens.
    """

    def __init__(self, *arguments: str) -> None:
        self.url = ""
        self._arguments = arguments
        self._process: trio.Process | None = None

    async def start(self) -> None:
        """Start it, on the port that it had before; return once it listens.

        Raises:
            RuntimeError: it ended without a word.
        """
        port = self.url.rstrip("/").rpartition(":")[2] or "0"
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._process = await trio.lowlevel.open_process(
            [sys.executable, *self._arguments, port], stdout=subprocess.PIPE, env=environment
        )
        assert self._process.stdout is not None
        line = b""
        while not line.endswith(b"\n"):
            some = await self._process.stdout.receive_some()
            if not some:
                raise RuntimeError(f"{self._arguments} ended without saying where it listens")
            line += some
        self.url = line.decode().split()[-1]

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    async def kill(self) -> None:
        """End it with `kill -9`; once more does no harm."""
        if self._process is not None:
            self._process.kill()
            with trio.CancelScope(shield=True):
                await self._process.wait()

    async def restart(self) -> None:
        """Kill it, and start it again."""
        await self.kill()
        await self.start()


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[Program]:
    """Run a program for as long as the body runs; see `Program`."""
    program = Program(*arguments)
    try:
        await program.start()
        yield program
    finally:
        await program.kill()  # noqa: ASYNC102 - it shields itself


async def post(url: str, body: bytes) -> bytes:
    """Post something to a program, and return its answer's body.

    Raises:
        OSError, h11.RemoteProtocolError: it is not there, or not well.

    Cancellation closes the connection.
    """
    host, _, port = url.removeprefix("http://").rstrip("/").partition(":")
    http = h11.Connection(h11.CLIENT)
    headers = [("host", host), ("content-length", str(len(body))), ("connection", "close")]
    request = h11.Request(method="POST", target="/", headers=headers)
    answer = b""
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        for part in (request, h11.Data(body), h11.EndOfMessage()):
            await stream.send_all(http.send(part) or b"")
        while not isinstance(event := http.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                http.receive_data(await stream.receive_some())
            elif isinstance(event, h11.Response) and event.status_code != 200:
                raise OSError(f"{url} answered {event.status_code}")
            elif isinstance(event, h11.Data):
                answer += event.data
    return answer

"""Programs in processes of their own: sidecars to lease, servers to kill in a test."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

# Stands for the port in a program's arguments.
PORT: Final = "{port}"
# Seconds for a process that was sent SIGKILL to be gone; it takes one that hangs in its disk.
_KILL_SECONDS: Final = 5.0
# Bytes of the line that says where a program listens: no sensible one is near it.
_LINE_BYTES: Final = 4096


class Program:
    """A program that listens on a port, and says where in the first line that it prints.

    `async with Program(…) as program` runs it for as long as the body runs. A Ctrl-C in the
    terminal does not reach it: it ends when it is killed.

    Args:
        *command: what to run. `{port}` in an argument stands for the port: 0, which is any, the
            first time, and then the one that it had.
        cwd: the directory that it runs in; by default this program's own.

    Attributes:
        url: where it listens, the last word of that line; empty before the first start.
        process: what it runs in; there from the first start on.
    """

    process: trio.Process

    def __init__(self, *command: str, cwd: Path | None = None) -> None:
        self.url = ""
        self._command = command
        self._cwd = cwd

    async def start(self) -> None:
        """Start it, on the port that it had before, and return once it listens.

        Raises:
            OSError: there is no such program, or it ended without a first line.

        A cancelled call leaves no process behind.
        """
        port = self.url.rstrip("/").rpartition(":")[2] or "0"
        command = [word.replace(PORT, port) for word in self._command]
        self.process = await trio.lowlevel.open_process(
            command, cwd=self._cwd, stdout=subprocess.PIPE, start_new_session=True
        )
        output = self.process.stdout
        assert output is not None
        try:
            line = await _first_line(output)
            if not line.strip():
                raise OSError(f"{command[0]} did not say where it listens")
        except BaseException:
            await self.kill()  # noqa: ASYNC102 - it shields itself, and has a bound
            await trio.aclose_forcefully(output)  # noqa: ASYNC102 - it waits for nothing
            raise
        self.url = line.split()[-1]
        trio.lowlevel.spawn_system_task(_drain, output)

    async def kill(self) -> None:
        """End it with `kill -9`, and return once it is gone; again, it does nothing.

        Raises nothing, once it was started. A cancellation waits for it: 5 seconds at the most.
        """
        self.process.kill()
        with trio.move_on_after(_KILL_SECONDS, shield=True):
            await self.process.wait()

    async def restart(self) -> None:
        """Kill it, and start it again.

        Raises:
            OSError: as `start`.

        A cancelled call leaves no process behind.
        """
        await self.kill()
        await self.start()

    async def __aenter__(self) -> Program:
        """Start it; see `start`."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Kill it; see `kill`."""
        await self.kill()  # noqa: ASYNC102 - it shields itself, and has a bound


async def _first_line(output: trio.abc.ReceiveStream) -> str:
    """Return the first line that is printed; nothing where it does not end, or is far too long."""
    said = b""
    async for data in output:
        said += data
        line, end, _ = said.partition(b"\n")
        if len(line) > _LINE_BYTES:
            break
        if end:
            return line.decode(errors="replace")
    return ""


async def _drain(output: trio.abc.ReceiveStream) -> None:
    """Read on, so that the program does not wait for it to be read what it prints."""
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        async with output:
            async for _ in output:
                pass

"""`holdfast serve` as a program of its own, for tests."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from attrs import define
from click.testing import CliRunner, Result

from transport.cli import main

ROOT = Path(__file__).resolve().parents[2]
HOLDFAST = (sys.executable, "-m", "transport.cli")
SECONDS = 60.0


def environment() -> dict[str, str]:
    """Return an environment in which the packages of this checkout are found."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}


def holdfast(
    *words: object, cwd: Path, stdin: str = "", seconds: float = SECONDS
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*HOLDFAST, *map(str, words)],
        cwd=cwd,
        env=environment(),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def invoke(*words: object, stdin: str | None = None) -> Result:
    """Run a command in this process: it is much sooner done."""
    return CliRunner().invoke(main, list(map(str, words)), input=stdin)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@define(eq=False)
class ServerProgram:
    """A running server; what it printed is in `<folder>/out` and `<folder>/err`."""

    process: subprocess.Popen[bytes]
    folder: Path
    port: int

    @classmethod
    def start(cls, folder: Path, *words: object, port: int | None = None) -> ServerProgram:
        """Start one, and return once it listens."""
        port = port or free_port()
        command = [*HOLDFAST, "serve", "--port", str(port), *map(str, words)]
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            process = subprocess.Popen(
                command, cwd=folder, env=environment(), stdout=out, stderr=err
            )
        server = cls(process, folder, port)
        server.wait_for("Ctrl-C stops.", "out")
        return server

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def printed(self, stream: str = "err") -> str:
        return (self.folder / stream).read_text()

    def wait_for(self, text: str, stream: str = "err") -> None:
        """Wait until it has printed a text; fail where it does not, or has ended."""
        deadline = time.monotonic() + SECONDS
        while text not in self.printed(stream):
            ended = self.process.poll()
            assert ended is None, f"ended with {ended}: {self.printed()}"
            assert time.monotonic() < deadline, f"not printed: {text}\n{self.printed(stream)}"
            select.select([], [], [], 0.02)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, and return the exit code."""
        self.send(number)
        return self.process.wait(SECONDS)

    def close(self) -> None:
        """End it, however it is."""
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(SECONDS)

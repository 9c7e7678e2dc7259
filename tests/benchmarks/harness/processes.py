"""Processes that are measured, each started by itself and ended with everything it started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from types import TracebackType

ROOT = Path(__file__).resolve().parents[3]
SECONDS_TO_STOP = 15.0


class Child:
    """A Python process that speaks JSON lines, or the lines of a server.

    Args:
        *args: what follows `python`.
        cwd: its working directory.
        env: what its environment has in addition.
    """

    def __init__(self, *args: str, cwd: Path | None = None, **env: str) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, *args],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT), **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self._watched = psutil.Process(self._process.pid)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def say(self, message: Any) -> None:
        """Send a line of JSON."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()

    def line(self) -> str:
        """Return the next line it prints.

        Raises:
            RuntimeError: it ended instead; the text has what it wrote to standard error.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace")[-2000:]
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.poll()}: {said}")
        return line.decode()

    def heard(self) -> Any:
        """Return the next line of JSON."""
        return json.loads(self.line())

    def cpu_seconds(self) -> float:
        """Return what the process and all that it started have used so far, user and system."""
        spent = 0.0
        for process in (self._watched, *self._watched.children(recursive=True)):
            times = process.cpu_times()
            spent += times.user + times.system
        return spent

    def wait_alone(self, files: int) -> None:
        """Wait until it has no more than so many files and sockets open: its clients are gone."""
        deadline = time.monotonic() + SECONDS_TO_STOP
        while self.files() > files:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.files() - files} connections are left open")
            time.sleep(0.01)

    def files(self) -> int:
        """Return how many files and sockets it has open."""
        return int(self._watched.num_fds())

    def own_bytes(self) -> int:
        """Return the memory that only this process has (USS)."""
        return int(self._watched.memory_full_info().uss)

    def stop(self) -> None:
        """End it in order, and by force where it does not come to its end."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class Server(Child):
    """A server, of ours or of a baseline; it prints where it listens."""

    def __init__(self, *args: str, cwd: Path | None = None, **env: str) -> None:
        super().__init__(*args, cwd=cwd, **env)
        try:
            line = self.line()
        except BaseException:
            self.stop()
            raise
        self.port = int(line.strip().rstrip("/").rpartition(":")[2])


def holdfast(folder: Path, *options: str, **env: str) -> Server:
    """Start Holdfast on `bench.db` in a folder, with the handlers of the benchmark.

    With HOLDFAST_BENCH_PROFILE in the environment, cProfile writes what it saw to that file.
    """
    profile = os.environ.get("HOLDFAST_BENCH_PROFILE")
    run = ("-m", "cProfile", "-o", profile) if profile else ()
    return Server(*run, "-m", "tests.benchmarks.load.server", *options, cwd=folder, **env)


def command_line(folder: Path) -> Server:
    """Start `holdfast serve` itself on `bench.db` in a folder."""
    where = ("--db", "bench.db", "--port", "0", "--log-level", "error")
    return Server("-m", "transport.cli", "serve", *where, cwd=folder)


def baseline(name: str) -> Server:
    """Start a baseline's server, by the name of its module."""
    return Server("-m", f"tests.benchmarks.baselines.{name}")

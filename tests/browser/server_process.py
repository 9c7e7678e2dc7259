"""`holdfast serve` in a process of its own, to be killed and started again on the same port."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

from . import words

if TYPE_CHECKING:
    from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]
# Seconds for a process to import everything and listen, on a busy machine.
START_SECONDS = 30
END_SECONDS = 15


class ServerProcess:
    """A server with its journal and its log in a folder; a context manager that ends with it.

    Args:
        folder: for the journal, the log, and what the handler finds under `words.FOLDER_VARIABLE`.
        handler: `module:function`, importable from the root of the checkout.
    """

    def __init__(self, folder: Path, handler: str = "tests.browser.words:reply") -> None:
        self.folder = folder
        self.port = 0
        self._handler = handler
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where the page is; the same after a restart."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, and return once it listens."""
        options = ["--handler", self._handler, "--db", str(self.folder / "chat.db")]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "transport.cli",
                    "serve",
                    *options,
                    "--port",
                    str(self.port),
                ],
                cwd=ROOT,
                env={**os.environ, words.FOLDER_VARIABLE: str(self.folder)},
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        self.port = _read_port(self._process.stdout)

    def kill(self) -> None:
        """`kill -9`, and wait until it is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait(END_SECONDS)
        assert process.stdout is not None
        process.stdout.close()

    def __enter__(self) -> ServerProcess:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()


def _read_port(output: IO[bytes]) -> int:
    ready, _, _ = select.select([output], [], [], START_SECONDS)
    line = output.readline().decode() if ready else ""
    found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
    assert found is not None, f"the server does not listen, and says {line!r}: see its server.log"
    return int(found[1])

"""The file that a recording goes to: appended to by a worker thread, bounded, never waited for."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final

import trio

from .lines import line

if TYPE_CHECKING:
    from ..limits import Limits

log = logging.getLogger("holdfast")

# Bytes that are kept free for the last line of a recording that is full.
_LAST_LINE: Final = 128


class Output:
    """Lines on their way to a file. Nothing here is ever waited for by the runtime.

    Args:
        path: for the log.
        file: its descriptor, opened to append; closed by `aclose`.
        size: bytes that are in it.
        limits: `record_bytes` bounds the file, `record_buffer_bytes` what waits for it.
    """

    def __init__(self, path: str, file: int, size: int, limits: Limits) -> None:
        self.stopped = False
        self._path = path
        self._file = file
        self._size = size
        self._limits = limits
        self._lines: list[bytes] = []
        self._waiting = 0
        self._writing = trio.Lock()

    def put(self, text: bytes) -> None:
        """Add a line, or stop where there is no room for it."""
        if self.stopped:
            return
        if self._size + len(text) + _LAST_LINE > self._limits.record_bytes:
            self._stop("it is full: `record_bytes` is reached", "full")
        elif self._waiting + len(text) > self._limits.record_buffer_bytes:
            self._stop("the disk is too slow: `record_buffer_bytes` wait for it", "slow")
        else:
            self._add(text)

    def _add(self, text: bytes) -> None:
        self._lines.append(text)
        self._size += len(text)
        self._waiting += len(text)

    def _stop(self, why: str, word: str) -> None:
        self.stopped = True
        log.warning("the recording %s stops: %s", self._path, why)
        if self._size + _LAST_LINE <= self._limits.record_bytes + _LAST_LINE:
            self._add(line("stopped", reason=word))

    async def run(self) -> None:
        """Write what waits, again and again, until cancelled."""
        while True:
            await trio.sleep(self._limits.record_flush_seconds)
            await self.flush()

    async def flush(self) -> None:
        """Write what waits. A failure, or a disk that does not answer, stops the recording.

        Shielded from cancellation, and bounded by `limits.close_seconds`.
        """
        with trio.move_on_after(self._limits.close_seconds, shield=True) as patience:
            async with self._writing:
                await self._write_lines()
        if patience.cancelled_caught:
            self._give_up("the disk does not answer")

    async def _write_lines(self) -> None:
        lines, self._lines, self._waiting = self._lines, [], 0
        if not lines:
            return
        try:
            data = b"".join(lines)
            await trio.to_thread.run_sync(_write, self._file, data, abandon_on_cancel=True)
        except OSError as exc:
            self._give_up(str(exc))

    def _give_up(self, why: str) -> None:
        if self._file >= 0:
            log.error("the recording %s failed: %s", self._path, why)
        self.stopped = True
        self._lines.clear()

    async def aclose(self) -> None:
        """Write what waits, and close the file; bounded and shielded as `flush`."""
        await self.flush()
        file, self._file = self._file, -1
        # A worker thread may still be at it where the disk does not answer: then it stays open.
        if not self._writing.locked():
            os.close(file)


def _write(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


async def open_output(path: str | os.PathLike[str], limits: Limits) -> Output:
    """Open a file to append to, readable by its owner alone, made where it is not there.

    Raises:
        OSError: where it cannot be opened.

    Cancellation leaves a file at most.
    """
    name = os.fspath(path)
    file, size = await trio.to_thread.run_sync(_open, name)
    return Output(name, file, size, limits)


def _open(path: str) -> tuple[int, int]:
    """Open, and finish a line that a crash left half written; return the descriptor and size."""
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        size += os.write(file, b"\n")
    return file, size

"""The files that a recording goes to: written by a worker thread, bounded, never waited for."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio
from attrs import define

from .lines import line

if TYPE_CHECKING:
    from ..limits import Limits

log = logging.getLogger("holdfast")

# The file that is written to, and the one that was before it; together they are the recording.
NEWER: Final = "commands.jsonl"
OLDER: Final = "commands.older.jsonl"


@define
class Files:
    """The two files of a folder. Its methods block: they are called in a worker thread.

    Args:
        folder: where they are.
        file: the descriptor of the newer one.
        size: its bytes, and `lines` how many they are; `older_lines` those of the other one.
    """

    folder: Path
    file: int
    size: int
    lines: int
    older_lines: int

    def write(self, segments: Sequence[bytes]) -> None:
        """Append the first segment, and begin a new file for each that follows."""
        for number, segment in enumerate(segments):
            if number:
                self.close()
                (self.folder / NEWER).replace(self.folder / OLDER)
                self.file = _opened(self.folder / NEWER)
            rest = memoryview(segment)
            while rest:
                rest = rest[os.write(self.file, rest) :]

    def close(self) -> None:
        """Close the newer one."""
        os.close(self.file)


def open_files(folder: Path) -> Files:
    """Open a recording to go on with, readable by its owner alone, made where it is not there.

    Raises:
        OSError: where it cannot be opened.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = _opened(folder / NEWER)
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        size += os.write(file, b"\n")  # of a line that a crash left half written
    return Files(folder, file, size, _count(folder / NEWER), _count(folder / OLDER))


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _count(path: Path) -> int:
    if not path.exists() or not path.stat().st_size:
        return 0
    with path.open("rb") as file:
        return sum(1 for _ in file)


class Output:
    """Lines on their way to the files. Nothing here is ever waited for by the runtime.

    Where half of `limits.record_bytes` is full, a new file is begun and the one before the last
    goes. Where the disk is too slow, lines are left out. Both are counted in the recording.

    Args:
        files: where the lines go; closed by `aclose`.
        limits: `record_bytes` bounds the files, `record_buffer_bytes` what waits for them.
        header: gives the lines that a file begins with, from how many lines went before it.
    """

    def __init__(self, files: Files, limits: Limits, header: Callable[[int], bytes]) -> None:
        self._files = files
        self._limits = limits
        self._header = header
        self._size, self._lines, self._older_lines = files.size, files.lines, files.older_lines
        self._dropped = 0
        self._left_out = 0
        self._segments = [bytearray()]
        self._failed = False
        self._closed = False
        self._news = trio.lowlevel.ParkingLot()
        self._writing = trio.Lock()

    def put(self, text: bytes) -> None:
        """Add a line."""
        if self._failed:
            return
        if sum(map(len, self._segments)) + len(text) > self._limits.record_buffer_bytes:
            self._left_out += 1
            return
        if self._left_out:
            missed, self._left_out = self._left_out, 0
            self._add(line("missing", lines=missed))
        if self._size + len(text) > self._limits.record_bytes // 2:
            self._begin_file()
        self._add(text)

    def _add(self, text: bytes) -> None:
        self._segments[-1] += text
        self._size += len(text)
        self._lines += text.count(b"\n")
        self._news.unpark_all()

    def _begin_file(self) -> None:
        self._dropped += self._older_lines
        self._older_lines, self._lines, self._size = self._lines, 0, 0
        self._segments.append(bytearray())
        self._add(self._header(self._dropped))

    async def run(self) -> None:
        """Write what waits, as soon as it does, until cancelled."""
        while not self._failed:
            if not any(self._segments):
                await self._news.park()
            await self.flush()

    async def flush(self) -> None:
        """Write what waits. A failure, or a disk that does not answer, ends the recording.

        Shielded from cancellation, and bounded by `limits.close_seconds`.
        """
        with trio.move_on_after(self._limits.close_seconds, shield=True) as scope:
            async with self._writing:
                await self._write()
        if scope.cancelled_caught:
            self._give_up("the disk does not answer")

    async def _write(self) -> None:
        segments, self._segments = self._segments, [bytearray()]
        if self._failed or not any(segments):
            return
        data = [bytes(segment) for segment in segments]
        try:
            await trio.to_thread.run_sync(self._files.write, data, abandon_on_cancel=True)
        except OSError as exc:
            self._give_up(exc.strerror or str(exc))

    def _give_up(self, why: str) -> None:
        if not self._failed:
            log.error("the recording in %s is over: %s", self._files.folder, why)
        self._failed = True
        self._segments = [bytearray()]

    async def aclose(self) -> None:
        """Write what waits, and close the files; bounded and shielded as `flush`."""
        await self.flush()
        # A worker thread may still be at it where the disk does not answer: then they stay open.
        if not self._failed:
            self._failed = True
            self._files.close()

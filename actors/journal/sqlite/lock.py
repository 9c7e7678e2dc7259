"""The lock that keeps a second process, or a second journal of this one, off the file."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from ...errors import JournalUnavailable

if TYPE_CHECKING:
    from pathlib import Path

_FAILED = b"failed"


class FileLock:
    """A lock on `<path>.lock`, which the system lets go of when the process ends, however it does.

    The file stays behind: taking it away could let two processes lock two files of one name. It
    says which process has the journal, and whether the last one ended on an I/O error.

    Args:
        path: the journal's file; another name of the same file is the same lock.

    Raises:
        JournalUnavailable: where somebody else has it.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(f"{path.resolve()}.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            self._take(path)
            self.was_failed = self._read().endswith(_FAILED)
            self._write(_FAILED if self.was_failed else b"")
        except BaseException:
            os.close(self._fd)
            raise

    def _take(self, path: Path) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            holder = self._read().decode(errors="replace").split()
            raise JournalUnavailable(_in_use(path, holder)) from exc

    def mark_failed(self) -> None:
        """Leave word for the next one to open the journal that this one met an I/O error."""
        # Where not even that can be written, the next one finds out by itself.
        with suppress(OSError):
            self._write(_FAILED)

    def mark_sound(self) -> None:
        """Take that word back."""
        with suppress(OSError):
            self._write(b"")

    def release(self) -> None:
        """Let go of the file."""
        os.close(self._fd)

    def _read(self) -> bytes:
        return os.pread(self._fd, 100, 0)

    def _write(self, word: bytes) -> None:
        # One length always, so that it needs no new space on a disk that is full.
        os.pwrite(self._fd, f"{os.getpid()} ".encode().ljust(24 - len(word)) + word, 0)


def _in_use(path: Path, holder: list[str]) -> str:
    if holder[:1] == [str(os.getpid())]:
        return f"{path} is already open in this process"
    who = f"another process ({holder[0]})" if holder else "another process"
    return f"{path} is in use by {who}; only one may have it open"

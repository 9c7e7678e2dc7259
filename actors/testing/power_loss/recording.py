"""Records what SQLite does to its files, by standing between it and the operating system.

SQLite reaches files through a table of functions, its VFS. Here the default one's `xOpen` is
replaced for a while, and the functions of every file opened meanwhile that write, cut or sync.
See https://www.sqlite.org/vfs.html; the layouts below are those of `sqlite3.h`.
"""

from __future__ import annotations

import ctypes
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from .disk_log import Delete, DiskLog, DiskOperation, Sync, Truncate, Write

_P, _INT, _I64 = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64

_OPEN: Final = ctypes.CFUNCTYPE(_INT, _P, _P, _P, _INT, _P)
_DELETE: Final = ctypes.CFUNCTYPE(_INT, _P, ctypes.c_char_p, _INT)
_WRITE: Final = ctypes.CFUNCTYPE(_INT, _P, _P, _INT, _I64)
_TRUNCATE: Final = ctypes.CFUNCTYPE(_INT, _P, _I64)
_SYNC: Final = ctypes.CFUNCTYPE(_INT, _P, _INT)

# The functions of a file that nobody has to be told of, behind the five first ones.
_REST_OF_FILE: Final = 13


class NotRecordable(Exception):
    """The SQLite of this Python cannot be reached: it is part of another library."""


class _Vfs(ctypes.Structure):
    _fields_ = (
        ("version", _INT),
        ("file_bytes", _INT),
        ("path_bytes", _INT),
        ("next", _P),
        ("name", ctypes.c_char_p),
        ("data", _P),
        ("open", _P),
        ("delete", _P),
    )


class _FileMethods(ctypes.Structure):
    _fields_ = (
        ("version", _INT),
        ("close", _P),
        ("read", _P),
        ("write", _P),
        ("truncate", _P),
        ("sync", _P),
        ("rest", _P * _REST_OF_FILE),
    )


@contextmanager
def record_disk(folder: Path) -> Iterator[DiskLog]:
    """Record what SQLite does to the files of a folder for as long as the block runs.

    Open connections within the block, and close them there: only files opened meanwhile are seen.
    One recording at a time.

    Args:
        folder: what is in it when the block begins counts as safe on disk.

    Yields:
        The recording, which grows.

    Raises:
        NotRecordable: where this Python's SQLite is not a library of its own.
    """
    folder = folder.resolve()
    log = DiskLog({path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()})
    vfs = _default_vfs()
    opens, deletes = vfs.open, vfs.delete
    recorder = _Recorder(folder, log, _OPEN(opens), _DELETE(deletes))
    vfs.open, vfs.delete = _address(recorder.open), _address(recorder.delete)
    try:
        yield log
    finally:
        vfs.open, vfs.delete = opens, deletes


class _Recorder:
    """Stands in for the functions of a VFS and of its files; keeps alive what SQLite points to."""

    def __init__(
        self, folder: Path, log: DiskLog, opens: Callable[..., int], deletes: Callable[..., int]
    ) -> None:
        self._folder = folder
        self._log = log
        self._opens = opens
        self._deletes = deletes
        self._names: dict[int, str] = {}
        self._methods: dict[int, _FileMethods] = {}
        self._functions: list[object] = []
        self.open = _OPEN(self._open)
        self.delete = _DELETE(self._delete)

    def _open(self, vfs: int, name: int | None, file: int, flags: int, out: int | None) -> int:
        status = self._opens(vfs, name, file, flags, out)
        own = self._name(ctypes.string_at(name)) if name else None
        if status == sqlite3.SQLITE_OK and own is not None:
            self._names[file] = own
            pointer = ctypes.cast(file, ctypes.POINTER(_P))
            pointer[0] = ctypes.addressof(self._methods_over(int(pointer[0] or 0)))
        return status

    def _delete(self, vfs: int, name: bytes, synced: int) -> int:
        status = self._deletes(vfs, name, synced)
        own = self._name(name)
        if own is not None:
            self._note(status, Delete(own, bool(synced)))
        return status

    def _name(self, path: bytes) -> str | None:
        where = Path(path.decode())
        return where.name if where.parent == self._folder else None

    def _methods_over(self, original: int) -> _FileMethods:
        """Return a file's functions with ours in front; files of one sort share them."""
        if original not in self._methods:
            methods = _FileMethods.from_address(original)
            copy = _FileMethods.from_buffer_copy(methods)
            functions = (
                _WRITE(self._writes(_WRITE(methods.write))),
                _TRUNCATE(self._truncates(_TRUNCATE(methods.truncate))),
                _SYNC(self._syncs(_SYNC(methods.sync))),
            )
            copy.write, copy.truncate, copy.sync = map(_address, functions)
            self._functions += functions
            self._methods[original] = copy
        return self._methods[original]

    def _writes(self, write: Callable[..., int]) -> Callable[[int, int, int, int], int]:
        def record(file: int, data: int, size: int, place: int) -> int:
            operation = Write(self._names[file], place, ctypes.string_at(data, size))
            return self._note(write(file, data, size, place), operation)

        return record

    def _truncates(self, truncate: Callable[..., int]) -> Callable[[int, int], int]:
        return lambda file, size: self._note(
            truncate(file, size), Truncate(self._names[file], size)
        )

    def _syncs(self, sync: Callable[..., int]) -> Callable[[int, int], int]:
        return lambda file, how: self._note(sync(file, how), Sync(self._names[file]))

    def _note(self, status: int, operation: DiskOperation) -> int:
        if status == sqlite3.SQLITE_OK:
            self._log.operations.append(operation)
        return status


def _address(function: Any) -> int | None:
    return ctypes.cast(function, _P).value


def _default_vfs() -> _Vfs:
    find = getattr(_sqlite_library(), "sqlite3_vfs_find", None)
    if find is None:
        raise NotRecordable("this Python's SQLite hides its functions")
    find.restype = ctypes.POINTER(_Vfs)
    found: _Vfs = find(None).contents
    return found


def _sqlite_library() -> ctypes.CDLL:
    """Return the very library that the module `sqlite3` works with."""
    maps = Path("/proc/self/maps")
    loaded = re.findall(r"/\S*libsqlite3\S*", maps.read_text()) if maps.exists() else []
    if not loaded:
        raise NotRecordable("this Python's SQLite is not a library of its own")
    return ctypes.CDLL(loaded[0])

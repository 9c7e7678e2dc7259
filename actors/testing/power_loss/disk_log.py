"""The recorded writes of some files, and what a loss of power leaves of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

from attrs import define, field, frozen

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

# Bytes that a disk writes wholly or not at all.
SECTOR: Final = 512


@frozen
class Write:
    """Bytes written at a place of a file."""

    file: str
    place: int
    data: bytes = field(repr=lambda data: f"<{len(data)} bytes>")


@frozen
class Truncate:
    """A file cut to a size in bytes."""

    file: str
    size: int


@frozen
class Sync:
    """What was written to a file up to here is on the disk for good."""

    file: str


@frozen
class Delete:
    """A file taken away; `synced` where its directory was synced at once."""

    file: str
    synced: bool


DiskOperation: TypeAlias = Write | Truncate | Sync | Delete


@define
class _File:
    """A file: what is safe, and what was done to it since."""

    safe: bytearray
    pending: list[Write | Truncate] = field(factory=list)
    deleted: bool = False

    def sync(self) -> None:
        for operation in self.pending:
            _apply(self.safe, operation)
        self.pending.clear()

    def left(self, random: Random) -> bytes | None:
        """Return what a loss of power leaves; None where the file is gone."""
        if self.deleted and random.random() < 0.5:
            return None
        content = bytearray(self.safe)
        for operation in self.pending:
            for part in _survivors(operation, random):
                _apply(content, part)
        return bytes(content)


@define
class DiskLog:
    """What was done to the files of a folder, in order.

    Args:
        before: the files as they were when the recording began, all of it safe.
        operations: what was done since.
    """

    before: dict[str, bytes]
    operations: list[DiskOperation] = field(factory=list)

    @property
    def now(self) -> int:
        """The present moment: how many operations there were."""
        return len(self.operations)

    def after_power_loss(self, moment: int, random: Random) -> dict[str, bytes]:
        """Return the files as a disk could hold them that lost power at a moment.

        What was synced is there. Of each later write all is there, or nothing, or some of its
        sectors, whatever became of the writes before it.

        Args:
            moment: so many operations had been asked for, 0 to `now`.
            random: decides what survived.
        """
        files = self._replayed(moment)
        left = {name: file.left(random) for name, file in files.items()}
        return {name: content for name, content in left.items() if content is not None}

    def restore(self, moment: int, random: Random, folder: Path) -> None:
        """Write what `after_power_loss` returns into an empty folder."""
        for name, content in self.after_power_loss(moment, random).items():
            (folder / name).write_bytes(content)

    def _replayed(self, moment: int) -> dict[str, _File]:
        files = {name: _File(bytearray(content)) for name, content in self.before.items()}
        for operation in self.operations[:moment]:
            file = files.setdefault(operation.file, _File(bytearray()))
            match operation:
                case Sync():
                    file.sync()
                case Delete(synced=True):
                    del files[operation.file]
                case Delete():
                    file.deleted = True
                case _:
                    file.deleted = False
                    file.pending.append(operation)
        return files


def _survivors(operation: Write | Truncate, random: Random) -> Iterator[Write | Truncate]:
    fate = random.choice(("lost", "kept", "torn"))
    if fate == "kept" or (fate == "torn" and isinstance(operation, Truncate)):
        yield operation
    elif fate == "torn" and isinstance(operation, Write):
        for start in range(0, len(operation.data), SECTOR):
            if random.random() < 0.5:
                piece = operation.data[start : start + SECTOR]
                yield Write(operation.file, operation.place + start, piece)


def _apply(content: bytearray, operation: Write | Truncate) -> None:
    match operation:
        case Truncate(size=size):
            del content[size:]
            content.extend(bytes(size - len(content)))
        case Write(place=place, data=data):
            content.extend(bytes(max(0, place - len(content))))
            content[place : place + len(data)] = data

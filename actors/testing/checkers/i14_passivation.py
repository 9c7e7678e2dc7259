"""I14: an activation that goes leaves nothing behind, and who watches does not notice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ...delivery.batches import Detached
from ..facts import Claimed, Closing, Copied, Fault, Opening, Saw, Stored, Struck
from .broken import Broken

if TYPE_CHECKING:
    from ..history import History


def passivation_loses_nothing(history: History) -> Iterator[Broken]:
    """Find turns that a passivation left open, and viewers that it sent away.

    An activation passivated where another one follows in the same life of the process, and no
    fault, end, deletion or abandoned handler explains that.
    """
    yield from _Passivations(history).read()


# What is read of the records.
_READ: Final = (Opening, Closing, Copied, Struck, Stored, Claimed, Saw)


class _Passivations:
    def __init__(self, history: History) -> None:
        self._history = history
        self._open: dict[str, dict[str, None]] = {}  # by thread: its turns without an ending
        self._claimed: set[str] = set()  # whose activation may only go by itself
        self._closing = False

    def read(self) -> Iterator[Broken]:
        for index, record in self._history.of(*_READ):
            match record.fact:
                case Opening():
                    self._claimed.clear()
                    self._closing = False
                case Closing():
                    self._closing = True
                case Copied(to=thread):  # its writer was fenced
                    self._claimed.discard(thread)
                case Struck(fault=fault, thread=thread):
                    self._strike(fault, thread)
                case Stored(thread=thread, epoch=epoch, rows=rows):
                    for row in rows:
                        self._take(thread, epoch, row.offset)
                case Claimed(thread=thread):
                    yield from self._claim(thread, index)
                case Saw(attachment=number, batch=Detached(reason=reason)):
                    if reason not in ("ended", "deleted", "failed") and not self._closing:
                        message = f"subscriber {number} was sent away, {reason}"
                        yield Broken("I14", message, index)
                case _:
                    pass

    def _strike(self, fault: Fault, thread: str | None) -> None:
        if thread is None:
            self._claimed.clear()
        else:
            self._claimed.discard(thread)

    def _take(self, thread: str, epoch: int, offset: int) -> None:
        event = self._history.at[thread, epoch, offset]
        turns = self._open.setdefault(thread, {})
        if event.type == "turn.submitted":
            turns[event.raw["turn"]] = None
        elif event.ends:
            turns.pop(event.raw["turn"], None)
        if event.raw.get("abandoned"):
            self._claimed.discard(thread)

    def _claim(self, thread: str, index: int) -> Iterator[Broken]:
        turns = ", ".join(self._open.get(thread, ()))
        if thread in self._claimed and turns:
            message = f"{thread} is activated anew, and its last activation left {turns} open"
            yield Broken("I14", message, index)
        self._claimed.add(thread)

"""The turn's buffer: what a handler said and the journal does not have yet."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import trio
from attrs import define, field

from ..core.events import Recorded, TurnDelta, TurnItem
from ..errors import TurnOver

if TYPE_CHECKING:
    from ..limits import Limits


@define
class _Run:
    """Adjacent pieces of one text; they become one event over as many offsets (idea 5)."""

    item: str
    channel: str | None
    texts: list[str] = field(factory=list)
    size: int = 0


class PieceBuffer:
    """A bounded buffer between one handler and its thread's journal.

    Args:
        turn: the turn's id.
        limits: `turn_buffer_bytes`, `turn_buffer_pieces`, `merged_text_bytes`.

    Attributes:
        pieces: how many pieces nobody has taken yet.
        closed: whether the turn has ended.
        spoke_at: when the handler last said something, on trio's clock; before, minus infinity.
    """

    def __init__(self, turn: str, limits: Limits) -> None:
        self.pieces = 0
        self.closed = False
        self.spoke_at = -math.inf
        self._turn = turn
        self._limits = limits
        self._runs: list[_Run | TurnItem | Recorded] = []
        self._bytes = 0
        self._taken = 0
        self._durable = 0
        self._moved: trio.lowlevel.ParkingLot | None = None  # made for the first who waits

    @property
    def full(self) -> bool:
        """Whether a further piece has to wait."""
        return (
            self._bytes >= self._limits.turn_buffer_bytes
            or self.pieces >= self._limits.turn_buffer_pieces
        )

    @property
    def spoken(self) -> bool:
        """Whether anything was ever accepted."""
        return self._taken + self.pieces > 0

    def add_text(self, item: str, channel: str | None, text: str, size: int) -> None:
        """Accept a piece of text of `size` bytes.

        Raises:
            TurnOver: where the turn has ended (I7).
        """
        if self.closed:
            self.check_open()
        last = self._runs[-1] if self._runs else None
        if (
            not isinstance(last, _Run)
            or (last.item, last.channel) != (item, channel)
            or last.size + size > self._limits.merged_text_bytes
        ):
            last = _Run(item, channel)
            self._runs.append(last)
        last.texts.append(text)
        last.size += size
        self._bytes += size
        self.pieces += 1

    def add_item(self, item: TurnItem | Recorded, size: int) -> None:
        """Accept a whole item, or a record, of `size` bytes; raises as `add_text`."""
        self.check_open()
        self._runs.append(item)
        self._bytes += size
        self.pieces += 1

    def take(self) -> tuple[tuple[TurnDelta | TurnItem | Recorded, int], ...]:
        """Take all that was accepted: events, each with the number of offsets that it covers."""
        runs, self._runs = self._runs, []
        self._taken += self.pieces
        self._bytes = self.pieces = 0
        if self._moved:
            self._moved.unpark_all()
        if len(runs) == 1:  # the rule
            return (self._event(runs[0]),)
        return tuple([self._event(run) for run in runs])

    def made_durable(self, pieces: int) -> None:
        """Note that so many more pieces are in the journal."""
        self._durable += pieces
        if self._moved:
            self._moved.unpark_all()

    def close(self) -> None:
        """Accept nothing more; those who wait are told that the turn is over."""
        self.closed = True
        if self._moved:
            self._moved.unpark_all()

    def check_open(self) -> None:
        """Raise `TurnOver` where the turn has ended (I7)."""
        if self.closed:
            raise TurnOver(f"turn {self._turn} has ended")

    async def room(self) -> None:
        """Wait until a piece can be added.

        Raises:
            TurnOver: where the turn has ended (I7).

        Cancellation adds nothing.
        """
        while self.full:
            self.check_open()
            await self._move()

    async def flushed(self) -> None:
        """Wait until everything accepted so far is in the journal.

        Raises:
            TurnOver: where the turn ended first.

        Cancellation ends the wait alone: what was accepted goes on to the disk.
        """
        goal = self._taken + self.pieces
        while self._durable < goal:
            self.check_open()
            await self._move()

    async def _move(self) -> None:
        """Wait until something was taken or became durable, or the turn has ended."""
        if self._moved is None:
            self._moved = trio.lowlevel.ParkingLot()
        await self._moved.park()

    def _event(
        self, run: _Run | TurnItem | Recorded
    ) -> tuple[TurnDelta | TurnItem | Recorded, int]:
        if not isinstance(run, _Run):
            return run, 1
        text = "".join(run.texts)
        return TurnDelta(self._turn, run.item, text, run.channel), len(run.texts)

"""A handler that says again what each turn of an incident said, and ends as that did."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import trio
from attrs import define, field

from ...core.events import Recorded, TurnDelta
from ...core.turn_lifecycle import TurnState
from .past import AllSpoken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...actor.kinds import Handler
    from ...actor.turn import Turn
    from ..world import World
    from .past import Piece, Spoken


@define
class Recall:
    """What was said, and leave for each turn to end: it does when the recording says that it did.

    A turn that somebody or something else ended waits for that. One that there was not says
    nothing.
    """

    spoken: AllSpoken
    _leave: defaultdict[str, trio.Event] = field(factory=lambda: defaultdict(trio.Event))
    _over: trio.Event = field(factory=trio.Event)

    def let_end(self, turn: str) -> None:
        """Have a turn say the rest at once and end."""
        self._leave[turn].set()

    def let_life_end(self) -> None:
        """Have the turns of this life say the rest: it was on disk when the process died."""
        for leave in self._leave.values():
            leave.set()
        self._leave.clear()

    def let_all_end(self) -> None:
        """Likewise all turns, those included that are yet to begin: the recording is over."""
        self._over.set()
        for leave in self._leave.values():
            leave.set()

    def handler(self, world: World) -> Handler:
        """Make the handler of a world."""

        async def on_turn(turn: Turn) -> None:
            turn.messages()
            spoken = self.spoken.get((turn.id, turn.attempt))
            if spoken is not None:
                await self._say_all(turn, spoken)

        return on_turn

    async def _say_all(self, turn: Turn, spoken: Spoken) -> None:
        leave = self._over if self._over.is_set() else self._leave[turn.id]
        await _say_again(turn, spoken, leave)
        await leave.wait()
        state = spoken.ended.state if spoken.ended is not None else None
        if state is TurnState.FAILED:
            raise RuntimeError("as in the incident")
        if state is not TurnState.COMPLETED:
            await self._over.wait()


async def _say_again(turn: Turn, spoken: Spoken, leave: trio.Event) -> None:
    began = trio.current_time()
    for piece in spoken.pieces:
        with trio.move_on_at(began + piece.after):
            await leave.wait()
        await _say(turn, piece)


async def _say(turn: Turn, piece: Piece) -> None:
    event = piece.event
    if isinstance(event, Recorded):
        await turn.record(event.kind, event.data)
    elif not isinstance(event, TurnDelta):
        await turn.item(event.kind, event.data)
    else:
        say = turn.think if event.channel == "reasoning" else turn.write
        for text in _parts(event.text, piece.width):
            await say(text)


def _parts(text: str, width: int) -> Iterator[str]:
    """Cut a text into as many pieces as it was; compaction forgot where their ends were."""
    for number in range(width):
        yield text[number * len(text) // width : (number + 1) * len(text) // width]

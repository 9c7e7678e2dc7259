"""A handler that does what the message says: how much to say, and how to come to an end."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import trio
from attrs import frozen

from ..errors import TurnFailed
from .schedule import TICK

if TYPE_CHECKING:
    from ..actor.kinds import Handler
    from ..actor.turn import Turn
    from .world import World


# The kind of what a scripted handler records; clients have one of their own.
CALLED: Final = "called"


class Then(enum.StrEnum):
    """What a scripted handler does when it has said its pieces."""

    STOP = "stop"
    HANG = "hang"  # put that on record, and wait to be cancelled
    LINGER = "linger"  # likewise, and take its time to clean up
    FLUSH = "flush"  # wait until it is all durable, and stop
    TOOL = "tool"  # call a tool, put that on record, note the result, and stop
    FAIL = "fail"  # raise: with words for everybody, as a bug does, or as the end of a program
    SLOW = "slow"  # say each piece long after the one before, and wait to be cancelled
    DEAF = "deaf"  # not heed a cancellation until long after its grace


# Seconds between the pieces of one that is slow.
SLOWLY: Final = 80 * TICK
# What finalises a thread in which nothing was said.
FINALLY: Final = "2 tool"
# Whose first half is reasoning.
_THINKING: Final = (Then.FLUSH, Then.TOOL, Then.LINGER)

# By how many pieces went before.
_FAILURES: Final[tuple[Callable[[], BaseException], ...]] = (
    lambda: ExceptionGroup("as the script says", [RuntimeError("twice")]),
    lambda: RuntimeError("as the script says"),
    lambda: SystemExit("as the script says"),
    lambda: TurnFailed("busy", "as the script says"),
)


@frozen
class Script:
    """What to do: say so many pieces, then `then`. Its text is the message to submit."""

    pieces: int
    then: Then

    def __str__(self) -> str:
        return f"{self.pieces} {self.then}"


def scripts() -> tuple[Script, ...]:
    """Return the scripts that scenarios draw from, the plain ones first; slow ones are for few."""
    usual = (then for then in Then if then is not Then.SLOW)
    return tuple(Script(pieces, then) for then in usual for pieces in range(1, 5))


def scripted(world: World) -> Handler:
    """Return a handler that follows the script in the message."""

    async def on_turn(turn: Turn) -> None:
        pieces, _, then = _script_of(turn).partition(" ")
        for number in range(int(pieces)):
            await world.pause()
            if then == Then.SLOW and number:
                await trio.sleep(SLOWLY)
            say = turn.think if _thinks(number, int(pieces), then) else turn.write
            await say(f"{turn.id}/{number} ")
        await _finish(world, turn, int(pieces), Then(then))

    return on_turn


def _script_of(turn: Turn) -> str:
    """Return what its message says; who finalises goes by the last one that says anything."""
    said = [message["content"] for message in turn.messages() if message["role"] == "user"]
    scripts = [text for text in said if isinstance(text, str)]
    return turn.text or (scripts[-1] if scripts else FINALLY)


def _thinks(number: int, pieces: int, then: str) -> bool:
    """Say whether a piece is reasoning: the first half of what some say."""
    return then in _THINKING and number < pieces // 2


async def _finish(world: World, turn: Turn, pieces: int, then: Then) -> None:
    match then:
        case Then.FLUSH:
            await turn.flush()
        case Then.TOOL:
            call = await turn.tool_call("look", {"at": turn.id})
            await turn.record(CALLED, 1)
            await world.pause()
            await turn.tool_result(call, "found")
        case Then.FAIL:
            raise _FAILURES[pieces % len(_FAILURES)]()
        case Then.HANG:
            await turn.record(CALLED, 2)
            await trio.sleep_forever()
        case Then.SLOW:
            await trio.sleep_forever()
        case Then.LINGER:
            await _linger(world, turn)
        case Then.DEAF:
            with trio.CancelScope(shield=True):
                await trio.sleep(5 * world.limits.cancel_grace_seconds)
                await turn.write("too late")
        case _:
            pass


async def _linger(world: World, turn: Turn) -> None:
    try:
        await trio.sleep_forever()
    finally:
        with trio.CancelScope(shield=True):
            await world.pause()
            await turn.write("not any more")

"""The built-in handler: answers with the person's own words, with no network and no key.

It is there to try things with. It streams word by word, it counts for as long as one needs to pull
a cable or to press Stop, it thinks aloud, and it fails when asked to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import trio
from attrs import frozen

from ..errors import TurnFailed

if TYPE_CHECKING:
    from ..actor.turn import Turn

# Seconds between two words, and between two numbers: at the pace of a model, and of a person.
WORD_SECONDS: Final = 0.04
COUNT_SECONDS: Final = 0.25
# Nobody watches longer than four minutes.
COUNT_MOST: Final = 1000

HELP: Final = (
    "I answer with your own words, one at a time. "
    "Say “count to 100” for an answer that takes its time, "
    "“think about” something to see reasoning, or “fail” to see a turn fail. "
    "While I speak: press Stop, open the thread somewhere else, or kill the server."
)

_COUNT: Final = re.compile(r"\s*count\s+(?:up\s+)?to\s+(\d{1,6})\W*", re.IGNORECASE)
_THINK: Final = re.compile(r"\s*think\s+about\s+(.+)", re.IGNORECASE | re.DOTALL)


@frozen
class Piece:
    """A piece of an answer.

    Args:
        text: what is said.
        pause: seconds before it.
        thought: whether it is reasoning instead.
    """

    text: str
    pause: float
    thought: bool = False


async def reply(turn: Turn) -> None:
    """Answer a turn with what the person typed, word by word.

    Raises:
        TurnFailed: where the message asks for that.

    A cancellation takes effect between two words.
    """
    earlier = [m["content"] for m in turn.messages()[:-1] if m["role"] == "user"]
    for piece in answer_to(turn.text, len(earlier) + 1):
        await trio.sleep(piece.pause)
        await (turn.think(piece.text) if piece.thought else turn.write(piece.text))


def answer_to(text: str, number: int) -> Iterator[Piece]:
    """Return the answer to a message, piece by piece.

    Args:
        text: what the person said.
        number: the how many-th message of the conversation this is, from 1.

    Raises:
        TurnFailed: where the message asks for that.
    """
    wish = text.strip().strip(".!?").casefold()
    if wish == "fail":
        raise TurnFailed("asked_to", "You asked me to fail, and so I did.")
    if count := _COUNT.fullmatch(text):
        return _counted(min(int(count[1]), COUNT_MOST))
    if wish in ("help", "hello", "hi"):
        return _spoken(("Hello! " if wish != "help" else "") + HELP)
    if thought := _THINK.fullmatch(text):
        return _thought_over(thought[1].strip())
    return _spoken(f"You said: {text.strip()}" + ("" if number == 1 else _remembered(number)))


def _remembered(number: int) -> str:
    return f"\n\n(That was your message number {number} in this thread.)"


def _counted(most: int) -> Iterator[Piece]:
    yield Piece("1", WORD_SECONDS)
    for number in range(2, most + 1):
        yield Piece(f", {number}", COUNT_SECONDS)
    yield Piece(".", COUNT_SECONDS)


def _thought_over(subject: str) -> Iterator[Piece]:
    for piece in _spoken(f"Somebody wants me to think about {subject}"):
        yield Piece(piece.text, piece.pause, thought=True)
    yield from _spoken("I have thought about it: " + subject)


def _spoken(text: str) -> Iterator[Piece]:
    """Cut a text behind its white space, so that the pieces together are the text."""
    return (Piece(word, WORD_SECONDS) for word in re.findall(r"\s*\S+\s*", text))

"""Finding out which words the handler of the server under test follows."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final

import trio

from .case import Case, Target, open_case
from .channel import Unreachable
from .check import WORDS, Need, Violation
from .stream import is_ending, numbers

if TYPE_CHECKING:
    from .peer import Peer

# Seconds for a word to be followed.
_SECONDS: Final = 10.0
# Seconds after which what has not ended by itself holds.
_HELD_SECONDS: Final = 0.3


async def missing_words(target: Target) -> dict[Need, str]:
    """Try every word; return those that are not followed, each with what happened instead."""
    found: dict[Need, str] = {}
    async with open_case(target) as case:
        try:
            peer = await case.connect()
        except (Violation, Unreachable) as exc:
            return {word: f"the handler could not be asked: {exc}" for word in WORDS}
        for word in WORDS:
            why = await _tried(case, peer, word)
            if why is not None:
                found[word] = f"the handler does not follow “{word}”: {why}"
    return found


async def _tried(case: Case, peer: Peer, word: Need) -> str | None:
    with trio.move_on_after(_SECONDS):
        try:
            return await _PROBES[word](case, peer)
        except (Violation, KeyError, TypeError) as exc:
            return str(exc)
    return f"nothing in {_SECONDS:g} seconds"


async def _answer(case: Case, peer: Peer, content: str) -> tuple[str, str]:
    """Return a turn's ending, and the text of its answer as the history has it."""
    thread = case.thread(content.split()[0])
    await peer.attach(thread)
    turn = (await peer.submit(thread, content))["turn"]
    ending = await peer.ending(thread, turn)
    items = (await peer.done("history", thread=thread))["items"]
    return ending["type"], "".join(i["text"] for i in items if i["kind"] == "answer")


async def _says(case: Case, peer: Peer) -> str | None:
    ending, text = await _answer(case, peer, "say 3")
    return None if (ending, text) == ("turn.completed", numbers(3)) else f"{ending} with {text!r}"


async def _holds(case: Case, peer: Peer) -> str | None:
    thread = case.thread("hold")
    await peer.attach(thread)
    turn = (await peer.submit(thread, "hold"))["turn"]
    # What ends by itself does so after its third piece; what was asked to hold does not.
    await peer.until(
        lambda _: numbers(3) in _text(peer, thread) or any(map(is_ending, peer.events(thread))),
        numbers(3),
    )
    with trio.move_on_after(_HELD_SECONDS):
        ending = await peer.ending(thread, turn)
        return f"it ended by itself, as {ending['type']}, having said {_text(peer, thread)!r}"
    await peer.post("cancel", thread=thread, turn=turn)  # whether it works is not the question
    return None


def _text(peer: Peer, thread: str) -> str:
    return "".join(e["text"] for e in peer.events(thread) if e["type"] == "turn.delta")


async def _lingers(case: Case, peer: Peer) -> str | None:
    ending, text = await _answer(case, peer, "linger")
    return None if (ending, text) == ("turn.completed", "said") else f"{ending} with {text!r}"


async def _tells_context(case: Case, peer: Peer) -> str | None:
    _, text = await _answer(case, peer, "context")
    try:
        told = [(message["role"], message["content"]) for message in json.loads(text)]
    except (ValueError, TypeError, KeyError):
        told = None
    return None if told == [("user", "context")] else f"it said {text!r}"


async def _fails(case: Case, peer: Peer) -> str | None:
    thread = case.thread("fail")
    await peer.attach(thread)
    turn = (await peer.submit(thread, "fail"))["turn"]
    ending = (await peer.ending(thread, turn))["type"]
    return None if ending == "turn.failed" else f"it ended as {ending}"


_PROBES: Final[Mapping[Need, Callable[[Case, Peer], Awaitable[str | None]]]] = {
    Need.SAY: _says,
    Need.HOLD: _holds,
    Need.LINGER: _lingers,
    Need.CONTEXT: _tells_context,
    Need.FAIL: _fails,
}

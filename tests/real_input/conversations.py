"""The 30 real conversations, and a handler that streams their recorded answers."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import trio
from attrs import frozen

if TYPE_CHECKING:
    from actors import Turn

DATA = Path(__file__).resolve().parents[1] / "data" / "mt_bench_conversations.jsonl"
# Seconds between two pieces: slow enough to be cut in the middle, fast enough for a test.
PACE = float(os.environ.get("HOLDFAST_TEST_PACE", "0.005"))


@frozen
class Exchange:
    """What a person said, and what the model answered."""

    user: str
    answer: str


@frozen
class Conversation:
    """One conversation of two exchanges; its id, and perhaps `.` and a round, is the thread's."""

    id: str
    exchanges: tuple[Exchange, ...]


def load() -> tuple[Conversation, ...]:
    """Read them all."""
    return tuple(map(_conversation, DATA.read_text(encoding="utf-8").splitlines()))


def _conversation(line: str) -> Conversation:
    raw = json.loads(line)
    return Conversation(
        raw["id"], tuple(Exchange(turn["user"], turn["assistant"]) for turn in raw["turns"])
    )


def pieces(text: str, seed: str) -> Iterator[str]:
    """Split a text into pieces of 1 to 9 characters, the same ones every time."""
    rng = random.Random(seed)
    at = 0
    while at < len(text):
        size = rng.randint(1, 9)
        yield text[at : at + size]
        at += size


_answers = {
    (conversation.id, exchange.user): exchange.answer
    for conversation in load()
    for exchange in conversation.exchanges
}


async def reply(turn: Turn) -> None:
    """Stream the recorded answer in small pieces."""
    for piece in pieces(_answers[turn.thread.partition(".")[0], turn.text], turn.id):
        await turn.write(piece)
        await trio.sleep(PACE)

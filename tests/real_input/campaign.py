"""The 30 conversations at once, over real sockets, while connections are cut or the server killed.

Each thread has two onlookers beside the server: the client library, which drives the conversation,
and a bare WebSocket reader, whose view is what is judged.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import trio
from attrs import define, field

from actors import Events, TurnDelta, TurnEnded
from transport import Client, connect

from .bare_reader import Seen, watch
from .conversations import Conversation


class Impatient(random.Random):
    """Draws short waits: a connection that is cut 20 times in a minute is no overloaded server."""

    def random(self) -> float:
        """Return a number from 0 to 0.02."""
        return super().random() * 0.02


@define
class Talk:
    """One conversation as it went.

    Attributes:
        seen: what the bare reader saw.
        asked: (turn, index of the exchange) of every submit that was accepted.
        heard: what the client library delivered of each turn's answer.
        offset: the last offset that it delivered.
        violations: what it delivered twice or left out.
    """

    conversation: Conversation
    seen: Seen
    asked: list[tuple[str, int]] = field(factory=list)
    heard: dict[str, str] = field(factory=dict)
    offset: int = 0
    violations: list[str] = field(factory=list)
    moved: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)
    ended: set[str] = field(factory=set)
    attached: trio.Event = field(factory=trio.Event)

    def deliver(self, events: Events) -> None:
        """Take what the client library delivers."""
        for entry in events.entries:
            if entry.offset != self.offset + 1:
                self.violations.append(f"offset {entry.offset} after {self.offset}")
            self.offset = entry.to
            event = entry.event
            if isinstance(event, TurnDelta):
                self.heard[event.turn] = self.heard.get(event.turn, "") + event.text
            elif isinstance(event, TurnEnded):
                self.ended.add(event.turn)
        self.moved.unpark_all()

    async def delivered(self, turn: str) -> None:
        """Wait until the client library delivered a turn's ending."""
        while turn not in self.ended:
            await self.moved.park()


async def converse(talk: Talk, url: str, port: int) -> None:
    """Hold one conversation to its end: each exchange again until it was answered whole."""
    async with connect(url, rng=Impatient()) as client, trio.open_nursery() as nursery:
        nursery.start_soon(watch, talk.seen, port)
        nursery.start_soon(_listen, talk, client)
        # Both are there before anything is said, so that neither begins with a snapshot of it.
        await talk.seen.attached()
        await talk.attached.wait()
        for index, exchange in enumerate(talk.conversation.exchanges):
            await _exchange(talk, client, index, exchange.user)
        nursery.cancel_scope.cancel()


async def _exchange(talk: Talk, client: Client, index: int, text: str) -> None:
    attempt = 0
    state = ""
    while state != "completed":
        attempt += 1
        key = f"{talk.conversation.id}-{index}-{attempt}"
        receipt = await client.submit(talk.conversation.id, text, key=key)
        talk.asked.append((receipt.turn, index))
        state = await talk.seen.ending(receipt.turn)
        await talk.delivered(receipt.turn)


async def _listen(talk: Talk, client: Client) -> None:
    async with client.attach(talk.conversation.id) as stream:
        async for batch in stream:
            talk.attached.set()
            if isinstance(batch, Events):
                talk.deliver(batch)


@asynccontextmanager
async def conversations(
    several: Sequence[Conversation], url: str, port: int
) -> AsyncIterator[list[Talk]]:
    """Hold all conversations at once; the block may do harm meanwhile, and waits for their end."""
    talks = [Talk(conversation, Seen(conversation.id)) for conversation in several]
    async with trio.open_nursery() as nursery:
        for talk in talks:
            nursery.start_soon(converse, talk, url, port)
        yield talks


def judge(talk: Talk) -> int:
    """Check what was seen of one conversation against its source; return how many turns were cut.

    Byte for byte: a completed turn is the recorded answer, an interrupted one a beginning of it,
    with one marker behind.
    """
    assert not talk.violations, talk.violations
    exchanges = talk.conversation.exchanges
    shown = talk.seen.transcript()
    interrupted = 0
    for turn, index in talk.asked:
        parts = {kind: text for owner, kind, text in shown if owner == turn}
        kinds = [kind for owner, kind, _ in shown if owner == turn]
        assert parts["message"] == exchanges[index].user
        assert talk.heard.get(turn, "") == parts.get("answer", "")
        if talk.seen.ended[turn][0] == "completed":
            assert kinds == ["message", "answer"]
            assert parts["answer"] == exchanges[index].answer
        else:
            interrupted += 1
            assert talk.seen.ended[turn][0] == "interrupted"
            assert exchanges[index].answer.startswith(parts.get("answer", ""))
            assert kinds in (["message", "answer", "marker"], ["message", "marker"])
            assert parts["marker"] == "interrupted"
    order = list(dict.fromkeys(owner for owner, _, _ in shown))
    assert order == [turn for turn, _ in talk.asked]
    assert talk.seen.snapshots == 1
    return interrupted

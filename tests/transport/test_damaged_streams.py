"""I16: damage that only a reader meets is told to the reader and to the log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import trio

from actors import Detached, JournalCorrupt, Position, Row, Turn, open_runtime
from actors.journal.memory import MemoryJournal
from transport.outgoing import next_batch

if TYPE_CHECKING:
    import pytest


class Damaged(MemoryJournal):
    """A journal whose events cannot be read, while it is told so."""

    damaged = False

    async def read(self, thread: str, after: Position, limit_bytes: int) -> tuple[Row, ...]:
        if self.damaged:
            raise JournalCorrupt("the event at offset 2 is damaged")
        return await super().read(thread, after, limit_bytes)


async def reply(turn: Turn) -> None:
    await turn.write(turn.text)


async def test_a_reader_that_meets_damage_is_detached_and_the_log_says_so(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Damaged()
    async with open_runtime(journal, on_turn=reply) as runtime:
        thread = runtime.thread("t")
        receipt = await thread.submit("hello")
        await thread.outcome(receipt.turn)
        await trio.sleep(100)  # nobody watches any more, and nothing of it is in memory
        async with thread.attach(Position(receipt.position.epoch, 0).cursor()) as subscription:
            journal.damaged = True
            with caplog.at_level(logging.ERROR):
                batch = await next_batch(subscription, lambda thread: True)
    assert isinstance(batch, Detached)
    assert batch.reason == "failed"
    assert "thread t: a reader met damage: the event at offset 2 is damaged" in caplog.text

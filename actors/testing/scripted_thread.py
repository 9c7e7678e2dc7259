"""A thread that a test writes event by event, as an actor would, straight into a journal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from attrs import define, evolve

from ..core.apply import restore
from ..core.decide import Decision
from ..core.event_codec import decode
from ..core.events import (
    Event,
    Recorded,
    ThreadCreated,
    ThreadTruncated,
    TurnDelta,
    TurnEnded,
    TurnStarted,
    TurnSubmitted,
)
from ..core.head import Life, Receipt
from ..core.items import item_id
from ..core.step import Step, take_step
from ..core.thread_state import ThreadState
from ..core.turn_lifecycle import TurnState
from ..journal.contract import Append, Journal

if TYPE_CHECKING:
    from ..core.head import Cut


@define
class ScriptedThread:
    """Writes one thread: every append is worked out by the pure core, so it is one that may be.

    Args:
        journal: where it is written.
        thread: its id.
        generation: of the claim that it writes under.
        state: what was written so far.
        at: Unix seconds; each append comes a second after the last one.
    """

    journal: Journal
    thread: str
    generation: int
    state: ThreadState
    at: float = 1000.0

    @classmethod
    async def claim(cls, journal: Journal, thread: str, at: float = 1000.0) -> ScriptedThread:
        """Become the thread's writer, and go on from where it stands."""
        claim = await journal.claim(thread)
        loaded = claim.loaded
        state = restore(loaded.head, [decode(row) for row in loaded.rows])
        return cls(journal, thread, claim.generation, state, at)

    def step(
        self, *events: Event, receipts: Iterable[Receipt] = (), cut: Cut | None = None
    ) -> Step:
        """Return what the events lead to, without writing them."""
        decision = Decision(tuple((event, 1) for event in events), (), tuple(receipts), cut)
        return take_step(self.state, decision, self.at)

    def append_of(self, step: Step) -> Append:
        """Return the append that would write a step."""
        return Append(
            thread=self.thread,
            expected=self.state.position,
            generation=self.generation,
            rows=step.rows,
            head=step.state.head,
            settled=step.settled,
            receipts=step.receipts,
            cut=step.cut,
            delete=step.deletes,
        )

    async def write(
        self, *events: Event, receipts: Iterable[Receipt] = (), cut: Cut | None = None
    ) -> Append:
        """Append events, and go on from there. Raises as `Journal.append`."""
        step = self.step(*events, receipts=receipts, cut=cut)
        append = self.append_of(step)
        await self.journal.append(append)
        self.state = step.state
        self.at += 1.0
        return append

    async def submit(self, turn: str, text: str = "hello", key: str | None = None) -> Append:
        """Accept a message; the thread is created with the first one."""
        created = [ThreadCreated()] if self.state.life is Life.ABSENT else []
        event = TurnSubmitted(turn, item_id(turn, 0), text, "somebody", key)
        offset = self.state.offset + len(created) + 1
        receipts = [Receipt("somebody", key, f"of {text}", turn, offset, self.at)] if key else []
        return await self.write(*created, event, receipts=receipts)

    async def start(self, turn: str, attempt: int = 1) -> Append:
        """Start a turn."""
        return await self.write(TurnStarted(turn, attempt))

    async def say(self, turn: str, *texts: str, item: int = 1) -> Append:
        """Write pieces of one item, each an event of its own."""
        return await self.write(*(TurnDelta(turn, item_id(turn, item), text) for text in texts))

    async def end(
        self, turn: str, state: TurnState = TurnState.COMPLETED, *, rolled_back: bool = False
    ) -> Append:
        """End a turn; one that did not complete shows a marker."""
        marker = None
        if state is not TurnState.COMPLETED and not rolled_back:
            marker = item_id(turn, self._numbered(turn))
        return await self.write(TurnEnded(turn, state, marker, rolled_back=rolled_back))

    async def turn(self, turn: str, *texts: str, message: str = "hello") -> None:
        """Write a whole turn that completes."""
        await self.submit(turn, message)
        await self.start(turn)
        if texts:
            await self.say(turn, *texts)
        await self.end(turn)

    async def record(self, owner: str, data: object = None) -> Append:
        """Write an application's own fact."""
        created = [ThreadCreated()] if self.state.life is Life.ABSENT else []
        return await self.write(*created, Recorded(item_id(owner, 0), "note", data))

    async def truncate(self, after: str | None) -> Append:
        """Cut the history after an item. Raises as `Journal.locate`."""
        cut = await self.journal.locate(self.thread, after)
        return await self.write(ThreadTruncated(after, cut.items), cut=cut)

    def stale(self, *, offset: int = 0, generation: int = 0) -> ScriptedThread:
        """Return a writer that is wrong by so much, and everything else as this one."""
        state = evolve(self.state, offset=self.state.offset + offset)
        return evolve(self, generation=self.generation + generation, state=state)

    def _numbered(self, turn: str) -> int:
        live = self.state.live
        if live is not None and live.turn == turn:
            return live.view.numbered
        queued = self.state.queued(turn)
        return queued.view.numbered if queued is not None else 1

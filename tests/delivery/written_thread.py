"""A thread that a test writes by itself: the journal and the tail, without an actor."""

from __future__ import annotations

from typing import Any

from attrs import define

from actors.core.commands import (
    Cancel,
    Command,
    Delete,
    End,
    Ending,
    Exited,
    OnBusy,
    Say,
    Submit,
    Truncate,
    Truncation,
)
from actors.core.decide import decide
from actors.core.effects import CloseThread
from actors.core.events import TurnDelta
from actors.core.step import Step, take_step
from actors.core.thread_state import ThreadState
from actors.core.turn_lifecycle import TurnState
from actors.delivery.batches import Batch, CaughtUp, Detached, Events, Snapshot
from actors.delivery.subscription import Subscription
from actors.delivery.tail import Tail
from actors.journal.contract import Append
from actors.journal.memory import MemoryJournal
from actors.limits import Limits

THREAD = "t"
COMPLETED = Ending(TurnState.COMPLETED)


@define
class Written:
    """One thread and its one writer."""

    journal: MemoryJournal
    tail: Tail
    limits: Limits
    state: ThreadState
    generation: int
    now: float = 0.0
    number: int = 1

    @classmethod
    async def begin(
        cls, limits: Limits | None = None, journal: MemoryJournal | None = None
    ) -> Written:
        limits = limits or Limits()
        journal = journal or MemoryJournal(3, limits=limits)
        claim = await journal.claim(THREAD)
        state = ThreadState(epoch=claim.loaded.head.epoch)
        tail = Tail(THREAD, limits)
        tail.show(state)
        return cls(journal, tail, limits, state, claim.generation)

    async def do(self, command: Command, *, publish: bool = True) -> Step:
        """Decide a command, make it durable, and publish it."""
        self.now += 1.0
        step = take_step(self.state, decide(self.state, command, self.now), self.now)
        append = Append(
            thread=THREAD,
            expected=self.state.position,
            generation=self.generation,
            rows=step.rows,
            head=step.state.head,
            settled=step.settled,
            receipts=step.receipts,
            cut=step.cut,
            delete=step.deletes,
        )
        await self.journal.append(append)
        self.state = step.state
        if publish:
            self.publish(step)
        return step

    def publish(self, step: Step) -> None:
        self.tail.publish(step.rows, step.state)
        for effect in step.effects:
            if isinstance(effect, CloseThread):
                self.tail.detach_all(step.last, effect.reason)

    async def submit(self, turn: str = "a", *, on_busy: OnBusy = OnBusy.QUEUE) -> None:
        await self.do(Submit(turn=turn, principal="ann", content=f"ask {turn}", on_busy=on_busy))
        self.number = 1

    async def say(self, *texts: str, item: int | None = None) -> None:
        """The live turn writes pieces that were gathered into one event."""
        assert self.state.live is not None
        turn = self.state.live.turn
        delta = TurnDelta(turn, f"{turn}.{item or self.number}", "".join(texts))
        await self.do(Say(turn, ((delta, len(texts)),)))

    async def finish(self, ending: Ending = COMPLETED, *, publish: bool = True) -> Step:
        assert self.state.live is not None
        return await self.do(Exited(self.state.live.turn, ending), publish=publish)

    async def whole_turn(self, turn: str, *texts: str) -> None:
        await self.submit(turn)
        for text in texts:
            await self.say(text)
        await self.finish()

    async def truncate(self, after: str | None, *, publish: bool = True) -> Step:
        cut = await self.journal.locate(THREAD, after)
        command = Truncate(truncate=Truncation(after), cut=cut)
        return await self.do(command, publish=publish)

    async def cancel_queued(self, turn: str) -> None:
        await self.do(Cancel(turn=turn))

    async def end(self) -> None:
        await self.do(End())

    async def delete(self, *, publish: bool = True) -> Step:
        return await self.do(Delete(), publish=publish)

    async def compact(self) -> None:
        while await self.journal.compact(self.now + 1, 0.0, 100):
            pass

    def lose_tail(self) -> None:
        """As after a passivation with nobody watching: what follows is read from the journal."""
        watchers = self.tail._watchers
        self.tail = Tail(THREAD, self.limits)
        self.tail.show(self.state)
        self.tail._watchers = watchers

    def subscription(self, **more: Any) -> Subscription:
        return Subscription(self.tail, lambda: self.journal, self.limits, **more)

    async def attached(self, cursor: str | None = None, window: int | None = None) -> Subscription:
        subscription = self.subscription()
        await subscription.attach(cursor, window)
        return subscription


async def some_thread(limits: Limits | None = None) -> Written:
    """Two turns that ended, a live one, and one queued; some events are ranges."""
    thread = await Written.begin(limits)
    await thread.whole_turn("a", "hello", "world")
    await thread.submit("b")
    await thread.say("one", "two", "three")
    await thread.finish(Ending(TurnState.CANCELLED, reason="requested"))
    await thread.submit("c")
    await thread.say("x", "y")
    await thread.submit("d")
    await thread.say("z")
    return thread


async def drain(subscription: Subscription) -> list[Batch]:
    """Pull until there is nothing new."""
    batches = []
    while (batch := await subscription.pull()) is not None:
        batches.append(batch)
    return batches


def kinds(batches: list[Batch]) -> list[str]:
    return [type(batch).__name__ for batch in batches]


def offsets(batches: list[Batch]) -> list[int]:
    """Every offset that was delivered, those inside a range as well."""
    rows = (row for batch in batches if isinstance(batch, Events) for row in batch.rows)
    return [offset for row in rows for offset in range(row.offset, row.to + 1)]


def text_of(batches: list[Batch]) -> str:
    events = (e.event for b in batches if isinstance(b, Events) for e in b.entries)
    return "".join(event.text for event in events if isinstance(event, TurnDelta))


def shown(snapshot: Batch) -> list[str]:
    """The ids of everything that a snapshot shows, settled or not."""
    assert isinstance(snapshot, Snapshot)
    live = (snapshot.turn,) if snapshot.turn is not None else ()
    open_items = (item for turn in (*live, *snapshot.queue) for item in turn.items)
    return [item.item for item in (*snapshot.items, *open_items)]


__all__ = [
    "THREAD",
    "CaughtUp",
    "Detached",
    "Events",
    "Snapshot",
    "Written",
    "drain",
    "kinds",
    "offsets",
    "shown",
    "text_of",
]

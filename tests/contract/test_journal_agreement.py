"""Memory and SQLite agree about every answer, whatever was done to them before."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import trio
from attrs import evolve, frozen
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from actors.core.events import ThreadDeleted, ThreadEnded, TurnItem, TurnStarted
from actors.core.head import Life
from actors.core.position import Position
from actors.core.turn_lifecycle import TurnState
from actors.errors import HoldfastError, InternalError, JournalFenced
from actors.journal.memory import MemoryJournal
from actors.journal.sqlite import open_sqlite_journal, verify
from actors.limits import Limits
from actors.ports import Inline
from actors.testing.scripted_thread import ScriptedThread
from tests.contract.journal_pair import Pair

if TYPE_CHECKING:
    from actors.core.thread_state import LiveTurn
    from actors.journal.contract import Journal

FIRST_EPOCH: Final = 5
PAGE: Final = 1 << 20
# Small enough that a few turns reach them.
LIMITS: Final = Limits(receipts_in_memory=2, merged_text_bytes=700)

# Two threads, so that each of them meets much of what is drawn.
NAMES: Final = ("t1", "t2")
texts = st.lists(st.sampled_from(["", "a", "bc ", "\u00e9\n", "x" * 300]), min_size=1, max_size=5)
endings = st.sampled_from([s for s in TurnState if s not in (TurnState.QUEUED, TurnState.RUNNING)])
keys = st.sampled_from([None, "k1", "k2", "k3"])


@frozen
class Look:
    """How a thread is looked at after each step.

    Args:
        name: the thread.
        pick: which item, offset and key are asked for.
        life: of which epoch, counted from the thread's.
        limit: items on a page.
        limit_bytes: bytes on a page of items or rows.
    """

    name: str
    pick: int
    life: int
    limit: int
    limit_bytes: int


looks = st.builds(
    Look,
    st.sampled_from(NAMES),
    st.integers(0, 60),
    st.sampled_from([0, 0, 0, -1, -6, 1]),
    st.integers(1, 9),
    # Around the size of one row or item, and large.
    st.one_of(st.integers(1, 1500), st.just(PAGE)),
)


async def answer(call: Awaitable[Any]) -> Any:
    """Return the answer to a call, or the refusal."""
    try:
        return await call
    except HoldfastError as exc:
        return exc


async def examine(pair: Pair, look: Look) -> None:
    """Ask for everything there is to know of a thread."""
    head = (await pair.load(look.name)).head
    everything = await pair.history(look.name, None, 1000, PAGE)
    ids = [item.item for item in everything.items] or ["turn1.1"]
    item = ids[look.pick % len(ids)]
    for before in (None, item, look.pick, f"turn{look.pick}.1"):
        await _page_through(pair, look, before)
    for some in (item, f"turn{look.pick}.1"):
        await pair.settled(look.name, some.partition(".")[0])
        await answer(pair.locate(look.name, some))
    await pair.locate(look.name, None)
    for offset in (head.floor, look.pick % (head.offset + 2)):
        await _read_on(pair, look, Position(head.epoch, offset))
    await answer(pair.read(look.name, Position(head.epoch + look.life, look.pick), 1))
    await pair.receipt(look.name, "somebody", f"k{look.pick % 4}")
    await pair.summaries((await pair.summaries(None, 1)).after, look.limit)
    await pair.unsettled()
    pair.statistics()


async def _page_through(pair: Pair, look: Look, before: str | int | None) -> None:
    for _ in range(5):
        page = await answer(pair.history(look.name, before, look.limit, look.limit_bytes))
        if isinstance(page, HoldfastError) or page.before is None:
            return
        before = page.before


async def _read_on(pair: Pair, look: Look, after: Position) -> None:
    for _ in range(5):
        page = await answer(pair.read(look.name, after, look.limit_bytes))
        if isinstance(page, HoldfastError) or not page:
            return
        after = Position(after.epoch, page[-1].to)


class JournalAgreement(RuleBasedStateMachine):
    """Threads live and die in both journals, which are asked everything in between."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="journal-"))
        self.memory = MemoryJournal(FIRST_EPOCH, limits=LIMITS)
        self.threads: dict[str, ScriptedThread] = {}
        self.named = 0
        self.clock = 1000.0

    @initialize()
    def open(self) -> None:
        self.pair = trio.run(self._open)

    async def _open(self) -> Pair:
        self.memory.reopen()
        path = self.directory / "journal.db"
        subject: Journal = await open_sqlite_journal(
            path,
            durability="relaxed",
            executor=Inline(),
            first_epoch=FIRST_EPOCH,
            limits=LIMITS,
        )
        return Pair(self.memory, subject)

    @rule()
    def reopen(self) -> None:
        trio.run(self.pair.aclose)
        self.threads.clear()
        self.pair = trio.run(self._open)

    def teardown(self) -> None:
        try:
            trio.run(self.pair.aclose)
            assert list(verify(self.directory / "journal.db")) == []
        finally:
            shutil.rmtree(self.directory)

    def writer(self, name: str) -> ScriptedThread:
        """Return a thread that may be written now, at a time of its own."""
        if name not in self.threads:
            self.threads[name] = trio.run(ScriptedThread.claim, self.pair, name)
        thread = self.threads[name]
        thread.at = self.clock = max(self.clock, thread.at) + 1.0
        return thread

    def items(self, thread: str) -> list[str]:
        """Return ids of items that are there, and one that is not."""
        page = trio.run(self.pair.history, thread, None, 50, PAGE)
        return [item.item for item in page.items] or ["turn1.1"]

    def name(self, what: str) -> str:
        self.named += 1
        return f"{what}{self.named}"

    def do(self, look: Look, *calls: Awaitable[Any]) -> None:
        """Write, and look at the thread afterwards."""

        async def run() -> None:
            for call in calls:
                await call
            await examine(self.pair, look)

        trio.run(run)

    def ask(self, call: Awaitable[Any]) -> Any:
        """Return the answer that both journals gave, or the refusal."""

        async def run() -> Any:
            return await answer(call)

        return trio.run(run)

    # Writing.

    @rule(look=looks, how=st.lists(st.tuples(texts, endings, keys), min_size=1, max_size=3))
    def chat(self, look: Look, how: list[tuple[list[str], TurnState, str | None]]) -> None:
        """Write whole turns, and those that were waiting before them."""
        for pieces, ending, key in how:
            self.do(look, self.writer(look.name).submit(self.name("turn"), "hello", key))
            self._settle_one(look, pieces, ending)

    def _settle_one(self, look: Look, pieces: list[str], ending: TurnState) -> None:
        thread, live = self._running(look)
        self.do(look, thread.say(live.turn, *pieces), thread.end(live.turn, ending))

    def _running(self, look: Look) -> tuple[ScriptedThread, LiveTurn]:
        """Return a thread and the turn that runs there, started if need be."""
        thread = self.writer(look.name)
        if not thread.state.live and not thread.state.queue:
            self.do(look, thread.submit(self.name("turn")))
        if thread.state.live is None:
            self.do(look, thread.start(thread.state.queue[0].turn))
        assert thread.state.live is not None
        return thread, thread.state.live

    @rule(look=looks, key=keys, text=st.sampled_from("abc"))
    def submit(self, look: Look, key: str | None, text: str) -> None:
        self.do(look, self.writer(look.name).submit(self.name("turn"), text, key))

    @rule(look=looks, pieces=texts, back=st.integers(0, 1), data=st.sampled_from([None, "x", {}]))
    def go_on(self, look: Look, pieces: list[str], back: int, data: Any) -> None:
        """Let a turn say something, with a message in between, or add an item."""
        thread, live = self._running(look)
        number = live.view.numbered
        if data is None:
            item = max(1, number - back)
            self.do(look, thread.say(live.turn, *pieces, item=item))
            self.do(look, thread.submit(self.name("turn")), thread.say(live.turn, "on", item=item))
        else:
            self.do(look, thread.write(TurnItem(live.turn, f"{live.turn}.{number}", "note", data)))

    @rule(look=looks, state=endings, how=st.sampled_from(["live", "back", "retry", "queued"]))
    def end(self, look: Look, state: TurnState, how: str) -> None:
        thread = self.writer(look.name)
        live, queue = thread.state.live, thread.state.queue
        if how == "queued" and queue:
            self.do(look, thread.end(queue[-1].turn, TurnState.CANCELLED))
        elif live is not None and how == "retry":
            self.do(look, thread.write(TurnStarted(live.turn, live.attempt + 1)))
        elif live is not None:
            self.do(look, thread.end(live.turn, state, rolled_back=how == "back"))

    @rule(look=looks, data=st.sampled_from([None, "x", {"a": [1.5, None, "\u00e9"]}]))
    def record(self, look: Look, data: Any) -> None:
        self.do(look, self.writer(look.name).record(self.name("record"), data))

    @rule(look=looks, data=st.data())
    def truncate(self, look: Look, data: st.DataObject) -> None:
        """Cut the history somewhere; turns that are in the way end first."""
        thread = self.writer(look.name)
        while thread.state.live or thread.state.queue:
            self._settle_one(look, ["cut"], TurnState.INTERRUPTED)
        if thread.state.life is Life.ABSENT:
            return
        after = data.draw(st.sampled_from([*self.items(look.name), None]))
        refused = self.ask(self.pair.locate(look.name, after))
        if not isinstance(refused, HoldfastError):
            self.do(look, self.writer(look.name).truncate(after))

    @rule(look=looks, for_good=st.booleans())
    def close(self, look: Look, for_good: bool) -> None:
        thread = self.writer(look.name)
        if thread.state.life is not Life.ABSENT and (for_good or not thread.state.live):
            self.do(look, thread.write(ThreadDeleted() if for_good else ThreadEnded()))

    # Writing what is refused.

    @rule(look=looks, offset=st.integers(-2, 2), older=st.booleans(), released=st.booleans())
    def write_stale(self, look: Look, offset: int, older: bool, released: bool) -> None:
        stale = self.writer(look.name).stale(offset=offset)
        if older:
            del self.threads[look.name]
            self.writer(look.name)
        if released:
            generation = self.threads.pop(look.name, stale).generation
            self.pair.release(look.name, generation)
        if offset or older or released:
            assert isinstance(self.ask(stale.record("stale")), JournalFenced)

    @rule(look=looks, beside=st.booleans())
    def end_twice(self, look: Look, beside: bool) -> None:
        """The second ending of a turn is refused, and nothing else that shares its commit."""
        thread = self.writer(look.name)
        running, live = thread.state, thread.state.live
        if live is None:
            return
        self.do(look, thread.end(live.turn))
        again = evolve(thread, state=evolve(running, offset=thread.state.offset))
        other = self.writer(next(n for n in NAMES if n != look.name))
        refusals: list[type[HoldfastError]] = []

        async def end() -> None:
            try:
                await again.end(live.turn, TurnState.FAILED)
            except InternalError as exc:
                refusals.append(type(exc))

        async def both() -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(end)
                if beside:
                    nursery.start_soon(other.record, f"record{self.named}")

        self.named += 1
        trio.run(both)
        assert refusals == [InternalError]

    @rule(stale=st.sets(st.sampled_from(NAMES)))
    def write_together(self, stale: set[str]) -> None:
        """Appends of all threads share a commit, and some of them are refused."""
        writers = [self.writer(name) for name in NAMES]
        record = self.name("record")
        outcomes: dict[str, bool] = {}

        async def write(thread: ScriptedThread) -> None:
            try:
                await thread.record(record)
            except JournalFenced:
                outcomes[thread.thread] = False
            else:
                outcomes[thread.thread] = True

        async def all_of_them() -> None:
            async with trio.open_nursery() as nursery:
                for thread in writers:
                    wrong = thread.stale(offset=1) if thread.thread in stale else thread
                    nursery.start_soon(write, wrong)

        trio.run(all_of_them)
        assert outcomes == {name: name not in stale for name in NAMES}

    # Compacting.

    @rule(
        look=looks, ago=st.integers(-9, 9), keys_ago=st.integers(-60, 60), limit=st.integers(1, 9)
    )
    def compact(self, look: Look, ago: int, keys_ago: int, limit: int) -> None:
        self.do(look, self.pair.compact(self.clock - ago, self.clock - keys_ago, limit))


JournalAgreement.TestCase.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None
)
TestJournalAgreement = JournalAgreement.TestCase

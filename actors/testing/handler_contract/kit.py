"""A handler under observation: what it calls, what it leaves behind, what reaches it and comes out.

Each turn is run by a real runtime. What the handler is given is the turn's own handle behind one
that counts the calls.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from functools import partial
from types import coroutine
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import trio
import trio.testing
from attrs import define, evolve, field

from ...actor.kinds import ThreadKind
from ...actor.turn_runner import call_handler
from ...core.turn_lifecycle import TurnState
from ...errors import Rejected, TurnFailed, TurnOver, TurnsAbandoned
from ...journal.memory import MemoryJournal
from ...limits import Limits
from ...opening import open_runtime
from ...runtime import Runtime

if TYPE_CHECKING:
    from ...actor.turn import Turn
    from ...core.head import Settled
    from ...core.items import Content
    from ...handles import Thread

Check: TypeAlias = Callable[[ThreadKind], Awaitable[None]]

THREAD: Final = "t"
# What a handler calls to say something.
_SAYING: Final = frozenset(
    {"write", "think", "flush", "item", "record", "tool_call", "tool_result"}
)
# Ways to fail that a handler has thought of.
_TOLD: Final = (TurnFailed, Rejected, TurnOver)
# A runtime that is closed soon, whatever the handler does.
_LIMITS: Final = Limits(drain_seconds=0.1, close_seconds=0.5)


class _Tasks(trio.abc.Instrument):
    """Which living tasks a handler began, or those that it began did."""

    def __init__(self) -> None:
        self.living: set[trio.lowlevel.Task] = set()
        self.begun: dict[trio.lowlevel.Task, str] = {}

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        try:
            if trio.lowlevel.current_task() in self.living:
                self.living.add(task)
                self.begun[task] = task.name
        except RuntimeError:  # nobody's: begun by a callback
            return

    def task_exited(self, task: trio.lowlevel.Task) -> None:
        self.living.discard(task)
        self.begun.pop(task, None)


@define(eq=False)
class Observed:
    """One run of the handler.

    Args:
        at: the call of its handle at which `reached` is set; nought is its beginning.
        holds: have it wait in that call until it is cancelled.

    Attributes:
        calls: how many calls of its handle there were.
        late: the calls that came after it was over.
        cancelled: whether a cancellation reached it first of all, once `stopping` was set.
        error: what it raised.
    """

    at: int = -1
    holds: bool = False
    calls: int = 0
    reached: trio.Event = field(factory=trio.Event)
    over: trio.Event = field(factory=trio.Event)
    stopping: bool = False
    cancelled: bool | None = None
    late: list[str] = field(factory=list)
    error: BaseException | None = None

    def note_place(self) -> bool:
        """Count a call, or the beginning; say whether it is the one to wait for."""
        here = self.calls == self.at
        if here:
            self.reached.set()
        self.calls += 1
        return here

    def note_step(self, outcome: Any) -> None:
        """See with what the handler is woken; trio hands over the outcome of what it awaited."""
        if self.stopping and self.cancelled is None:
            self.cancelled = isinstance(getattr(outcome, "error", None), trio.Cancelled)

    @property
    def swallowed(self) -> bool:
        """Whether a cancellation reached it and did not come out again."""
        return bool(self.cancelled) and not _holds(self.error, trio.Cancelled)

    @property
    def blundered(self) -> bool:
        """Whether it raised what nobody thought of."""
        if self.error is None or _holds(self.error, trio.Cancelled):
            return False
        return not _holds(self.error, _TOLD)


class _Handle:
    """A turn's handle that tells its observer of every call."""

    def __init__(self, turn: Turn, observed: Observed) -> None:
        self._turn = turn
        self._observed = observed

    def __getattr__(self, name: str) -> Any:
        there = getattr(self._turn, name)
        return partial(self._call, name, there) if name in _SAYING else there

    async def _call(self, name: str, there: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        if self._observed.over.is_set():
            self._observed.late.append(name)
        if self._observed.note_place() and self._observed.holds:
            await trio.sleep_forever()
        return await there(*args)


@define(eq=False)
class Stage:
    """Where a handler is observed: a runtime with one thread that matters.

    Args:
        kind: the kind under test.
    """

    kind: ThreadKind
    runtime: Runtime | None = None
    runs: list[Observed] = field(factory=list)
    expected: list[Observed] = field(factory=list)
    tasks: _Tasks = field(factory=_Tasks)
    threads: set[threading.Thread] = field(factory=lambda: _busy())

    async def on_turn(self, turn: Turn) -> None:
        """Run the handler, and see what it does."""
        observed = self.expected.pop(0) if self.expected else Observed()
        self.runs.append(observed)
        observed.note_place()
        self.tasks.living.add(trio.lowlevel.current_task())
        handle = cast("Turn", _Handle(turn, observed))
        try:
            await _watched(call_handler(self.kind.on_turn, handle), observed)
        except BaseException as exc:
            observed.error = exc
            raise
        finally:
            self.tasks.living.discard(trio.lowlevel.current_task())
            observed.over.set()

    @property
    def thread(self) -> Thread:
        """The thread that matters."""
        assert self.runtime is not None
        return self.runtime.thread(THREAD)

    async def answered(self, content: Content = "hello") -> tuple[Observed, Settled]:
        """Ask, and wait for the end of the turn."""
        asked = await self.thread.submit(content)
        settled: Settled = await self.thread.outcome(asked.turn)
        return self.runs[-1], settled

    async def check_nothing_left(self, observed: Observed) -> None:
        """Hold a run that is over against what may be left of it: nothing.

        Raises:
            AssertionError: naming tasks, worker threads or calls of the handle.
        """
        await trio.testing.wait_all_tasks_blocked()
        names = sorted(self.tasks.begun.values())
        assert not names, f"it left tasks behind: {', '.join(names)}"
        threads = sorted(thread.name for thread in _busy() - self.threads)
        assert not threads, f"it left worker threads behind: {', '.join(threads)}"
        assert not observed.late, f"it called its turn's {observed.late[0]} after it was over"


@asynccontextmanager
async def staged(kind: ThreadKind, journal: MemoryJournal | None = None) -> AsyncIterator[Stage]:
    """Have a stage for the length of a block.

    Args:
        kind: the kind under test.
        journal: with a history in it; an empty one otherwise.

    Raises:
        AssertionError: where the handler would not stop.
    """
    stage = Stage(kind)
    wrong: AssertionError | None = None
    seen = evolve(kind, on_turn=stage.on_turn)
    trio.lowlevel.add_instrument(stage.tasks)
    try:
        async with open_runtime(
            journal or MemoryJournal(), kind_of=lambda _: seen, limits=_LIMITS
        ) as stage.runtime:
            try:
                yield stage
            except AssertionError as exc:  # told when the runtime is closed
                wrong = exc
    except TurnsAbandoned as exc:
        raise wrong or AssertionError(f"it does not stop: {exc}") from exc
    finally:
        trio.lowlevel.remove_instrument(stage.tasks)
    if wrong is not None:
        raise wrong


def check_ended(observed: Observed, settled: Settled) -> None:
    """Hold an undisturbed turn's end against what may be.

    Raises:
        AssertionError: where it timed out, or failed with what nobody thought of.
    """
    assert not observed.blundered, f"it raised {observed.error!r}; raise TurnFailed to say why"
    ends = (TurnState.COMPLETED, TurnState.FAILED)
    assert settled.state in ends, f"it ended as {settled.state}, by itself"


def _holds(error: BaseException | None, sort: type[BaseException] | tuple[Any, ...]) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return error.split(sort)[0] is not None
    return isinstance(error, sort)


def _busy() -> set[threading.Thread]:
    """Return the threads at work; those that trio keeps for later bear its own name."""
    return {each for each in threading.enumerate() if not each.name.startswith("Trio thread")}


@coroutine
def _watched(handler: Any, observed: Observed) -> Generator[Any, Any, Any]:
    """Await a coroutine, and tell the observer of everything that it is woken with."""
    sent: Any = None
    while True:
        try:
            wish = handler.send(sent)
        except StopIteration as over:
            return over.value
        sent = yield wish
        observed.note_step(sent)

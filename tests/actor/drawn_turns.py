"""Drawn histories of two threads, and a handler that holds what it is given against the disk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import trio
from attrs import define, field, frozen
from hypothesis import strategies as st
from runtime_world import Counted, Now
from trio.testing import MockClock

from actors import Limits, Rejected, Runtime, ThreadKind, Turn, TurnFailed, open_runtime
from actors.actor.contexts import read_context
from actors.core.commands import Truncation
from actors.errors import InternalError
from actors.journal.contract import Journal

PARTS = [{"type": "text", "text": "hi"}, {"type": "image", "url": ["x"]}]


def spoil(turn: Turn) -> None:
    """Change all that a handler can lay its hands on."""
    contents: list[Any] = [turn.content, *(message["content"] for message in turn.messages())]
    for content in contents:
        if isinstance(content, list):
            content[0]["text"] = "spoilt"
            content.append({"type": "text", "text": "spoilt"})
    turn.messages().clear()


@frozen
class Step:
    """Something that is done to a thread.

    Args:
        what: a method of `Drawn`.
        thread: which.
        pick: a number that says which item or which way.
        does: what a turn's handler does.
    """

    what: str
    thread: str
    pick: int
    does: tuple[str, ...]


DOES = ("write", "think", "call", "result", "item", "record", "wait", "fail", "é" * 300)
steps = st.builds(
    Step,
    st.sampled_from(
        ["say"] * 8
        + ["wait", "wait", "record", "cancel", "truncate", "edit"]
        + ["fork", "delete", "crash", "reopen"]
    ),
    st.sampled_from("aab"),
    st.integers(0, 11),
    st.lists(st.sampled_from(DOES), max_size=4).map(tuple),
)
limits_drawn = st.builds(
    Limits,
    kept_context_items=st.just(1),
    kept_context_bytes=st.sampled_from([1, 3000, 6000, 1 << 25]),
    context_items=st.sampled_from([1, 3, 8, 10_000]),
    context_bytes=st.sampled_from([1, 2000, 5000, 1 << 24]),
    page_items_max=st.sampled_from([2, 500]),
    idle_seconds=st.sampled_from([3, 300]),
    cancel_grace_seconds=st.just(1),
    restart_intensity=st.just(1000),
)


@define
class Drawn:
    """A runtime whose handler compares what it is given with what is on disk."""

    open_journal: Callable[[], Awaitable[Journal]]
    limits: Limits
    retry: bool
    ids: Counted = field(factory=Counted)
    wrong: list[Any] = field(factory=list)
    journal: Journal = field(init=False)
    runtime: Runtime = field(init=False)

    async def run(self, todo: list[Step]) -> None:
        while todo:
            async with self._opened():
                while todo and (step := todo.pop(0)).what != "reopen":
                    with suppress(Rejected):
                        await getattr(self, step.what)(step)
                    contexts = self.runtime.registry.around.contexts
                    assert contexts.weight == sum(c.whole_weight for c in contexts._kept.values())
                    assert contexts.weight <= self.limits.kept_context_bytes

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[None]:
        self.journal = await self.open_journal()
        async with open_runtime(
            self.journal,
            kind_of=lambda _: ThreadKind(on_turn=self.answer, retry=self.retry),
            limits=self.limits,
            ids=self.ids,
            clock=Now(),
        ) as runtime:
            self.runtime = runtime
            yield
            await trio.sleep(40)
        assert runtime.registry.around.contexts.weight == 0

    async def answer(self, turn: Turn) -> None:
        actor = self.runtime.registry._entries[turn.thread].actor
        live = actor.state.live if actor is not None else None
        if live is None or live.turn != turn.id:  # its actor failed meanwhile
            return
        most = self.limits.context_items
        fresh, weight = await read_context(turn.thread, live.place, self.journal, self.limits, most)
        # What is raised here would end the turn, and nothing else.
        if turn._history != fresh or (weight > self.limits.context_bytes and len(fresh) > 1):
            self.wrong.append((turn._history, fresh, weight))
        spoil(turn)
        call = "none"
        for does in turn.metadata["does"]:
            match does:
                case "think":
                    await turn.think("hm")
                case "call":
                    call = await turn.tool_call("look", {"at": [1, 2.5, None]})
                case "result":
                    await turn.tool_result(call, {"seen": ["a", {"b": True}]})
                case "item":
                    await turn.item("note", {"x": 1})
                case "record":
                    await turn.record("fact", [1])
                case "wait":
                    await trio.sleep(2)
                case "fail":
                    raise TurnFailed("no", "it would not")
                case text:
                    await turn.write(text)

    async def say(self, step: Step) -> None:
        content: Any = PARTS if step.pick % 2 else "hello"
        busy = ("queue", "queue", "interrupt", "rollback")[step.pick % 4]
        thread = self.runtime.thread(step.thread)
        await thread.submit(content, on_busy=busy, metadata={"does": step.does})

    async def edit(self, step: Step) -> None:
        cut = Truncation(await self._item(step))
        thread = self.runtime.thread(step.thread)
        await thread.submit("instead", truncate=cut, metadata={"does": step.does})

    async def wait(self, step: Step) -> None:
        await trio.sleep(step.pick)

    async def record(self, step: Step) -> None:
        await self.runtime.thread(step.thread).record("fact", {"n": step.pick})

    async def cancel(self, step: Step) -> None:
        await self.runtime.thread(step.thread).cancel(rollback=step.pick % 2 == 0)

    async def truncate(self, step: Step) -> None:
        await self.runtime.thread(step.thread).truncate(await self._item(step))

    async def fork(self, step: Step) -> None:
        other = {"a": "b", "b": "a"}[step.thread]
        item = await self._item(step)
        await self.runtime.thread(other).delete()
        await self.runtime.thread(step.thread).fork(other, after=item)

    async def delete(self, step: Step) -> None:
        await self.runtime.thread(step.thread).delete()

    async def crash(self, step: Step) -> None:
        entry = self.runtime.registry._entries.get(step.thread)
        if entry is not None and entry.actor is not None:
            entry.actor.fail(InternalError("as told"))
        await trio.lowlevel.checkpoint()

    async def _item(self, step: Step) -> str | None:
        items = (await self.runtime.thread(step.thread).history()).items
        return items[-step.pick].item if 0 < step.pick <= len(items) else None


def relive(todo: list[Step], drawn: Drawn) -> None:
    trio.run(drawn.run, todo, clock=MockClock(autojump_threshold=0))
    assert drawn.wrong == []

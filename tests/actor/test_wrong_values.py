"""Whatever is given by mistake is refused where it is given, or does no harm (I10, I16)."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
import trio
import trio.testing
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from runtime_world import LIMITS, Counted, Now
from wrong_values import WRONG, Given, calls, is_answered, values

from actors import (
    Capacity,
    CaughtUp,
    Detached,
    Journal,
    Lease,
    Projection,
    Runtime,
    Service,
    Snapshot,
    Thread,
    ThreadKind,
    Truncation,
    Turn,
    open_runtime,
    resume_or_new,
)
from actors.journal.memory import MemoryJournal
from actors.journal.sqlite import open_sqlite_journal, verify
from actors.ports import Inline

T: Final = "t"

# Each call with arguments that are right.
CALLS: Final[Mapping[str, Mapping[str, Any]]] = {
    "thread": {"id": T, "principal": "ann"},
    "threads": {"after": None, "limit": 5},
    "release": {"thread": T},
    "compact": {"everything": True},
    "resume_or_new": {"owner": "ann", "window": 60.0, "principal": "ann"},
    "submit": {
        "content": "hi",
        "key": None,
        "on_busy": "queue",
        "metadata": {"a": 1},
        "attachments": [1],
        "truncate": None,
    },
    "submit_after": {"content": "hi", "after": None},
    "ask": {"content": "hi", "key": None, "on_busy": "queue"},
    "record": {"kind": "note", "data": {"a": 1}, "key": None},
    "cast": {"kind": "note", "data": {"a": 1}},
    "cancel": {"turn": "t1", "rollback": True},
    "cancel_now": {"rollback": True},
    "truncate": {"after": None},
    "fork": {"to": "f", "after": None, "key": None},
    "delete": {"unless_used": True},
    "history": {"before": None, "limit": 5},
    "projection": {"name": "count"},
    "attach": {"after": None, "window": 5},
    "outcome": {"turn": "t1"},
}


async def called(runtime: Runtime, call: str, arguments: Mapping[str, Any]) -> None:
    """Make one of those calls, and the most that follows from it."""
    match call:
        case "thread":
            spoken = runtime.thread(**arguments)
            receipt = await spoken.submit("hi", on_busy="queue")
            await spoken.outcome(receipt.turn)
        case "threads" | "compact" | "release":
            answer = getattr(runtime, call)(**arguments)
            _ = answer if isinstance(answer, bool) else await answer
        case "resume_or_new":
            resumption = await resume_or_new(runtime, **arguments)
            await resumption.thread.submit("hi", on_busy="queue")
        case "submit_after":
            cut = Truncation(arguments["after"])
            await runtime.thread(T).submit(arguments["content"], truncate=cut, on_busy="queue")
        case "cancel_now":
            await runtime.thread(T).submit("wait", on_busy="interrupt")
            await runtime.thread(T).cancel(**arguments)
        case "ask":
            async with runtime.thread(T).ask(**arguments) as answer:
                _ = [text async for text in answer]
        case "attach":
            async with runtime.thread(T).attach(**arguments) as subscription:
                await anext(subscription)
        case "cast":
            runtime.thread(T).cast(**arguments)
        case _:
            await getattr(runtime.thread(T), call)(**arguments)


async def answers(turn: Turn) -> None:
    """Say what was said; where that is a word, wait."""
    await turn.write(turn.text or "?")
    if turn.text == "wait":
        await trio.sleep_forever()


async def listens(service: Service) -> None:
    """Take what comes."""
    async for _ in service.inbox:
        pass


def counts(state: int, fact: object) -> int:
    return state + 1


KIND: Final = ThreadKind(
    on_turn=answers, service=listens, projections={"count": Projection(0, counts, public=True)}
)


TURN_CALLS: Final[Mapping[str, Mapping[str, Any]]] = {
    "write": {"text": "said"},
    "think": {"text": "thought"},
    "tool_call": {"name": "find", "arguments": {}},
    "tool_result": {"call": "t2.1", "data": {}},
    "item": {"kind": "note", "data": {}},
    "record": {"kind": "note", "data": {}},
    "projection": {"name": "count"},
}
SERVICE_CALLS: Final[Mapping[str, Mapping[str, Any]]] = {
    "record": {"kind": "note", "data": {}},
    "projection": {"name": "count"},
    "hold": {"lease": Lease(static=5)},
}


async def called_on(handle: Turn | Service, call: str, arguments: Mapping[str, Any]) -> None:
    """Make one of those calls."""
    answer = getattr(handle, call)(**arguments)
    if hasattr(answer, "__aenter__"):
        async with answer:
            pass
    elif inspect.isawaitable(answer):
        await answer


@asynccontextmanager
async def opened(path: Path, kind: ThreadKind, ids: Counted) -> AsyncIterator[Runtime]:
    def journal() -> Awaitable[Journal]:
        return open_sqlite_journal(
            path, durability="relaxed", limits=LIMITS, executor=Inline(), first_epoch=1
        )

    async with open_runtime(
        journal, kind_of=lambda _: kind, limits=LIMITS, ids=ids, clock=Now()
    ) as runtime:
        yield runtime


async def all_that_is_shown(runtime: Runtime) -> list[bytes]:
    """Read every thread in every way, and return its settled history, newest page first."""
    pages: list[bytes] = []
    for summary in (await runtime.threads(limit=500)).summaries:
        thread = runtime.thread(summary.thread)
        before = None
        while True:
            page = await thread.history(before, 5)
            pages.append(orjson.dumps([item.to_json() for item in page.items]))
            if page.before is None:
                break
            before = page.before
        await _watch(thread, None)
        await _watch(thread, "1.0")
        await thread.projection("count")
    return pages


async def _watch(thread: Thread, after: str | None) -> None:
    async with thread.attach(after) as subscription:
        async for batch in subscription:
            if isinstance(batch, CaughtUp | Detached):
                break
            if isinstance(batch, Snapshot):
                orjson.dumps([item.to_json() for item in batch.items])
                orjson.dumps(batch.attributes)


async def goes_on(runtime: Runtime) -> None:
    """Check that no actor fell, and that the thread takes a turn as before."""
    figures = runtime.statistics()
    assert (figures.restarts, figures.quarantined) == (0, {})
    thread = runtime.thread(T)
    receipt = await thread.submit("after all", on_busy="interrupt")
    assert (await thread.outcome(receipt.turn)).state == "completed"
    assert runtime.statistics().restarts == 0


def play(kind: ThreadKind, scene: Callable[[Runtime], Awaitable[None]]) -> None:
    """Run a scene on a journal in a file, and read that again after a restart."""

    async def run(path: Path) -> None:
        ids = Counted()
        with trio.fail_after(24 * 3600):
            async with opened(path, kind, ids) as runtime:
                first = await runtime.thread(T).submit("first")
                await runtime.thread(T).outcome(first.turn)
                await scene(runtime)
                await goes_on(runtime)
                shown = await all_that_is_shown(runtime)
            assert list(verify(path)) == []
            async with opened(path, kind, ids) as runtime:
                assert await all_that_is_shown(runtime) == shown
                await goes_on(runtime)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        trio.run(run, path, clock=trio.testing.MockClock(autojump_threshold=0))


@settings(max_examples=40)
@given(drawn=st.lists(calls(CALLS), min_size=1, max_size=8))
def test_a_call_of_a_runtime_or_a_thread(drawn: Sequence[Given]) -> None:
    async def scene(runtime: Runtime) -> None:
        for each in drawn:
            arguments = each.arguments(CALLS[each.call])
            await is_answered(each, partial(called, runtime, each.call, arguments))

    play(KIND, scene)


async def say_all(
    handle: Turn | Service, drawn: Sequence[Given], right: Mapping[str, Mapping[str, Any]]
) -> None:
    for each in drawn:
        arguments = each.arguments(right[each.call])
        await is_answered(each, partial(called_on, handle, each.call, arguments))


@settings(max_examples=30)
@given(drawn=st.lists(calls(TURN_CALLS), min_size=1, max_size=16))
def test_a_call_of_a_turn(drawn: Sequence[Given]) -> None:
    """The turn goes on as well, and completes."""
    told: list[AssertionError] = []

    async def says(turn: Turn) -> None:
        if turn.text == "speak":
            try:
                await say_all(turn, drawn, TURN_CALLS)
            except AssertionError as exc:
                told.append(exc)
        await answers(turn)

    async def scene(runtime: Runtime) -> None:
        async with runtime.thread(T).ask("speak") as answer:
            said = "".join([text async for text in answer])
        assert not told, told[0]
        assert said.endswith("speak")

    play(evolve(KIND, on_turn=says), scene)


@settings(max_examples=30)
@given(drawn=st.lists(calls(SERVICE_CALLS), min_size=1, max_size=16))
def test_a_call_of_a_service(drawn: Sequence[Given]) -> None:
    """The service goes on as well, and takes what is cast to it."""
    told: list[AssertionError] = []
    begun = 0

    async def service(service: Service) -> None:
        nonlocal begun
        begun += 1
        if begun == 1:
            try:
                await say_all(service, drawn, SERVICE_CALLS)
            except AssertionError as exc:
                told.append(exc)
        async for cast in service.inbox:
            await service.record("taken", cast.data)

    async def scene(runtime: Runtime) -> None:
        runtime.thread(T).cast("note", "cast")
        await trio.sleep(1)
        assert not told, told[0]
        assert begun == 1
        newest = (await runtime.thread(T).history()).items[-1]
        assert newest.body["data"] == "cast"

    play(evolve(KIND, service=service), scene)


# Whatever else is wrong with them, a figure or a flag, is said by what checks the field.
OPENING: Final = ("limits", "clock", "ids", "record_to", "on_turn", "kind_of", "durability")


@settings(max_examples=60)
@given(name=st.sampled_from(OPENING), wrong=values)
def test_what_a_runtime_is_opened_with(name: str, wrong: str) -> None:
    """It is refused on opening, and not by the first thread that needs it."""
    value = WRONG[wrong]()
    use_kind = name == "kind_of"
    takes_it = value is None and name != "limits" and name != "durability"
    if takes_it or not value or isinstance(value, type) or (callable(value) and name != "limits"):
        return  # left out, or of the right sort as far as can be told
    if name == "record_to" and isinstance(value, str):
        return
    right: dict[str, Any] = {"on_turn": None if use_kind else answers}

    async def run() -> None:
        async with open_runtime(MemoryJournal(), **{**right, name: value}):
            raise AssertionError(f"{name} took {wrong}")

    with pytest.raises((TypeError, ValueError), match=r"takes|is full or relaxed"):
        trio.run(run)


NO_KINDS: Final[Mapping[str, Any]] = {
    "a number": 5,
    "a list": ["note"],
    "a number for a kind": {5: str},
    "a kind of none": {"": len},
}


@pytest.mark.parametrize("what", NO_KINDS)
@pytest.mark.parametrize("field", ["records", "casts"])
def test_what_can_be_no_kinds_of_record(field: str, what: str) -> None:
    with pytest.raises(TypeError, match="kind"):
        ThreadKind(**{field: NO_KINDS[what]})


def test_the_name_of_a_capacity_is_a_text() -> None:
    name: Any = ["gpu"]
    with pytest.raises(TypeError, match="name"):
        Capacity(name, 1)

"""The handlers that come with Holdfast answer, heed a cancellation, and say what they lack."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from actors import (
    DEFAULT_LIMITS,
    Handler,
    Item,
    Runtime,
    Settled,
    ThreadKind,
    TurnFailed,
    TurnState,
    open_runtime,
)
from actors.handlers import anthropic, echo, openai
from actors.handlers.blocking import BlockingTurn, blocking
from actors.journal.memory import MemoryJournal
from tests.contract.model_service import (
    FakeService,
    anthropic_events,
    careless,
    chunk,
    running,
)

if TYPE_CHECKING:
    from types import ModuleType

# Nothing here takes long; a test that hangs ends.
SECONDS = 10.0


@asynccontextmanager
async def answering(on_turn: Handler, **kind: Any) -> AsyncIterator[Runtime]:
    kind_ = ThreadKind(on_turn=on_turn, **kind)
    with trio.fail_after(SECONDS):
        async with open_runtime(MemoryJournal(), kind_of=lambda _: kind_) as runtime:
            yield runtime


async def settled(runtime: Runtime, turn: str) -> Settled:
    """Wait until a turn of thread t has ended."""
    while True:
        part = await runtime.registry.journal.settled("t", turn)
        if part is not None:
            return part
        await trio.sleep(0.005)


async def ask(runtime: Runtime, text: str) -> Settled:
    receipt = await runtime.thread("t").submit(text)
    return await settled(runtime, receipt.turn)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what worker threads and journals do, which no event of trio's tells."""
    while True:
        if condition():
            return
        await trio.sleep(0.005)


def texts(part: Settled, kind: str = "answer") -> list[str]:
    return [item.body["text"] for item in part.items if item.kind == kind]


def marker(part: Settled) -> Item:
    (item,) = (item for item in part.items if item.kind == "marker")
    return item


# The built-in one.


async def test_the_built_in_handler_answers_with_the_persons_words(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with answering(echo.reply) as runtime:
        first = await ask(runtime, "Good morning,  all")
        assert texts(first) == ["You said: Good morning,  all"]
        again = await ask(runtime, "And now?")
        assert texts(again) == [
            "You said: And now?\n\n(That was your message number 2 in this thread.)"
        ]


async def test_it_counts_thinks_and_fails_when_asked(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with answering(echo.reply) as runtime:
        assert texts(await ask(runtime, "Count to 5")) == ["1, 2, 3, 4, 5."]
        thought = await ask(runtime, "think about rain")
        assert texts(thought, "reasoning") == ["Somebody wants me to think about rain"]
        assert texts(thought) == ["I have thought about it: rain"]
        failed = await ask(runtime, "fail")
        assert failed.state is TurnState.FAILED
        assert marker(failed).body["message"] == "You asked me to fail, and so I did."


@given(st.text(min_size=1), st.integers(1, 5))
def test_the_pieces_of_an_answer_are_the_answer(text: str, number: int) -> None:
    try:
        pieces = list(echo.answer_to(text, number))
    except TurnFailed:
        return
    said = "".join(piece.text for piece in pieces if not piece.thought)
    assert all(piece.text and piece.pause > 0 for piece in pieces)
    if said.startswith("You said: "):
        assert said.startswith(f"You said: {text.strip()}".rstrip())


def test_a_count_has_an_end() -> None:
    pieces = list(echo.answer_to("count to 999999", 1))
    assert len(pieces) == echo.COUNT_MOST + 1


# Blocking ones.


async def test_a_blocking_generator_answers_from_a_worker_thread() -> None:
    where: list[int] = []
    seen: list[BlockingTurn] = []

    @blocking
    def reply(turn: BlockingTurn) -> Iterator[str]:
        where.append(threading.get_ident())
        seen.append(turn)
        yield "from a "
        yield "worker thread"

    async with answering(reply) as runtime:
        part = await ask(runtime, "hello")
    assert texts(part) == ["from a worker thread"]
    assert where != [threading.get_ident()]
    assert (seen[0].thread, seen[0].text, seen[0].content) == ("t", "hello", "hello")
    assert seen[0].messages() == [{"role": "user", "content": "hello"}]


@pytest.mark.parametrize(
    "answer", ["one text", ["one ", "text"], iter(["one ", "text"]), ("one text",)]
)
async def test_what_a_blocking_function_may_return(answer: str | Iterable[str]) -> None:
    def reply(turn: BlockingTurn) -> str | Iterable[str]:
        return answer

    async with answering(blocking(reply)) as runtime:
        assert texts(await ask(runtime, "hello")) == ["one text"]


async def test_a_large_piece_is_handed_over_in_several() -> None:
    text = "é" * DEFAULT_LIMITS.piece_bytes

    def reply(turn: BlockingTurn) -> str:
        return text

    async with answering(blocking(reply)) as runtime:
        assert texts(await ask(runtime, "hello")) == [text]


async def test_what_a_blocking_handler_raises_fails_its_turn() -> None:
    def reply(turn: BlockingTurn) -> Iterator[str]:
        yield "so far"
        raise TurnFailed("no_more", "That is all I know.")

    async with answering(blocking(reply)) as runtime:
        part = await ask(runtime, "hello")
    assert part.state is TurnState.FAILED
    assert texts(part) == ["so far"]
    assert marker(part).body["message"] == "That is all I know."


async def test_a_cancelled_blocking_generator_is_closed_at_its_next_piece() -> None:
    began, went_on, closed = threading.Event(), threading.Event(), threading.Event()

    def reply(turn: BlockingTurn) -> Iterator[str]:
        try:
            yield "one"
            began.set()
            went_on.wait(SECONDS)
            yield "two"
            yield "three"
        finally:
            closed.set()

    async with answering(blocking(reply)) as runtime:
        thread = runtime.thread("t")
        turn = (await thread.submit("hello")).turn
        await until(began.is_set)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(thread.cancel, turn))
            await trio.testing.wait_all_tasks_blocked(0.01)
            went_on.set()
        part = await settled(runtime, turn)
    assert closed.is_set()
    assert part.state is TurnState.CANCELLED
    assert texts(part) == ["one"]


async def test_a_worker_thread_that_hangs_is_abandoned_and_the_thread_goes_on() -> None:
    began, released = threading.Event(), threading.Event()

    def reply(turn: BlockingTurn) -> Iterator[str]:
        yield "one"
        if turn.text == "hang":
            began.set()
            released.wait(SECONDS)
        yield "two"

    async with answering(blocking(reply), cancel_grace=0.1) as runtime:
        thread = runtime.thread("t")
        turn = (await thread.submit("hang")).turn
        await until(began.is_set)
        outcome = await thread.cancel(turn)
        assert outcome.outcome == "abandoned"
        assert runtime.statistics().abandoned == (("t", turn),)
        assert texts(await ask(runtime, "hello")) == ["onetwo"]
        released.set()
        await until(lambda: not runtime.statistics().abandoned)


async def test_a_blocking_handler_runs_no_more_turns_at_a_time_than_it_has_workers() -> None:
    running, most = 0, 0
    lock = threading.Lock()

    def reply(turn: BlockingTurn) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1
        return "done"

    async with answering(blocking(reply, workers=2)) as runtime:
        async with trio.open_nursery() as nursery:
            for number in range(8):
                nursery.start_soon(runtime.thread(f"t{number}").submit, "hello")
        await until(lambda: runtime.registry.journal.statistics().rows >= 8 * 5)
    assert most == 2


def test_an_asynchronous_handler_is_no_blocking_one() -> None:
    with pytest.raises(TypeError, match="is asynchronous"):
        blocking(echo.reply)  # type: ignore[arg-type] - what the test is about


# Model services.


@pytest.mark.parametrize("module", [openai, anthropic])
async def test_a_service_that_is_not_set_up_says_so_and_no_more(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in module.SERVICE.settings:
        monkeypatch.delenv(name, raising=False)
    assert module.SERVICE.missing() is not None
    async with answering(module.reply) as runtime:
        part = await ask(runtime, "hello")
    assert part.state is TurnState.FAILED
    assert (
        marker(part).body["message"]
        == "this server's model is not set up; its operator can see why"
    )


@pytest.fixture
def openai_set_up(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    pytest.importorskip("openai", reason="the openai extra is not installed")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("HOLDFAST_MODEL", "m")
    return monkeypatch


@careless
async def test_openai_streams_an_answer(openai_set_up: pytest.MonkeyPatch) -> None:
    events = [chunk(role="assistant"), chunk(reasoning_content="hm"), chunk(content="Good ")]
    service = FakeService([*events, chunk(content="morning"), (None, "[DONE]")])
    async with running(service) as url:
        openai_set_up.setenv("OPENAI_BASE_URL", f"{url}/v1")
        async with answering(openai.reply) as runtime:
            part = await ask(runtime, "hello")
            assert texts(part) == ["Good morning"]
            assert texts(part, "reasoning") == ["hm"]
            await ask(runtime, "again")
    assert [request["model"] for request in service.asked] == ["m", "m"]
    assert service.asked[1]["messages"] == [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "Good morning"},
        {"role": "user", "content": "again"},
    ]


@careless
async def test_a_cancelled_turn_closes_openais_stream(openai_set_up: pytest.MonkeyPatch) -> None:
    service = FakeService([chunk(content="Good ")], hang=True)
    async with running(service) as url:
        openai_set_up.setenv("OPENAI_BASE_URL", f"{url}/v1")
        async with answering(openai.reply) as runtime:
            thread = runtime.thread("t")
            turn = (await thread.submit("hello")).turn
            await until(lambda: runtime.registry.journal.statistics().rows >= 4)
            await thread.cancel(turn)
            await service.left.wait()
            assert texts(await settled(runtime, turn)) == ["Good "]


@careless
async def test_anthropic_streams_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("anthropic", reason="the anthropic extra is not installed")
    service = FakeService(anthropic_events("Good ", "morning"))
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    monkeypatch.setenv("HOLDFAST_MODEL", "m")
    async with running(service) as url:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
        async with answering(anthropic.reply) as runtime:
            assert texts(await ask(runtime, "hello")) == ["Good morning"]
    assert service.asked[0]["messages"] == [{"role": "user", "content": "hello"}]

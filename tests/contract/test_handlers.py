"""The ready-made handlers pass the contract that any handler has to, and wrong ones do not."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest
import trio
import trio.testing

from actors import Handler, ThreadKind, Turn, TurnFailed
from actors.handlers import anthropic, echo, openai
from actors.handlers.blocking import BlockingTurn, blocking
from actors.testing.handler_contract import CHECKS, Check, cancelling, ending, name_of
from tests.contract.model_service import (
    FakeService,
    anthropic_events,
    careless,
    chunk,
    running,
)

every_check = pytest.mark.parametrize("check", CHECKS, ids=name_of)


def put_through(check: Check, on_turn: Handler, *, retry: bool = False) -> None:
    kind = ThreadKind(on_turn=on_turn, retry=retry)
    trio.run(check, kind, clock=trio.testing.MockClock(autojump_threshold=0))


async def with_a_tool(turn: Turn) -> None:
    """Call a tool that takes its time, and tidy up behind it."""
    call = await turn.tool_call("look", {})
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 1.0)
    finally:
        with trio.move_on_after(1.0, shield=True):
            await trio.sleep(0.5)
    await turn.tool_result(call, "seen")
    await turn.write("I have seen it.")


async def in_pieces(turn: Turn) -> AsyncIterator[str]:
    for piece in ("a", "b"):
        await trio.sleep(1.0)
        yield piece


@blocking
def in_a_worker_thread(turn: BlockingTurn) -> Iterator[str]:
    yield "from a "
    yield "worker thread"


@every_check
@pytest.mark.parametrize("retry", [False, True])
@pytest.mark.parametrize("handler", [echo.reply, with_a_tool, in_pieces])
def test_handler_on_virtual_time(check: Check, handler: Handler, retry: bool) -> None:
    put_through(check, handler, retry=retry)


@every_check
async def test_blocking_handler(check: Check) -> None:
    await check(ThreadKind(on_turn=in_a_worker_thread, retry=True))


@every_check
def test_service_that_is_not_set_up(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOLDFAST_MODEL", raising=False)
    put_through(check, openai.reply)


@careless
@every_check
async def test_openai(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openai", reason="the openai extra is not installed")
    service = FakeService([chunk(content="Good "), chunk(content="morning"), (None, "[DONE]")])
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("HOLDFAST_MODEL", "m")
    async with running(service) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/v1")
        await check(ThreadKind(on_turn=openai.reply, retry=True))


@careless
@every_check
async def test_anthropic(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("anthropic", reason="the anthropic extra is not installed")
    service = FakeService(anthropic_events("Good ", "morning"))
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    monkeypatch.setenv("HOLDFAST_MODEL", "m")
    async with running(service) as url:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
        await check(ThreadKind(on_turn=anthropic.reply, retry=True))


# Wrong ones.


async def tool_in_a_task_of_its_own(turn: Turn) -> None:
    async def tool() -> None:
        await trio.sleep(1.0)
        await turn.write("found")

    trio.lowlevel.spawn_system_task(tool)
    await trio.sleep(2.0)


async def swallows(turn: Turn) -> None:
    try:
        await trio.sleep(1.0)
    except trio.Cancelled:
        return


async def swallows_at_its_handle(turn: Turn) -> None:
    await trio.sleep(1.0)
    with suppress(BaseException):
        await turn.write("a")


async def deaf(turn: Turn) -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep(60)


async def believes_in_text(turn: Turn) -> None:
    await turn.write(turn.content.upper())  # type: ignore[union-attr] - what is wrong with it


async def believes_in_history(turn: Turn) -> None:
    for message in turn.messages():
        await turn.write(message["content"].strip())


async def never_ends(turn: Turn) -> None:
    await trio.sleep_forever()


async def gives_up_when_run_again(turn: Turn) -> None:
    if turn.attempt > 1:
        raise TurnFailed("again", "this was tried before")


async def leaves_a_thread(turn: Turn) -> None:
    released = threading.Event()
    threading.Thread(target=released.wait, args=(0.2,)).start()


class OneAtATime:
    """A handler that keeps what is a turn's own in itself."""

    busy = False

    async def __call__(self, turn: Turn) -> None:
        assert not self.busy, "one at a time"
        self.busy = True
        await trio.sleep(1.0)
        self.busy = False


@pytest.mark.parametrize(
    ("handler", "check", "told"),
    [
        (tool_in_a_task_of_its_own, cancelling.stops_while_it_waits, "left tasks behind: .*tool"),
        (swallows, cancelling.stops_while_it_waits, "never came out"),
        (swallows_at_its_handle, cancelling.stops_at_any_call, "never came out"),
        (deaf, cancelling.stops_at_any_call, "did not stop in its grace"),
        (believes_in_text, ending.takes_any_content, "AttributeError"),
        (believes_in_history, ending.takes_any_history, "it raised"),
        (never_ends, ending.comes_to_an_end, "timed_out, by itself"),
        (gives_up_when_run_again, ending.can_be_run_again, "is failed, and was completed"),
        (leaves_a_thread, ending.comes_to_an_end, "left worker threads behind"),
        (OneAtATime(), ending.runs_beside_itself, "one at a time"),
        (OneAtATime(), cancelling.answers_after_a_cancel, "one at a time"),
    ],
)
def test_wrong_handler_is_told_what_is_wrong(handler: Handler, check: Check, told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        put_through(check, handler, retry=True)

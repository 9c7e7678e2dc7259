"""A kind that could not work is refused where it is made, in words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial, wraps
from types import coroutine
from typing import TYPE_CHECKING, Any

import pytest
from runtime_world import FakeJournal

from actors import Projection, Rejected, ThreadKind, Turn, open_runtime

if TYPE_CHECKING:
    from trio.testing import MockClock


async def reply(turn: Turn) -> None:
    await turn.write("x")


async def pieces(turn: Turn) -> AsyncIterator[str]:
    yield "x"


def sync(turn: Turn) -> None:
    raise NotImplementedError


def sync_pieces(turn: Turn) -> Iterator[str]:
    yield "x"


def says_nothing(turn):  # type: ignore[no-untyped-def]  # as many are written
    return reply(turn)


def hands_on(turn: Turn) -> Awaitable[None]:
    return reply(turn)


@wraps(reply)
def wrapper(turn: Turn) -> Any:
    return reply(turn)


@coroutine
def old_style(turn: Turn) -> Iterator[Any]:
    yield from reply(turn).__await__()


async def two(text: str, turn: Turn) -> None:
    await turn.write(text)


def sync_two(text: str, turn: Turn) -> None:
    raise NotImplementedError


class Object:
    async def __call__(self, turn: Turn) -> None:
        await reply(turn)

    async def method(self, turn: Turn) -> None:
        await reply(turn)


class SyncObject:
    def __call__(self, turn: Turn) -> str:
        raise NotImplementedError

    def method(self, turn: Turn) -> Iterator[str]:
        yield "x"


GOOD: list[Callable[..., Any]] = [
    *(reply, pieces, says_nothing, hands_on, wrapper, old_style, partial(two, "x")),
    *(Object(), Object().method, lambda turn: reply(turn), partial(partial(two), "x")),
]


@pytest.mark.parametrize("what", ["on_turn", "on_finalise", "service"])
@pytest.mark.parametrize("handler", GOOD)
def test_whatever_may_return_something_to_await_is_a_handler(
    what: str, handler: Callable[..., Any]
) -> None:
    ThreadKind(**{what: handler})  # type: ignore[arg-type]  # any of them takes it


@pytest.mark.parametrize("what", ["on_turn", "on_finalise", "service"])
@pytest.mark.parametrize(
    ("handler", "came"),
    [
        (5, "not 5"),
        ("reply", "not 'reply'"),
        (sync, "sync is none"),
        (sync_pieces, "sync_pieces is none"),
        (partial(sync_two, "x"), "sync_two is none"),
        (SyncObject(), "SyncObject is none"),
        (SyncObject().method, "method is none"),
    ],
)
def test_what_is_sure_to_be_no_handler_is_refused(what: str, handler: Any, came: str) -> None:
    with pytest.raises(TypeError, match=f"{what} takes an async function.*{came}"):
        ThreadKind(**{what: handler})


def test_a_kind_has_a_handler_or_is_made_without_one() -> None:
    with pytest.raises(TypeError, match="on_turn takes an async function, not None"):
        ThreadKind(on_turn=None)  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"lifetime": 5}, "lifetime takes Passivate or EndAfter, not 5"),
        ({"lifetime": None}, "lifetime takes Passivate or EndAfter, not None"),
        ({"capacity": 5}, "capacity takes Capacity, not 5"),
        ({"projections": {"a": 5}}, "projections: 'a' takes a Projection, not 5"),
        ({"projections": {5: Projection(0, max)}}, "projections: 5 takes"),
        ({"projections": [5]}, "projections takes names"),
    ],
)
def test_a_policy_of_another_sort_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        ThreadKind(on_turn=reply, **fields)


def test_a_fold_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="fold"):
        Projection(0, 5)  # type: ignore[arg-type]  # that is the point


async def test_the_short_form_is_held_to_the_same() -> None:
    with pytest.raises(TypeError, match="sync is none"):
        async with open_runtime("never-made.db", on_turn=sync):  # type: ignore[arg-type]  # as above
            pass


@pytest.mark.parametrize(
    ("fields", "sort", "words"),
    [
        ({}, TypeError, "either on_turn or kind_of, not neither"),
        ({"on_turn": reply, "kind_of": ThreadKind}, TypeError, "on_turn or kind_of, not both"),
        ({"kind_of": ThreadKind(on_turn=reply)}, TypeError, "kind_of takes a function"),
        ({"on_turn": reply, "durability": "ful"}, ValueError, "full or relaxed, not 'ful'"),
        ({"on_turn": reply, "journal": 5}, TypeError, "a path, a journal or a function .* not 5"),
    ],
)
async def test_what_no_runtime_can_be_opened_with_is_refused(
    fields: dict[str, Any], sort: type[Exception], words: str
) -> None:
    with pytest.raises(sort, match=words):
        async with open_runtime(**{"journal": "never-made.db", **fields}):
            pass


async def test_a_thread_without_a_kind_is_told_by_name(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """What `kind_of` returns is the application's, and nothing of ours goes wrong with it first."""
    nothing: Any = lambda thread: None  # noqa: E731 - one line says it
    async with open_runtime(FakeJournal(), kind_of=nothing) as runtime:
        with pytest.raises(Rejected):
            await runtime.thread("t").submit("hello")
    assert "kind_of has to return a ThreadKind; of 't' it returned None" in caplog.text

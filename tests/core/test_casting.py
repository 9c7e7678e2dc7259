"""The inbox and the windows, without any task."""

from __future__ import annotations

from collections import deque

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from actors.core.casting import Cast, CastQueue, Overflow, Waiting, checked_cast
from actors.core.windowing import Collector
from actors.errors import Rejected
from actors.limits import Limits


@frozen
class Typing:
    by: str


OPERATIONS = st.lists(st.one_of(st.integers(0, 12), st.just(None)), max_size=40)


@given(OPERATIONS, st.sampled_from(Overflow), st.integers(1, 5))
def test_a_queue_keeps_its_order_and_its_bounds(
    operations: list[int | None], overflow: Overflow, count: int
) -> None:
    queue = CastQueue(count, 10, overflow)
    model: deque[Cast] = deque()
    dropped = 0
    for number, size in enumerate(operations):
        if size is None:
            assert queue.take() == (model.popleft() if model else None)
            continue
        cast = Cast("k", (number, size), "ann")
        held = sum(kept.data[1] for kept in model)
        fits = len(model) < count and held + size <= 10
        if size > 10 or (not fits and overflow is Overflow.REFUSE):
            with pytest.raises(Rejected):
                queue.put(Waiting(cast, size))
            continue
        taken = queue.put(Waiting(cast, size))
        assert taken is (fits or overflow is Overflow.DROP_OLDEST)
        while taken and not (len(model) < count and sum(k.data[1] for k in model) + size <= 10):
            model.popleft()
            dropped += 1
        if taken:
            model.append(cast)
        else:
            dropped += 1
        assert queue.dropped == dropped
        assert len(queue) == len(model) <= count
    assert [waiting.cast for waiting in queue.clear()] == list(model)
    assert len(queue) == 0
    assert queue.put(Waiting(Cast("k", None, "ann"), 10))


def test_a_cast_shares_nothing_with_who_made_it() -> None:
    words, sound = ["a"], bytearray(b"ab")
    first = checked_cast("k", words, "ann", Limits(command_bytes=100))
    second = checked_cast("k", sound, "ann", Limits(command_bytes=1))
    words.append("b")
    sound.append(0)
    assert (first.cast.data, first.size) == (["a"], 6)
    assert (second.cast.data, second.size) == (b"ab", 3)


@given(st.lists(st.integers()), st.integers(1, 7))
def test_windows_are_full_and_in_order_and_none_is_lost(things: list[int], size: int) -> None:
    collector = Collector[int](size)
    windows = [window for thing in things if (window := collector.add(thing)) is not None]
    assert all(len(window) == size for window in windows)
    assert len(collector) == len(things) % size
    assert [*(t for window in windows for t in window), *collector.flush()] == things


def test_a_window_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Collector[int](0)


def even(data: bytes) -> bytes:
    if len(data) % 2:
        raise ValueError(f"expected samples of 2 bytes, got {len(data)} bytes")
    return data + b"."


def test_a_cast_has_to_be_of_a_kind_that_the_thread_takes() -> None:
    def checked(kind: str, data: object) -> Waiting:
        return checked_cast(kind, data, "ann", Limits(), kinds={"pcm": even, "typing": Typing})

    assert checked("pcm", b"ab").cast.data == b"ab."
    assert checked("pcm", b"ab").size == 6
    assert checked("typing", {"by": "ann"}).cast.data == {"by": "ann"}
    for kind, data, words in (
        ("pcm", b"abc", "cast pcm: expected samples of 2 bytes, got 3 bytes"),
        ("pcm", 7, "this is not its data"),
        ("typing", {"by": 7}, "expected str"),
        ("typing", b"ann", "expected an object"),
        ("mp3", b"ab", "the kinds are: pcm, typing"),
    ):
        with pytest.raises(Rejected, match=words) as refusal:
            checked(kind, data)
        assert refusal.value.code == "bad_request"

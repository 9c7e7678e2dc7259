"""The stream below trio-websocket, between streams in memory."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from raw_peer import close, frame, text

from actors.limits import Limits
from transport.frame_stream import FrameStream
from transport.frames import FrameMeter, close_frame, text_frame

LIMITS = Limits(control_frames_per_second=10, slow_seconds=5)


def metered(raw: trio.abc.Stream) -> FrameStream:
    frames = FrameStream(raw, LIMITS, replay=b"handshake", meter=FrameMeter(100, 10))
    frames.open()
    return frames


async def received(frames: FrameStream, count: int) -> list[bytes]:
    return [await frames.receive_some() for _ in range(count)]


async def test_what_is_within_bounds_passes_and_nothing_after_it() -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    frames = metered(ours)
    await theirs.send_all(text("fine") + text("x" * 101) + text("late"))
    assert await received(frames, 2) == [b"handshake", text("fine")]
    assert frames.refusal == (1009, "message too big")
    await theirs.send_all(text("later"))
    with pytest.raises(trio.ClosedResourceError):
        await frames.receive_some()


async def test_nothing_is_sent_behind_a_close_frame() -> None:
    """Not even what was waiting already."""
    ours, theirs = trio.testing.lockstep_stream_pair()
    frames = metered(ours)

    async def late() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await frames.send_all(text_frame(b"late"))

    async with trio.open_nursery() as nursery:
        for data in (text_frame(b"first"), close_frame(1000)):
            nursery.start_soon(frames.send_all, data)
            await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(late)
        await trio.testing.wait_all_tasks_blocked()
        assert await theirs.receive_some() == text_frame(b"first")
        assert await theirs.receive_some() == close_frame(1000)


async def test_a_torn_send_is_the_last() -> None:
    ours, theirs = trio.testing.lockstep_stream_pair()
    frames = metered(ours)
    with trio.move_on_after(0.01):
        await frames.send_all(text_frame(b"torn"))
    with pytest.raises(trio.ClosedResourceError):
        await frames.send_all(text_frame(b"next"))
    assert frames.life.cancel_called
    await trio.aclose_forcefully(theirs)


async def test_control_frames_are_read_at_a_pace(autojump_clock: trio.testing.MockClock) -> None:
    """So many a second, and nothing waits while there are fewer."""
    ours, theirs = trio.testing.memory_stream_pair()
    frames = metered(ours)
    await frames.receive_some()
    times = []
    for _ in range(45):
        await theirs.send_all(frame(9))
        assert await frames.receive_some() == frame(9)
        times.append(round(trio.current_time()))
    assert times == [0] * 9 + [1] * 10 + [2] * 10 + [3] * 10 + [4] * 6
    await trio.sleep(100)
    before = trio.current_time()
    for data in [frame(10)] * 5 + [text("x")] * 100:
        await theirs.send_all(data)
        await frames.receive_some()
    assert trio.current_time() == before


async def test_closing_ends_a_read_and_leaves_the_last_word(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    frames = metered(ours)
    await frames.receive_some()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(expect_closed, frames)
        await trio.testing.wait_all_tasks_blocked()
        await frames.aclose()
    await theirs.send_all(close(1000))
    await frames.finish(1002)
    assert await theirs.receive_some() == close_frame(1002)
    # The peer has not hung up, and was not waited for any longer.
    assert trio.current_time() == pytest.approx(LIMITS.close_seconds)


async def expect_closed(frames: FrameStream) -> None:
    with pytest.raises(trio.ClosedResourceError):
        await frames.receive_some()

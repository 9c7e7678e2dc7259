"""What a socket takes at once, and that nothing is lost or said twice where it does not."""

from __future__ import annotations

import socket

import pytest
import trio
import trio.testing

from actors.limits import Limits
from transport.frame_stream import FrameStream
from transport.frames import SharedText, text_frame
from transport.streams import send_now


def socket_pair() -> tuple[trio.SocketStream, trio.SocketStream]:
    ours, theirs = socket.socketpair()
    return tuple(trio.SocketStream(trio.socket.from_stdlib_socket(s)) for s in (ours, theirs))


async def received(stream: trio.abc.ReceiveStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += await stream.receive_some()
    return data


async def test_a_socket_takes_what_it_has_room_for() -> None:
    ours, theirs = socket_pair()
    async with ours, theirs:
        assert send_now(ours, b"at once") == 7
        assert await received(theirs, 7) == b"at once"
        much = bytes(50_000_000)
        assert 0 < send_now(ours, much) < len(much)
        assert send_now(ours, b"no room is left") == 0


async def test_a_closed_socket_and_anything_else_take_nothing() -> None:
    ours, theirs = socket_pair()
    await theirs.aclose()
    assert send_now(ours, b"nobody is there") == 0
    await ours.aclose()
    assert send_now(ours, b"not even we") == 0
    stream, _ = trio.testing.memory_stream_pair()
    assert send_now(stream, b"no socket") == 0


async def test_a_frame_larger_than_the_room_arrives_whole_and_once() -> None:
    ours, theirs = socket_pair()
    frames = FrameStream(ours, Limits())
    data = bytes(range(256)) * 40_000
    async with ours, theirs, trio.open_nursery() as nursery:
        nursery.start_soon(frames.send_all, data)
        await trio.testing.wait_all_tasks_blocked()
        assert await received(theirs, len(data)) == data


async def test_what_is_left_of_a_frame_goes_before_the_next() -> None:
    ours, theirs = socket_pair()
    frames = FrameStream(ours, Limits())
    first, next_one = bytes(range(256)) * 40_000, text_frame(b"next")
    async with ours, theirs, trio.open_nursery() as nursery:
        assert not frames.send_now(first)
        nursery.start_soon(frames.send_all, next_one)
        whole = await received(theirs, len(first) + len(next_one))
        assert whole == first + next_one
        await frames.flush()
        assert frames.send_now(next_one)
        assert await received(theirs, len(next_one)) == next_one


async def test_a_frame_is_not_sent_into_the_midst_of_another() -> None:
    ours, theirs = socket_pair()
    frames = FrameStream(ours, Limits())
    first, next_one = bytes(range(256)) * 40_000, text_frame(b"next")
    async with ours, theirs, trio.open_nursery() as nursery:
        nursery.start_soon(frames.send_all, first)
        await trio.testing.wait_all_tasks_blocked()
        assert not frames.send_now(next_one)
        nursery.start_soon(frames.flush)
        assert await received(theirs, len(first) + len(next_one)) == first + next_one


async def test_who_is_gone_is_noticed_where_the_rest_is_sent() -> None:
    ours, theirs = socket_pair()
    frames = FrameStream(ours, Limits())
    await theirs.aclose()
    async with ours:
        with pytest.raises(trio.BrokenResourceError):
            await frames.send_all(b"nobody is there")
        with pytest.raises(trio.ClosedResourceError):
            await frames.send_all(b"and nobody comes")


async def test_a_cancelled_send_sends_nothing_and_is_the_last() -> None:
    ours, theirs = socket_pair()
    frames = FrameStream(ours, Limits())
    async with ours, theirs:
        with trio.CancelScope() as scope:
            scope.cancel()
            await frames.send_all(b"cancelled")
        assert scope.cancelled_caught
        with pytest.raises(trio.ClosedResourceError):
            await frames.send_all(b"later")
        await ours.send_eof()
        assert await theirs.receive_some() == b""


def test_a_shared_text_has_one_frame() -> None:
    shared = SharedText("grün".encode())
    assert shared.frame == text_frame("grün".encode())
    assert shared.frame is shared.frame

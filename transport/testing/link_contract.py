"""What every `Link` has to do, as checks that any pair of connected links can be put through::

    @pytest.mark.parametrize("check", CHECKS, ids=name_of)
    async def test_my_link(check):
        await check(my_pair)

`my_pair(limits)` is an async context manager that gives the server's and the client's end. The
checks wait for conditions, so a pair on real sockets needs a few seconds in all, and one on a
virtual clock none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Final, TypeAlias

import trio

from actors.limits import Limits
from actors.testing.naming import name_of

from ..link import ABNORMAL, NORMAL, TOO_BIG, Link, LinkClosed
from .link_at_once import AT_ONCE
from .link_waiting import expect_closed, until_blocked

__all__ = ["CHECKS", "Check", "Pair", "name_of"]

Pair: TypeAlias = Callable[[Limits], AbstractAsyncContextManager[tuple[Link, Link]]]
Check: TypeAlias = Callable[[Pair], Awaitable[None]]

_FRAME_BYTES: Final = 16 * 1024
_BLOCK: Final = b"x" * 16_000
_PATIENT: Final = Limits(frame_bytes=_FRAME_BYTES, close_seconds=2)
_HASTY: Final = Limits(
    frame_bytes=_FRAME_BYTES, close_seconds=0.2, slow_seconds=0.2, heartbeat_seconds=0.2
)
# What a bounded wait may take longer on a busy machine.
_SLACK_SECONDS: Final = 2.0


async def messages_keep_their_order(pair: Pair) -> None:
    """Both ways, of any length and alphabet, empty ones too."""
    messages = ["", "a", "é" * 100, "🙂", "x" * 125, "x" * 126, "y" * 9000, "\x00", "last"]
    async with pair(_PATIENT) as ends:
        for sender, receiver in (ends, ends[::-1]):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_send_all, sender, messages)
                assert [await receiver.receive() for _ in messages] == messages


async def bytes_and_str_are_the_same_text(pair: Pair) -> None:
    """`send_text` takes both, and the other side gets str."""
    async with pair(_PATIENT) as ends:
        for sender, receiver in (ends, ends[::-1]):
            await sender.send_text("grün")
            await sender.send_text("grün".encode())
            assert [await receiver.receive(), await receiver.receive()] == ["grün", "grün"]


async def bytes_arrive_as_bytes(pair: Pair) -> None:
    """From the client, between its texts, in their order."""
    async with pair(_PATIENT) as (server, client), trio.open_nursery() as nursery:
        nursery.start_soon(_send_text_bytes_text, client)
        assert [await server.receive() for _ in range(3)] == ["a", b"\xff\n\0" * 3000, "b"]


async def _send_text_bytes_text(link: Link) -> None:
    await link.send_text("a")
    await link.send_binary(b"\xff\n\0" * 3000)
    await link.send_text("b")


async def senders_do_not_mix(pair: Pair) -> None:
    """Messages of several tasks arrive whole, and those of one task in its order."""
    plans = {name: [name * size for size in range(1, 3000, 97)] for name in "abcde"}
    async with pair(_PATIENT) as ends:
        for sender, receiver in (ends, ends[::-1]):
            seen: dict[str, list[str]] = {name: [] for name in plans}
            async with trio.open_nursery() as nursery:
                for messages in plans.values():
                    nursery.start_soon(_send_all, sender, messages)
                for _ in range(sum(map(len, plans.values()))):
                    message = await receiver.receive()
                    assert isinstance(message, str)
                    seen[message[0]].append(message)
            assert seen == plans


async def a_cancelled_receive_loses_nothing(pair: Pair) -> None:
    """Whatever was not returned is returned by the next call."""
    messages = [str(number) for number in range(50)]
    async with pair(_PATIENT) as (server, client):
        seen: list[str | bytes] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_send_all, client, messages)
            with trio.fail_after(5):
                while len(seen) < len(messages):
                    for seconds in (0, 0.001):
                        with trio.move_on_after(seconds):
                            seen.append(await server.receive())
        assert seen == messages


async def a_close_has_a_reason(pair: Pair) -> None:
    """The text arrives with the code."""
    async with pair(_PATIENT) as (server, client), trio.open_nursery() as nursery:
        nursery.start_soon(server.aclose, 4001, "draining")
        reason = ""
        try:
            await client.receive()
        except LinkClosed as closed:
            reason = closed.reason
        assert reason == "draining"


async def a_close_code_arrives(pair: Pair) -> None:
    """Both sides know with which code the link ended; the one that closed, at once."""
    for first in (0, 1):
        async with pair(_PATIENT) as ends:
            closer, other = ends[first], ends[1 - first]
            async with trio.open_nursery() as nursery:
                nursery.start_soon(expect_closed, 4001, other.receive)
                nursery.start_soon(expect_closed, 4001, closer.receive)
                await until_blocked()
                await closer.aclose(4001, "draining")
            await expect_closed(4001, closer.receive)
            await expect_closed(4001, other.receive)
            await expect_closed(4001, closer.send_text, b"late")
            await expect_closed(4001, other.send_text, b"late")
            await expect_closed(4001, other.ping)


async def messages_before_a_close_arrive(pair: Pair) -> None:
    """A close overtakes nothing."""
    async with pair(_PATIENT) as (server, client), trio.open_nursery() as nursery:
        nursery.start_soon(_send_and_close, server, ["one", "two", "three"])
        assert [await client.receive() for _ in range(3)] == ["one", "two", "three"]
        await expect_closed(4003, client.receive)


async def closing_twice_is_closing_once(pair: Pair) -> None:
    """The first code counts, on both sides, and later calls change nothing."""
    async with pair(_PATIENT) as (server, client):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(expect_closed, 4002, client.receive)
            await server.aclose(4002)
        await server.aclose(4005)
        await client.aclose(NORMAL)
        await expect_closed(4002, server.receive)
        await expect_closed(4002, client.receive)


async def an_abort_is_abnormal(pair: Pair) -> None:
    """It ends everything at once: waiting calls on this side, and the other side's stream."""
    for first in (0, 1):
        async with pair(_PATIENT) as ends:
            aborter, other = ends[first], ends[1 - first]
            async with trio.open_nursery() as nursery:
                nursery.start_soon(expect_closed, ABNORMAL, aborter.receive)
                nursery.start_soon(expect_closed, ABNORMAL, other.receive)
                await until_blocked()
                aborter.abort()
            aborter.abort()
            await expect_closed(ABNORMAL, aborter.send_text, b"late")
            await expect_closed(ABNORMAL, other.send_text, b"late")
            await aborter.aclose()
            await expect_closed(ABNORMAL, aborter.receive)


async def a_cancelled_send_aborts(pair: Pair) -> None:
    """What arrives after it is whole messages and then nothing, never half of one."""
    async with pair(_PATIENT) as (server, client):
        with trio.move_on_after(0.1) as scope:
            await _send_all(server, [_BLOCK] * 10_000)
        assert scope.cancelled_caught
        await expect_closed(ABNORMAL, server.send_text, b"late")
        await expect_closed(ABNORMAL, _receive_only, client, _BLOCK.decode())


async def a_cancelled_send_aborts_although_it_had_to_wait(pair: Pair) -> None:
    """It makes no difference how far it got: whoever sends, knows that the link is gone."""
    for first in (0, 1):
        async with pair(_PATIENT) as ends:
            sender = ends[first]
            async with trio.open_nursery() as nursery:
                nursery.start_soon(expect_closed, ABNORMAL, _send_all, sender, [_BLOCK] * 10_000)
                with trio.move_on_after(0.2) as scope:
                    await _send_all(sender, [_BLOCK] * 10_000)
                assert scope.cancelled_caught
            await expect_closed(ABNORMAL, sender.receive)


async def a_send_without_a_taker_ends(pair: Pair) -> None:
    """After `slow_seconds` of a peer that takes nothing, the link is cut."""
    async with pair(_HASTY) as (server, _client):
        with trio.fail_after(_HASTY.slow_seconds + _SLACK_SECONDS):
            await expect_closed(ABNORMAL, _send_all, server, [_BLOCK] * 10_000)
        await expect_closed(ABNORMAL, server.receive)


async def a_close_without_a_taker_ends(pair: Pair) -> None:
    """After `close_seconds` the link is closed without the peer's consent."""
    limits = Limits(close_seconds=0.2)
    async with pair(limits) as (server, _client):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(expect_closed, 4003, _send_all, server, [_BLOCK] * 10_000)
            await trio.sleep(0.1)
            with trio.fail_after(limits.close_seconds + _SLACK_SECONDS):
                await server.aclose(4003)
        await expect_closed(4003, server.receive)


async def a_ping_is_answered(pair: Pair) -> None:
    """By a peer that receives, without its doing."""
    async with pair(_PATIENT) as ends:
        for asker, other in (ends, ends[::-1]):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_ignore_messages, other)
                for _ in range(3):
                    await asker.ping()
                nursery.cancel_scope.cancel()


async def a_ping_is_not_answered_for_ever(pair: Pair) -> None:
    """A peer that does not receive cannot answer, and the asker is told in time."""
    async with pair(_HASTY) as (server, client):
        await _send_all(server, [b"unread"] * 5)
        with trio.fail_after(_HASTY.heartbeat_seconds + _SLACK_SECONDS):
            try:
                await server.ping()
            except trio.TooSlowError:
                pass
            else:
                raise AssertionError("a peer that does not receive answered")
        # The link is whole: only the answer is missing.
        assert await client.receive() == "unread"
        await server.send_text(b"more")


async def a_ping_ends_with_the_link(pair: Pair) -> None:
    """It raises `LinkClosed`, within its bound, where the link went away under it."""
    async with pair(_HASTY) as (server, _client):
        await _send_all(server, [b"unread"] * 5)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(expect_closed, ABNORMAL, server.ping)
            await until_blocked()
            server.abort()


async def size_is_counted_in_bytes(pair: Pair) -> None:
    """A message of exactly `frame_bytes` passes; a byte more ends the link with 1009."""
    exact = "é" * (_FRAME_BYTES // 2)
    async with pair(_PATIENT) as (server, client), trio.open_nursery() as nursery:
        nursery.start_soon(_send_or_closed, client, exact)
        assert await server.receive() == exact
        nursery.start_soon(_send_or_closed, client, exact + "x")
        nursery.start_soon(expect_closed, TOO_BIG, client.receive)
        await expect_closed(TOO_BIG, server.receive)


async def a_peer_has_a_name(pair: Pair) -> None:
    """For logs; it stays when the link is gone."""
    async with pair(_PATIENT) as (server, client):
        name = server.peer
        server.abort()
        assert name
        assert server.peer == name
        assert client.peer


async def _send_all(link: Link, messages: list[str] | list[bytes]) -> None:
    for message in messages:
        await link.send_text(message)


async def _send_and_close(link: Link, messages: list[str]) -> None:
    await _send_all(link, messages)
    await link.aclose(4003)


async def _send_or_closed(link: Link, text: str) -> None:
    with suppress(LinkClosed):
        await link.send_text(text)


async def _receive_only(link: Link, expected: str) -> None:
    while True:
        assert await link.receive() == expected


async def _ignore_messages(link: Link) -> None:
    while True:
        await link.receive()


CHECKS: Final[tuple[Check, ...]] = (
    messages_keep_their_order,
    bytes_and_str_are_the_same_text,
    bytes_arrive_as_bytes,
    senders_do_not_mix,
    a_cancelled_receive_loses_nothing,
    a_close_code_arrives,
    a_close_has_a_reason,
    messages_before_a_close_arrive,
    closing_twice_is_closing_once,
    an_abort_is_abnormal,
    a_cancelled_send_aborts,
    a_cancelled_send_aborts_although_it_had_to_wait,
    a_send_without_a_taker_ends,
    a_close_without_a_taker_ends,
    a_ping_is_answered,
    a_ping_is_not_answered_for_ever,
    a_ping_ends_with_the_link,
    size_is_counted_in_bytes,
    a_peer_has_a_name,
    *AT_ONCE,
)

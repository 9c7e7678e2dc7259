"""Checks of what a server's end does without waiting: `SendsNow` and `HearsNow`.

An end that is neither passes them all.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from actors.limits import Limits

from ..link import ABNORMAL, HearsNow, Link, LinkClosed, SendsNow
from .link_waiting import expect_closed, until_blocked

if TYPE_CHECKING:
    from .link_contract import Check, Pair

PATIENT: Final = Limits(frame_bytes=16 * 1024, close_seconds=2)


async def what_does_not_go_at_once_is_flushed(pair: Pair) -> None:
    """Of a server's end that sends now: all arrives, in order, however full the way is."""
    messages = [f"{number} ".encode() * 1000 for number in range(2000)]
    async with pair(PATIENT) as (server, client):
        if not isinstance(server, SendsNow):
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_send_all_now, server, messages)
            for message in messages:
                assert await client.receive() == message.decode()


async def _send_all_now(link: SendsNow, messages: list[bytes]) -> None:
    for message in messages:
        if not link.send_text_now(message):
            await link.flush()
        await trio.lowlevel.checkpoint()


async def sending_now_to_nobody_is_noticed_where_it_is_flushed(pair: Pair) -> None:
    """`send_text_now` says no, and `flush` why."""
    async with pair(PATIENT) as (server, _client):
        if isinstance(server, SendsNow):
            server.abort()
            assert not server.send_text_now(b"late")
            await expect_closed(ABNORMAL, server.flush)


async def what_is_heard_keeps_its_place(pair: Pair) -> None:
    """Of a server's end that hears: each message is heard or received, once and in order."""
    messages = [f"{number} " * (1 + number % 300) for number in range(1000)]
    async with pair(PATIENT) as (server, client):
        if not isinstance(server, HearsNow):
            return
        seen: list[str] = []
        server.hear(lambda text: _hear_most(text, seen))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_send_slowly, client, messages)
            while len(seen) < len(messages):
                with trio.move_on_after(0.01):  # what was heard ends no call of `receive`
                    message = await server.receive()
                    seen.append(str(message))
        assert seen == messages


def _hear_all(seen: list[str], text: str) -> bool:
    seen.append(text)
    return True


def _hear_most(text: str, seen: list[str]) -> bool:
    takes = len(text) % 7 > 0
    if takes:
        seen.append(text)
    return takes


async def _send_slowly(link: Link, messages: list[str]) -> None:
    for number, message in enumerate(messages):
        await link.send_text(message)
        if number % 5:  # so that some come alone, and some do not
            await until_blocked()


async def nothing_is_heard_while_nobody_receives(pair: Pair) -> None:
    """Who listens is not to be told more than it asked for, nor after the end."""
    async with pair(PATIENT) as (server, client):
        if not isinstance(server, HearsNow):
            return
        heard: list[str] = []
        server.hear(partial(_hear_all, heard))
        await client.send_text("early")
        await trio.sleep(0.05)
        with trio.fail_after(3):
            assert await server.receive() == "early"
        server.abort()
        with suppress(LinkClosed):
            await client.send_text("late")
        await expect_closed(ABNORMAL, server.receive)
        assert heard == []


AT_ONCE: Final[tuple[Check, ...]] = (
    what_does_not_go_at_once_is_flushed,
    sending_now_to_nobody_is_noticed_where_it_is_flushed,
    what_is_heard_keeps_its_place,
    nothing_is_heard_while_nobody_receives,
)

"""The part of the client contract on connections: when to come back, and when to stay away."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import trio

from actors.errors import ClientClosed, OutcomeUnknown

from ..wire import client_messages as client
from ..wire import server_messages as wire
from ..wire.replies import DeleteReply
from .client_scene import HOUR, LIMITS, RECEIPT, Check, ConnectClient, scene
from .scripted_server import run_of


async def a_range_of_codes_says_come_back(connect: ConnectClient) -> None:
    """All but 4500 to 4999, with the cursor."""
    async with scene(connect, LIMITS) as play:
        reader, peer = await play.follow()
        for code in (4001, 4002, 4003, 4004, 4005, 4499, 1000):
            await peer.close(code)
            peer = await play.server.greet()
            attach = await peer.expect(client.Attach)
            assert attach.cursor == "1.1"
            await peer.resume(attach)
        await peer.say(run_of("t", [2]))
        await reader.until(lambda: reader.seen == [2])


async def a_range_of_codes_says_stay_away(connect: ConnectClient) -> None:
    """From 4500 to 4999 every caller is told, and the client never dials again."""
    for code in (4501, 4502, 4503, 4504, 4999):
        async with scene(connect, LIMITS) as play:
            reader, peer = await play.follow()
            asked = play.ask(play.client.submit, "t", "hello")
            await peer.expect(client.Submit)
            await peer.close(code)
            await asked.failure(OutcomeUnknown)
            await reader.until(lambda: reader.failure is not None)  # noqa: B023 - used at once
            assert isinstance(reader.failure, ClientClosed)
            assert reader.failure.code == code
            closed = await play.ask(play.client.submit, "t", "hello").failure(ClientClosed)
            assert closed.code == code
            await trio.sleep(HOUR)
            assert len(play.server.dialled) == 1


async def a_refused_handshake_may_be_final(connect: ConnectClient) -> None:
    """403 and 404 are; 429, 503, and no answer at all, are not."""
    async with scene(connect, LIMITS) as play:
        play.server.refusals += [None, 429, 503]
        asked = play.ask(play.client.submit, "t", "hello")
        peer = await play.server.greet()
        await peer.expect(client.Submit)
        play.server.refusals.append(403)
        peer.cut()
        await asked.failure(OutcomeUnknown)
        await play.ask(play.client.end, "t").failure(ClientClosed)
        await trio.sleep(HOUR)
        assert len(play.server.dialled) == 5


async def waits_grow_and_are_bounded(connect: ConnectClient) -> None:
    """From nought to 0.1 s at first, doubling to 20 s."""
    async with scene(connect, LIMITS) as play:
        peer = await play.server.greet()
        for _ in range(2):  # the second time after an hour of health, which begins them anew
            play.server.refusals += [None] * 20
            peer.cut()
            lost_at, dialled = trio.current_time(), len(play.server.dialled)
            peer = await play.server.greet()
            waits = [b - a for a, b in pairwise([lost_at, *play.server.dialled[dialled:]])]
            assert len(waits) == 21
            for number, wait in enumerate(waits):
                assert 0 <= wait <= min(0.1 * 2**number, 20) + 1e-6
            assert max(waits) > 1
            await trio.sleep(HOUR)


async def goaway_is_honoured(connect: ConnectClient) -> None:
    """What is under way finishes, what is new waits for the next connection, in due time."""
    async with scene(connect, LIMITS) as play:
        reader, peer = await play.follow()
        old = play.ask(play.client.submit, "t", "old")
        submit = await peer.expect(client.Submit)
        await peer.say(wire.Goaway(4.0))
        new = play.ask(play.client.submit, "t", "new")
        await peer.expect_nothing(1)
        await peer.reply(submit, RECEIPT)
        await old.result()
        await peer.say(run_of("t", [2]))
        await reader.until(lambda: reader.seen == [2])
        await peer.close(4001)
        closed_at = trio.current_time()
        peer = await play.server.greet()
        assert 2.0 <= trio.current_time() - closed_at <= 4.0
        attach = await peer.expect(client.Attach)
        await peer.resume(attach)
        submit = await peer.expect(client.Submit)
        assert submit.content == "new"
        await peer.reply(submit, RECEIPT)
        await new.result()


async def a_server_that_lingers_is_left(connect: ConnectClient) -> None:
    """After goaway the client goes by itself where the server does not close."""
    async with scene(connect, LIMITS) as play:
        peer = await play.server.greet()
        await peer.say(wire.Goaway(4.0))
        await peer.expect_end()
        await play.server.greet()
        longest = 4.0 + LIMITS.cancel_grace_seconds + 4.0
        assert play.server.dialled[1] - play.server.dialled[0] <= longest


async def draining_is_not_the_callers_business(connect: ConnectClient) -> None:
    """A command refused for it goes to the next connection, also one that is not safe to repeat."""
    async with scene(connect, LIMITS) as play:
        submit = play.ask(play.client.submit, "t", "hello")
        peer = await play.server.greet()
        refused = await peer.expect(client.Submit)
        delete = play.ask(play.client.delete, "t")
        await peer.refuse(await peer.expect(client.Delete), "draining", retryable=True)
        await peer.refuse(refused, "draining", retryable=True)
        await peer.close(4001)
        peer = await play.server.greet()
        await peer.reply(await peer.expect(client.Submit), RECEIPT)
        await peer.reply(await peer.expect(client.Delete), DeleteReply(existed=True))
        assert (await submit.result()).turn == "u1"
        assert await delete.result() is True


async def silence_is_noticed(connect: ConnectClient) -> None:
    """Within twice `heartbeat_seconds`, and never while something is heard."""
    async with scene(connect, LIMITS) as play:
        reader, peer = await play.follow()
        heartbeat = LIMITS.heartbeat_seconds
        await trio.sleep(10 * heartbeat)
        assert len(play.server.dialled) == 1
        peer.link.answers_pings = False
        for offset in range(2, 30):
            await trio.sleep(heartbeat / 2)
            await peer.say(run_of("t", [offset]))
        assert len(play.server.dialled) == 1
        since = trio.current_time()
        await peer.expect_end()
        assert heartbeat <= trio.current_time() - since <= 2 * heartbeat
        await play.server.greet()
        assert reader.seen[-1] == 29


async def a_welcome_is_not_awaited_for_ever(connect: ConnectClient) -> None:
    """After `handshake_seconds` the client tries another connection."""
    async with scene(connect, LIMITS) as play:
        asked = play.ask(play.client.submit, "t", "hello")
        peer = await play.server.accept()
        since = trio.current_time()
        await peer.expect(client.Submit)
        await peer.expect_end()
        assert trio.current_time() - since <= LIMITS.handshake_seconds
        peer = await play.server.greet()
        await peer.reply(await peer.expect(client.Submit), RECEIPT)
        await asked.result()


CHECKS: Final[tuple[Check, ...]] = (
    a_range_of_codes_says_come_back,
    a_range_of_codes_says_stay_away,
    a_refused_handshake_may_be_final,
    waits_grow_and_are_bounded,
    goaway_is_honoured,
    a_server_that_lingers_is_left,
    draining_is_not_the_callers_business,
    silence_is_noticed,
    a_welcome_is_not_awaited_for_ever,
)

"""The part of the client contract on commands: answered once, repeated only where that is safe."""

from __future__ import annotations

from typing import Final

import trio

from actors.errors import OutcomeUnknown, Rejected

from ..wire import client_messages as client
from ..wire.replies import CancelReply, DeleteReply, ForkReply, RecordReply
from .client_scene import HOUR, LIMITS, RECEIPT, Check, ConnectClient, scene


async def a_submit_is_answered(connect: ConnectClient) -> None:
    """The receipt is the server's."""
    async with scene(connect, LIMITS) as play:
        asked = play.ask(play.client.submit, "t", "hello", key="k")
        peer = await play.server.greet()
        submit = await peer.expect(client.Submit)
        assert (submit.thread, submit.content, submit.key) == ("t", "hello", "k")
        await peer.reply(submit, RECEIPT)
        receipt = await asked.result()
        assert (receipt.turn, receipt.cursor, receipt.duplicate) == ("u1", "1.2", False)


async def answers_come_in_any_order(connect: ConnectClient) -> None:
    """Each goes to the call that it answers."""
    async with scene(connect, LIMITS) as play:
        first = play.ask(play.client.submit, "t", "hello")
        peer = await play.server.greet()
        one = await peer.expect(client.Submit)
        second = play.ask(play.client.cancel, "t", "u1")
        two = await peer.expect(client.Cancel)
        await peer.reply(two, CancelReply("u1", "cancelled", "1.3"))
        assert (await second.result()).outcome == "cancelled"
        await peer.refuse(one, "queue_full", retryable=True)
        refusal = await first.failure(Rejected)
        assert (refusal.code, refusal.retryable) == ("queue_full", True)


async def an_unanswered_submit_is_sent_again(connect: ConnectClient) -> None:
    """Under one key, its own or a drawn one, as often as it takes."""
    for key in ("k", None):
        async with scene(connect, LIMITS) as play:
            asked = play.ask(play.client.submit, "t", "hello", key=key)
            keys = set()
            for _ in range(3):
                peer = await play.server.greet()
                keys.add((await peer.expect(client.Submit)).key)
                peer.cut()
            peer = await play.server.greet()
            submit = await peer.expect(client.Submit)
            await peer.reply(submit, RECEIPT)
            assert (await asked.result()).turn == "u1"
            assert len({*keys, submit.key}) == 1
            assert submit.key
            assert key in (None, submit.key)


async def an_unanswered_record_and_fork_are_sent_again(connect: ConnectClient) -> None:
    """Under one key each, its own or a drawn one: rule 8 is for them as for a submit."""
    for key in ("k", None):
        async with scene(connect, LIMITS) as play:
            noted = play.ask(play.client.record, "t", "vote", {"up": 1}, key=key)
            peer = await play.server.greet()
            first = await peer.expect(client.Record)
            assert (first.thread, first.kind, first.data) == ("t", "vote", {"up": 1})
            forked = play.ask(play.client.fork, "t", "u", "a.0", key=key)
            branch = await peer.expect(client.Fork)
            assert (branch.thread, branch.to, branch.after) == ("t", "u", "a.0")
            peer.cut()
            peer = await play.server.greet()
            again = await peer.expect(client.Record)
            assert again.key == first.key
            await peer.reply(again, RecordReply("1.2", duplicate=True))
            branch_again = await peer.expect(client.Fork)
            assert branch_again.key == branch.key
            await peer.reply(branch_again, ForkReply("1.9"))
            assert (await noted.result()).cursor == "1.2"
            assert (await forked.result()).cursor == "1.9"
            assert first.key
            assert (first.key == branch.key) == (key is not None)


async def a_read_and_a_cancel_of_a_turn_are_sent_again(connect: ConnectClient) -> None:
    """What changes nothing the second time is safe."""
    async with scene(connect, LIMITS) as play:
        asked = play.ask(play.client.cancel, "t", "u1")
        peer = await play.server.greet()
        await peer.expect(client.Cancel)
        peer.cut()
        peer = await play.server.greet()
        cancel = await peer.expect(client.Cancel)
        assert cancel.turn == "u1"
        await peer.reply(cancel, CancelReply("u1", "already_ended", "1.3"))
        assert (await asked.result()).outcome == "already_ended"


async def what_is_not_safe_is_sent_once(connect: ConnectClient) -> None:
    """Its caller is told that the outcome is unknown, and nothing of it goes out again."""
    async with scene(connect, LIMITS) as play:
        calls = (
            (client.Cancel, play.ask(play.client.cancel, "t")),
            (client.Truncate, play.ask(play.client.truncate, "t", None)),
            (client.End, play.ask(play.client.end, "t")),
            (client.Delete, play.ask(play.client.delete, "t")),
        )
        peer = await play.server.greet()
        for _ in calls:
            await peer.expect(client.Cancel, client.Truncate, client.End, client.Delete)
        peer.cut()
        for sort, asked in calls:
            unknown = await asked.failure(OutcomeUnknown)
            assert (unknown.command, unknown.thread) == (sort.__name__.lower(), "t")
        peer = await play.server.greet()
        await peer.expect_nothing(HOUR)


async def what_was_never_sent_waits(connect: ConnectClient) -> None:
    """A call made without a connection is sent on the next one, whatever it is."""
    async with scene(connect, LIMITS) as play:
        play.server.refusals += [None, 503, None]
        asked = play.ask(play.client.delete, "t")
        peer = await play.server.greet()
        delete = await peer.expect(client.Delete)
        await peer.reply(delete, DeleteReply(existed=True))
        assert await asked.result() is True


async def a_cancelled_call_is_not_sent_again(connect: ConnectClient) -> None:
    """Nor does its late answer trouble anybody."""
    async with scene(connect, LIMITS) as play:
        peer = await play.server.greet()
        with trio.move_on_after(1):
            await play.client.submit("t", "hello")
        submit = await peer.expect(client.Submit)
        await peer.reply(submit, RECEIPT)
        with trio.move_on_after(1):
            await play.client.submit("t", "again")
        await peer.expect(client.Submit)
        peer.cut()
        peer = await play.server.greet()
        await peer.expect_nothing(HOUR)


async def a_thread_is_attached_before_its_retries(connect: ConnectClient) -> None:
    """So that a deletion is noticed first (rule 7); other threads need not wait."""
    async with scene(connect, LIMITS) as play:
        reader, peer = await play.follow()
        asked = play.ask(play.client.submit, "t", "hello")
        other = play.ask(play.client.submit, "other", "hello")
        await peer.expect(client.Submit)
        await peer.expect(client.Submit)
        peer.cut()
        peer = await play.server.greet()
        attach = await peer.expect(client.Attach)
        elsewhere = await peer.expect(client.Submit)
        assert (attach.cursor, elsewhere.thread) == ("1.1", "other")
        await peer.expect_nothing(1)
        await peer.resume(attach)
        submit = await peer.expect(client.Submit)
        assert submit.thread == "t"
        await peer.reply(submit, RECEIPT)
        await peer.reply(elsewhere, RECEIPT)
        await asked.result()
        await other.result()
        assert not reader.failure


async def a_deleted_thread_is_not_brought_back(connect: ConnectClient) -> None:
    """A reset for a deletion fails what was unanswered, and shows the thread's next life."""
    async with scene(connect, LIMITS) as play:
        reader, peer = await play.follow()
        asked = play.ask(play.client.submit, "t", "hello")
        await peer.expect(client.Submit)
        peer.cut()
        peer = await play.server.greet()
        await peer.show(await peer.expect(client.Attach), "2.0", "reset", "deleted")
        assert (await asked.failure(Rejected)).code == "thread_deleted"
        await peer.expect_nothing(10)
        await reader.until(lambda: reader.snapshots == ["1.1", "2.0"])


async def a_ping_is_answered(connect: ConnectClient) -> None:
    """Also where the first one was lost."""
    async with scene(connect, LIMITS) as play:
        asked = play.ask(play.client.ping)
        peer = await play.server.greet()
        await peer.expect(client.Ping)
        peer.cut()
        peer = await play.server.greet()
        ping = await peer.expect(client.Ping)
        await peer.say(client.Pong("nobody's"), client.Pong(ping.id))
        await asked.result()


CHECKS: Final[tuple[Check, ...]] = (
    a_submit_is_answered,
    answers_come_in_any_order,
    an_unanswered_submit_is_sent_again,
    an_unanswered_record_and_fork_are_sent_again,
    a_read_and_a_cancel_of_a_turn_are_sent_again,
    what_is_not_safe_is_sent_once,
    what_was_never_sent_waits,
    a_cancelled_call_is_not_sent_again,
    a_thread_is_attached_before_its_retries,
    a_deleted_thread_is_not_brought_back,
    a_ping_is_answered,
)

"""The client as its users hold it, on the real sessions and runtime, with virtual time."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
from memory_server import LIMITS, PIECES, MemoryServer, client_of, play, run

from actors import (
    CancelOutcome,
    CaughtUp,
    Detached,
    Events,
    Limits,
    LocalProtocolError,
    Mode,
    Position,
    Rejected,
    Snapshot,
    Turn,
    TurnFailed,
)
from transport import Client, ConnectionState, connect
from transport.testing.scripted_server import ScriptedServer
from transport.wire.client_messages import Attach, Detach
from transport.wire.server_messages import Attached
from transport.wire.server_messages import Detached as WireDetached
from transport.wire.server_messages import Snapshot as WireSnapshot

# -- Turns -----------------------------------------------------------------------------------------


def test_ask_reads_the_answer() -> None:
    async def scene(server: MemoryServer, client: Client) -> None:
        async with client.ask("t", "hello", key="k") as answer:
            assert [piece async for piece in answer] == list(PIECES)
        async with client.ask("t", "hello", key="k") as again:
            assert again.receipt.duplicate
            assert again.turn == answer.turn
            assert [piece async for piece in again] == list(PIECES)

    play(scene)


def test_ask_says_how_it_went_wrong() -> None:
    async def fail(turn: Turn) -> None:
        await turn.write("so far")
        raise TurnFailed("model_overloaded", "try later")

    async def scene(server: MemoryServer, client: Client) -> None:
        async with client.ask("t", "hello") as answer:
            with pytest.raises(TurnFailed, match="model_overloaded: try later"):
                [piece async for piece in answer]

    play(scene, fail)


def test_leaving_an_answer_cancels_nothing() -> None:
    """H1: a turn is nobody's who watches it."""

    async def scene(server: MemoryServer, client: Client) -> None:
        async with client.ask("t", "hello") as answer:
            pass
        settled = await server.runtime.thread("t").outcome(answer.turn)
        assert settled.state == "completed"

    play(scene)


def test_a_turn_is_cancelled_from_another_client() -> None:
    """H4: and it is named."""

    async def scene(server: MemoryServer, client: Client) -> None:
        receipt = await client.submit("t", "hello")
        async with client_of(server, seed=1) as other:
            await trio.sleep(1.5)
            cancelled = await other.cancel("t", receipt.turn)
            assert (cancelled.turn, cancelled.outcome) == (receipt.turn, CancelOutcome.CANCELLED)
            page = await other.history("t")
        assert [item.body.get("text") for item in page.items if item.kind == "answer"] == ["one "]

    play(scene)


def test_what_a_client_can_ask_for() -> None:
    async def scene(server: MemoryServer, client: Client) -> None:
        first = await client.submit("t", "hello", key="k", metadata={"a": 1}, attachments=[1])
        await server.runtime.thread("t").outcome(first.turn)
        again = await client.submit("t", "hello", key="k", metadata={"a": 1}, attachments=[1])
        assert (again.turn, again.cursor, again.duplicate) == (first.turn, first.cursor, True)
        page = await client.history("t", limit=1)
        assert [item.kind for item in page.items] == ["answer"]
        assert page.before is not None
        assert [i.kind for i in (await client.history("t", page.before)).items] == ["message"]
        listed = await client.threads()
        assert [(line.thread, line.state) for line in listed.threads] == [("t", "idle")]
        assert (await client.truncate("t", None)).cursor > first.cursor
        assert not (await client.history("t")).items
        edited = await client.submit("t", "hello again", after=None)
        cancelled = await client.cancel("t", edited.turn, rollback=True)
        assert cancelled.outcome == CancelOutcome.CANCELLED
        assert (await client.cancel("t")).outcome == CancelOutcome.NOTHING_RUNNING
        await client.ping()
        assert [await client.end("t"), await client.end("t")] == [True, False]
        assert [await client.delete("t"), await client.delete("t")] == [True, False]

    play(scene)


def test_refusals_come_as_the_server_says_them() -> None:
    async def scene(server: MemoryServer, client: Client) -> None:
        running = await client.submit("t", "hello")
        with pytest.raises(Rejected) as busy:
            await client.submit("t", "and another")
        assert (busy.value.code, busy.value.retryable) == ("turn_in_progress", True)
        assert busy.value.details == {"turn": running.turn}
        for code, call in (
            ("bad_request", client.submit("t", "  ")),
            ("thread_not_found", client.cancel("absent")),
            ("turn_not_found", client.cancel("t", "absent")),
            ("thread_not_found", client.history("absent")),
            ("bad_request", client.threads("no page gave this")),
            ("too_large", client.submit("t", "x" * LIMITS.command_bytes)),
            ("bad_request", client.record("t", "", {})),
            ("turn_in_progress", client.fork("t", "u", None)),
            ("bad_request", client.fork("t", "t", None)),
            ("thread_not_found", client.fork("absent", "u", None)),
        ):
            with pytest.raises(Rejected) as refused:
                await call
            assert refused.value.code == code
        assert server.dialled == 1

    play(scene)


def test_arguments_are_checked_before_anything_is_sent() -> None:
    async def scene(server: MemoryServer, client: Client) -> None:
        for call in (
            partial(client.submit, "no/thread", "hello"),
            partial(client.submit, "t", 5),  # type: ignore[arg-type] # that is the point
            partial(client.submit, "t", "hello", key="k" * 129),
            partial(client.submit, "t", "hello", on_busy="wait"),
            partial(client.history, "t", limit=0),
        ):
            with pytest.raises(ValueError, match="expected"):
                await call()
        with pytest.raises(TypeError):
            await client.submit("t", "hello", metadata={"a": object()})
        with pytest.raises(ValueError, match="window"):
            async with client.attach("t", window=0):
                pass
        assert (await client.submit("t", "hello")).turn

    play(scene)


def test_a_cancelled_call_leaves_the_client_as_it_was() -> None:
    async def scene(server: MemoryServer, client: Client) -> None:
        await client.opened()
        server.up = False
        server.links[-1].abort()
        for _ in range(LIMITS.unanswered_commands + 1):
            with trio.move_on_after(0.001):
                await client.submit("t", "hello")
        server.up = True
        assert not (await client.submit("t", "hello")).duplicate
        async with server.runtime.thread("t").attach() as subscription:
            snapshot = await subscription.pull()
        assert isinstance(snapshot, Snapshot)
        assert snapshot.turn is not None
        assert not snapshot.queue

    play(scene)


def test_unanswered_calls_are_bounded() -> None:
    limits = Limits(unanswered_commands=3)

    async def scene(server: MemoryServer, client: Client) -> None:
        await client.opened()
        async with trio.open_nursery() as nursery:
            server.links[-1].abort()
            for _ in range(3):
                nursery.start_soon(client.threads)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(Rejected, match="overloaded"):
                await client.submit("t", "hello")
        assert (await client.submit("t", "hello")).turn

    play(scene, limits=limits)


# -- Reading ---------------------------------------------------------------------------------------


def test_a_reader_gets_what_an_embedded_one_gets() -> None:
    async def scene(server: MemoryServer, client: Client) -> None:
        remote: list[object] = []
        embedded: list[object] = []

        async def read(attached: object, into: list[object]) -> None:
            async with attached as subscription:  # type: ignore[attr-defined] # either's
                async for batch in subscription:
                    assert batch.cursor == batch.position.cursor()
                    into += batch.entries if isinstance(batch, Events) else [batch]

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, client.attach("t"), remote)
            nursery.start_soon(read, server.runtime.thread("t").attach(), embedded)
            await trio.testing.wait_all_tasks_blocked()
            await client.submit("t", "hello")
            await trio.sleep(10)
            await client.end("t")
        assert remote == embedded
        assert isinstance(remote[0], Snapshot)
        assert isinstance(remote[1], CaughtUp)
        assert isinstance(remote[-1], Detached)
        assert remote[-1].reason == "ended"

    play(scene)


def test_a_loop_may_be_left_and_taken_up_again() -> None:
    async def scene(server: MemoryServer, client: Client) -> None:
        async with client.attach("t") as subscription:
            await client.submit("t", "hello")
            await trio.sleep(10)
            seen: list[int] = []
            for _ in range(20):
                with trio.move_on_after(0.1):
                    async for batch in subscription:
                        if isinstance(batch, Events):
                            seen += [entry.offset for entry in batch.entries]
                        assert subscription.cursor == batch.cursor
                        break
            assert seen == list(range(1, len(seen) + 1))
            assert seen
        assert [batch async for batch in subscription] == []

    play(scene)


def test_what_was_left_is_not_read() -> None:
    async def scene(server: MemoryServer, client: Client) -> None:
        async with client.attach("t") as subscription:
            await client.submit("t", "hello")
            await trio.sleep(10)
        assert [batch async for batch in subscription] == []
        assert subscription.cursor is None

    play(scene)


def test_a_stream_may_end_before_it_began() -> None:
    async def scene() -> None:
        server = ScriptedServer()
        async with (
            connect(open_link=server.open_link) as client,
            client.attach("t") as subscription,
        ):
            peer = await server.greet()
            attach = await peer.expect(Attach)
            await peer.say(
                Attached(attach.id, "t", "1.1", "snapshot"), WireDetached("t", "1.1", "ended")
            )
            (detached,) = [batch async for batch in subscription]
        assert isinstance(detached, Detached)
        assert (detached.reason, detached.position) == ("ended", Position(0, 0))

    run(scene)


@pytest.mark.parametrize("cursor", ["nonsense", "7.1", "1.900"])
def test_a_cursor_that_is_no_good_gets_a_reset(cursor: str) -> None:
    async def scene(server: MemoryServer, client: Client) -> None:
        async with client.attach("t", cursor) as subscription:
            snapshot = await anext(subscription)
        assert isinstance(snapshot, Snapshot)
        assert snapshot.mode is Mode.RESET
        assert snapshot.reason in ("unreadable", "epoch", "ahead")

    play(scene)


def test_a_thread_has_one_reader_of_a_client() -> None:
    async def scene(server: MemoryServer, client: Client) -> None:
        async with client.attach("t") as subscription:
            with pytest.raises(LocalProtocolError, match="followed already"):
                async with client.attach("t"):
                    pass
            with pytest.raises(LocalProtocolError, match="followed already"):
                async with client.ask("t", "hello"):
                    pass
            await anext(subscription)
        with pytest.raises(Rejected, match="thread_not_found"):
            await client.history("t")
        async with client.attach("t") as subscription:
            assert isinstance(await anext(subscription), Snapshot)

    play(scene)


def test_readers_are_bounded() -> None:
    async def scene(server: MemoryServer, client: Client) -> None:
        async with client.attach("a"), client.attach("b"):
            with pytest.raises(LocalProtocolError, match="2 threads"):
                async with client.attach("c"):
                    pass

    play(scene, limits=Limits(attachments=2))


def test_a_snapshot_in_mid_stream_is_no_reset() -> None:
    async def scene() -> None:
        server = ScriptedServer()
        async with (
            connect(open_link=server.open_link) as client,
            client.attach("t", "9.9") as subscription,
        ):
            peer = await server.greet()
            await peer.show(await peer.expect(Attach), "1.1", "reset", "epoch")
            await peer.say(WireSnapshot("t", "1.5", (), None, None, (), {}))
            shown: list[Any] = [await anext(subscription), await anext(subscription)]
        assert [(batch.cursor, batch.mode, batch.reason) for batch in shown] == [
            ("1.1", Mode.RESET, "epoch"),
            ("1.5", Mode.SNAPSHOT, None),
        ]

    run(scene)


def test_a_cursor_of_a_later_version_fails_its_reader_alone() -> None:
    async def scene() -> None:
        server = ScriptedServer()
        async with connect(open_link=server.open_link) as client:
            async with client.attach("t") as subscription:
                peer = await server.greet()
                attach = await peer.expect(Attach)
                await peer.say(
                    Attached(attach.id, "t", "v2:7", "snapshot"),
                    WireSnapshot("t", "v2:7", (), None, None, (), {}),
                )
                with pytest.raises(Exception, match="cannot read"):
                    await anext(subscription)
            async with client.attach("u") as subscription:
                assert (await peer.expect(Detach, Attach)).thread in "tu"
            assert client.connection.state is ConnectionState.OPEN

    run(scene)

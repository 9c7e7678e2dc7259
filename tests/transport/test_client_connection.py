"""The client's connection as its users see it: told, lost, left; with virtual time."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from memory_server import PIECES, MemoryServer, client_of, memory_server, paced, play, run

from transport import Client, ClientClosed, ConnectionState, ConnectionStatus, LinkClosed, connect
from transport.testing.scripted_server import ScriptedServer
from transport.wire.client_messages import Hello, Submit

if TYPE_CHECKING:
    from transport.link import Link


def test_leaving_says_goodbye() -> None:
    async def scene() -> None:
        server = ScriptedServer()
        async with connect(open_link=server.open_link) as client:
            peer = await server.greet()
            await client.opened()
        with pytest.raises(LinkClosed) as closed:
            await peer.link.receive()
        assert closed.value.code == 1000

    run(scene)


def test_what_becomes_of_the_connection_is_told() -> None:
    async def scene(server: MemoryServer, client: Client) -> None:
        told: list[ConnectionStatus] = []
        client.on_connection(told.append)
        assert told == [client.connection]
        await client.opened()
        server.up = False
        server.links[-1].abort()
        await trio.sleep(0.2)
        server.up = True
        await client.opened()
        await client.ping()
        assert [status.state for status in told[:2]] == ["connecting", "open"]
        lost = told[2:]
        assert [status.state for status in lost] == [
            *["reconnecting", "connecting"] * (len(lost) // 2),
            "open",
        ]
        attempts = [status.attempt for status in lost[:-1]]
        assert attempts == sorted([*range(1, len(lost) // 2 + 1)] * 2)
        assert lost[0].reason == "the connection broke"
        assert lost[2].reason == "nobody listens here"
        assert all(status.delay >= 0 for status in lost)
        assert client.connection == ConnectionStatus(ConnectionState.OPEN, lost[-2].attempt)

    play(scene)


def test_a_left_client_is_closed() -> None:
    async def opened() -> None:
        told: list[ConnectionStatus] = []
        async with memory_server(paced(PIECES)) as server:
            async with client_of(server) as client:
                client.on_connection(told.append)
                async with client.attach("t") as subscription:
                    await anext(subscription)
            assert told[-1] == ConnectionStatus(
                ConnectionState.CLOSED, reason="the client was left"
            )
            assert [status.state for status in told] == ["connecting", "open", "closed"]
            for call in (client.ping, client.opened, client.threads):
                with pytest.raises(ClientClosed, match="left"):
                    await call()
            with pytest.raises(ClientClosed):
                async with client.attach("t"):
                    pass
            await trio.testing.wait_all_tasks_blocked()
            assert not server.sessions

    run(opened)


def test_leaving_does_not_wait_for_a_connection() -> None:
    async def never(nursery: trio.Nursery) -> Link:
        await trio.sleep_forever()
        raise AssertionError

    async def opened() -> None:
        async with connect(open_link=never):
            await trio.sleep(1)
        assert trio.current_time() == began + 1
        async with memory_server(paced(PIECES)) as server:
            server.up = False
            async with client_of(server):
                await trio.sleep(100)
            assert server.dialled > 5
        assert trio.current_time() == began + 101

    async def timed() -> None:
        nonlocal began
        began = trio.current_time()
        await opened()

    began = 0.0
    run(timed)


@pytest.mark.parametrize(
    "exception", [ValueError("mine"), KeyboardInterrupt(), ExceptionGroup("own", [KeyError(1)])]
)
@pytest.mark.parametrize("up", [True, False])
def test_what_the_body_raises_comes_out_as_it_is(exception: BaseException, up: bool) -> None:
    async def opened() -> None:
        async with memory_server(paced(PIECES)) as server:
            server.up = up

            async def body() -> None:
                async with client_of(server):
                    await trio.sleep(1)
                    raise exception

            with pytest.raises(type(exception)) as raised:
                await body()
            assert raised.value is exception

    run(opened)


def test_cancelling_the_body_is_an_ordinary_cancellation() -> None:
    async def opened() -> None:
        async with memory_server(paced(PIECES)) as server:
            with trio.move_on_after(5) as scope:
                async with client_of(server) as client, client.attach("t") as subscription:
                    async for _ in subscription:
                        pass
            assert scope.cancelled_caught
            with trio.move_on_after(5) as scope:
                async with client_of(server) as client:
                    try:
                        await trio.sleep_forever()
                    finally:
                        raise ValueError("while being cancelled")

    with pytest.raises(ValueError, match="while being"):
        run(opened)


def test_a_callback_that_fails_ends_the_client() -> None:
    class Mine(Exception):
        pass

    def fail(status: ConnectionStatus) -> None:
        if status.state is ConnectionState.OPEN:
            raise Mine

    async def opened() -> None:
        async with memory_server(paced(PIECES)) as server:

            async def body() -> None:
                async with client_of(server) as client:
                    client.on_connection(fail)
                    await trio.sleep_forever()

            with pytest.raises(Mine):
                await body()

    run(opened)


def test_credentials_are_said_first_on_every_connection() -> None:
    async def scene() -> None:
        server = ScriptedServer()
        async with connect(open_link=server.open_link, token="secret") as client:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.submit, "t", "hello")
                for _ in range(2):
                    peer = await server.greet()
                    assert (await peer.expect(Hello)).token == "secret"
                    await peer.expect(Submit)
                    peer.cut()
                nursery.cancel_scope.cancel()
            peer = await server.accept()
            await peer.expect(Hello)
            await peer.close(4501)
            with pytest.raises(ClientClosed) as closed:
                await client.opened()
            assert closed.value.code == 4501
            assert client.connection.state is ConnectionState.CLOSED

    run(scene)


def test_two_seeds_draw_different_keys() -> None:
    async def scene(server: MemoryServer, client: Client) -> None:
        async with connect(open_link=server.open_link, rng=random.Random(1)) as other:
            first = await client.submit("t", "hello", on_busy="queue")
            second = await other.submit("t", "hello", on_busy="queue")
            third = await client.submit("t", "hello", on_busy="queue")
        assert len({first.turn, second.turn, third.turn}) == 3

    play(scene)

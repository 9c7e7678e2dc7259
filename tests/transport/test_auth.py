"""Whose connection it is: hello, expiry, renewal, and threads that are not the caller's (I19)."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import orjson
import pytest
import trio
from attrs import define, field
from memory_server import LIMITS, PIECES, MemoryServer, memory_server, paced, run

from actors import CaughtUp, Events, Rejected, Snapshot
from transport import Client, ClientClosed, ConnectionState, Identity, connect
from transport.auth import Auth

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable


@define
class Office:
    """Knows tokens, and whose thread is whose: ada owns what begins with `a`, and so on."""

    expires_in: float = 1e6
    revoked: set[str] = field(factory=set)
    hellos: list[str] = field(factory=list)

    async def authenticate(self, token: str) -> Identity | None:
        await trio.sleep(0.5)
        self.hellos.append(token)
        name, _, good = token.partition(":")
        return Identity(name, expires_in=self.expires_in) if good == "good" else None

    def authorise(self, principal: str, thread: str) -> bool:
        return thread[0] == principal[0] and thread not in self.revoked


@asynccontextmanager
async def client_of(
    server: MemoryServer, token: str | Callable[[], str] | None
) -> AsyncGenerator[Client, None]:
    async with connect(
        open_link=server.open_link, limits=LIMITS, rng=random.Random(str(token)), token=token
    ) as client:
        yield client


def play(
    scene: Callable[[MemoryServer, Office], Awaitable[None]], office: Office | None = None
) -> None:
    office = office or Office()

    async def opened() -> None:
        async with memory_server(paced(PIECES), limits=LIMITS) as server:
            server.auth = Auth(office.authenticate, office.authorise)
            await scene(server, office)

    run(opened)


def test_bad_credentials_close_for_good() -> None:
    async def scene(server: MemoryServer, office: Office) -> None:
        async with client_of(server, "ada:bad") as client:
            with pytest.raises(ClientClosed) as closed:
                await client.opened()
            assert closed.value.code == 4501

    play(scene)


def test_without_credentials_everything_is_refused() -> None:
    async def scene(server: MemoryServer, office: Office) -> None:
        async with client_of(server, None) as client:
            with pytest.raises(Rejected, match="unauthenticated"):
                await client.submit("a", "hello")
            await trio.sleep(3 * LIMITS.handshake_seconds)
            assert server.dialled > 2

    play(scene)


def test_the_author_is_who_said_hello() -> None:
    async def scene(server: MemoryServer, office: Office) -> None:
        async with client_of(server, "ada:good") as client:
            await client.submit("a", "hello")
            page = await client.history("a")
            async with client.attach("a") as subscription:
                async for batch in subscription:
                    if isinstance(batch, Snapshot):
                        assert batch.turn is not None
                        assert batch.turn.items[0].body["author"] == "ada"
                        break
            assert page.items == ()

    play(scene)


def test_what_is_not_yours_looks_like_what_is_not_there() -> None:
    async def scene(server: MemoryServer, office: Office) -> None:
        async with client_of(server, "ada:good") as ada, client_of(server, "bob:good") as bob:
            await ada.submit("a-there", "hello")
            found = []
            for thread in ("a-there", "a-absent"):
                for call in (
                    lambda t: bob.submit(t, "mine"),
                    bob.cancel,
                    bob.history,
                    lambda t: bob.truncate(t, None),
                    bob.end,
                    bob.delete,
                    lambda t: bob.fork(t, "b", None),
                    lambda t: bob.fork("b", t, None),
                    lambda t: bob.record(t, "kind", 1),
                ):
                    with pytest.raises(Rejected) as refused:
                        await call(thread)
                    found.append((refused.value.code, refused.value.message))
                async with bob.attach(thread) as subscription:
                    with pytest.raises(Rejected) as refused:
                        await anext(subscription)
                found.append((refused.value.code, refused.value.message))
            assert len(set(found)) == 1
            assert found[0][0] == "forbidden"
            assert [page.thread for page in (await ada.threads()).threads] == ["a-there"]
            assert (await bob.threads()).threads == ()

    play(scene)


def test_a_thread_taken_away_is_shown_no_further() -> None:
    async def scene(server: MemoryServer, office: Office) -> None:
        async with client_of(server, "ada:good") as client:
            async with client.attach("a") as subscription:
                await client.submit("a", "hello")
                async for batch in subscription:
                    if isinstance(batch, Events) and b'"one ' in batch.rows[-1].body:
                        break
                office.revoked.add("a")
                with pytest.raises(Rejected, match="forbidden"):
                    await anext(subscription)
            assert client.connection.state is ConnectionState.OPEN

    play(scene)


def test_what_waits_behind_a_slow_peer_is_not_shown_when_its_thread_is_taken_away() -> None:
    """A page and a listing were composed when they might be seen, and go out when not (I19)."""

    async def scene(server: MemoryServer, office: Office) -> None:
        async with client_of(server, "ada:good") as client:
            await client.submit("a", "hello")
            await client.submit("a-too", "hello")
        link = await server.open_link(server.nursery)
        await link.send_text('{"type":"hello","token":"ada:good"}')
        for number in range(20):  # more than the link has room for
            await link.send_text(f'{{"type":"ping","id":"{number}"}}')
        await link.send_text('{"type":"history","id":"page","thread":"a"}')
        await link.send_text('{"type":"threads","id":"list"}')
        await trio.sleep(5)
        office.revoked.add("a")
        answers = {}
        while not {"page", "list"} <= answers.keys():
            answer = orjson.loads(await link.receive())
            answers[answer.get("id")] = answer
        assert answers["page"]["code"] == "forbidden"
        assert [each["thread"] for each in answers["list"]["threads"]] == ["a-too"]

    play(scene)


def test_credentials_that_expire_are_said_anew() -> None:
    office = Office(expires_in=10)

    async def scene(server: MemoryServer, office: Office) -> None:
        async with client_of(server, lambda: "ada:good") as client:
            await client.opened()
            await trio.sleep(30)
            assert await client.end("a") is False
            assert server.dialled > 2

    play(scene, office)


def test_renewed_credentials_keep_the_connection() -> None:
    office = Office(expires_in=10)

    async def scene(server: MemoryServer, office: Office) -> None:
        async with client_of(server, lambda: "ada:good") as client:
            await client.opened()
            for _ in range(5):
                await trio.sleep(6)
                client.renew()
            await trio.sleep(1)
            assert server.dialled == 1
            assert len(office.hellos) == 6

    play(scene, office)


def test_another_principal_cannot_take_the_connection_over() -> None:
    async def scene(server: MemoryServer, office: Office) -> None:
        tokens = ["bob:good", "ada:good"]
        async with client_of(server, lambda: tokens.pop()) as client:
            await client.opened()
            client.renew()
            await trio.sleep(2)
            with pytest.raises(ClientClosed) as closed:
                await client.opened()
            assert closed.value.code == 4501

    play(scene)


def test_a_hello_without_an_office_is_welcome() -> None:
    async def scene() -> None:
        async with (
            memory_server(paced(PIECES)) as server,
            client_of(server, "x") as client,
            client.attach("a") as subscription,
        ):
            async for batch in subscription:
                if isinstance(batch, CaughtUp):
                    break

    run(scene)


@pytest.mark.parametrize("nobody", ["", b"ada", 5, None, "\ud800"])
def test_an_identity_of_nobody_is_none(nobody: str) -> None:
    """What it says gets into histories, and must not make them unreadable (I16)."""
    with pytest.raises(ValueError, match="a principal is a text that is not empty, not"):
        Identity(nobody)

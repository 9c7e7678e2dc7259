"""Whose streams are shown to whom, and for how long (I19)."""

from __future__ import annotations

import trio
import trio.testing
from event_source import StreamServer, play, status_of

from transport import Identity
from transport.auth import Auth


class Office:
    """Knows tokens, and whose thread is whose: ada owns what begins with `a`."""

    def __init__(self, expires_in: float = 1e6) -> None:
        self.expires_in = expires_in
        self.revoked: set[str] = set()

    async def authenticate(self, token: str) -> Identity | None:
        await trio.sleep(0.1)
        name, _, good = token.partition(":")
        good_now = good == "good" and token not in self.revoked
        return Identity(name, expires_in=self.expires_in) if good_now else None

    def authorise(self, principal: str, thread: str) -> bool:
        return thread[0] == principal[0] and thread not in self.revoked

    @property
    def auth(self) -> Auth:
        return Auth(self.authenticate, self.authorise)


ADA = {"cookie": "holdfast_token=ada:good"}


def test_a_stream_is_for_whom_its_thread_is_and_others_cannot_tell_it_is_there() -> None:
    """I19."""

    async def scene(server: StreamServer) -> None:
        await server.said("theirs", "b")
        server.auth = Office().auth
        assert await status_of(server, "a") == 401
        assert await status_of(server, "a", headers={"cookie": "holdfast_token=ada:bad"}) == 401
        assert await status_of(server, "b", headers=ADA) == 403
        assert await status_of(server, "bx", headers=ADA) == 403
        async with server.following("a", headers=ADA) as source:
            await source.until_type("caught_up")
        bearer = {"authorization": "Bearer ada:good"}
        async with server.following("a", headers=bearer) as source:
            await source.until_type("caught_up")

    play(scene)


def test_a_thread_that_is_taken_away_is_shown_no_further_and_not_again() -> None:
    """I19."""

    async def scene(server: StreamServer) -> None:
        office = Office()
        server.auth = office.auth
        async with trio.open_nursery() as nursery:
            source = server.source("a", headers=ADA)
            nursery.start_soon(source.run)
            await source.until_type("caught_up")
            receipt = await server.runtime.thread("a").submit("hello")
            await source.until_type("turn.started")
            office.revoked.add("a")
            await server.runtime.thread("a").outcome(receipt.turn)
            await source.closed.wait()
        assert source.types[-2:] == ["turn.started", "detached"]
        assert source.bodies[-1]["reason"] == "failed"
        assert source.heard[-1].id == source.heard[-2].id
        assert (source.status, source.ended) == (403, 1)

    play(scene)


def test_a_stream_ends_with_its_credentials_and_they_are_asked_for_again() -> None:
    async def scene(server: StreamServer) -> None:
        office = Office(expires_in=60)
        server.auth = office.auth
        async with trio.open_nursery() as nursery:
            source = server.source("a", headers=ADA)
            nursery.start_soon(source.run)
            await source.until_type("caught_up")
            await trio.sleep(70)
            assert (source.ended, len(source.asked), source.status) == (1, 2, 200)
            office.revoked.add("ada:good")
            await server.runtime.thread("a").submit("hello")
            await source.closed.wait()
        assert (source.ended, source.status) == (2, 401)

    play(scene)


def test_nothing_is_sent_behind_the_end_of_the_credentials() -> None:
    async def scene(server: StreamServer) -> None:
        office = Office(expires_in=2.5)
        server.auth = office.auth
        source = server.source("a", headers=ADA)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(source.run)
            await source.until_type("caught_up")
            office.revoked.add("ada:good")
            await server.runtime.thread("a").submit("hello")
            await source.closed.wait()
        assert (source.ended, source.status) == (1, 401)
        assert source.bodies[-1]["text"] == "two "  # said at two seconds; the next at three

    play(scene)

"""Casts and services through the client, the sessions and the runtime, on virtual time."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import trio
import trio.testing
from attrs import define, evolve, field
from memory_server import LIMITS, MemoryServer, memory_server, play

from actors import (
    Cast,
    CaughtUp,
    Detached,
    Events,
    Recorded,
    Rejected,
    Service,
    ThreadKind,
    Windows,
)
from transport import Client, ClientClosed, connect


@define
class Ear:
    """A service that keeps what it hears, and records each tenth of it."""

    heard: list[Cast] = field(factory=list)
    over: int = 0

    async def __call__(self, service: Service) -> None:
        windows = Windows(service.inbox, size=10)
        try:
            async for window in windows:
                self.heard += window
                with windows.dropping():
                    await service.record("window", len(window))
        finally:
            self.over += 1


def test_chunks_reach_the_service_in_order_and_its_records_come_back() -> None:
    ear = Ear()

    async def scene(server: MemoryServer, client: Client) -> None:
        await client.record("t", "created", None)
        recorded: list[Any] = []
        async with client.attach("t") as subscription:
            for number in range(19):
                assert client.cast("t", "audio", bytes([number]))
            assert client.cast("t", "typing", {"n": 19})
            async for batch in subscription:
                if isinstance(batch, Events):
                    recorded += [e.event for e in batch.entries if isinstance(e.event, Recorded)]
                if sum(event.kind == "window" for event in recorded) == 2:
                    break
        assert [cast.data for cast in ear.heard] == [*(bytes([n]) for n in range(19)), {"n": 19}]
        assert {cast.author for cast in ear.heard} == {"local"}

    play(scene, ThreadKind(service=ear))


def test_a_connection_that_goes_leaves_the_service_running() -> None:
    ear = Ear()

    async def scene(server: MemoryServer, client: Client) -> None:
        await client.record("t", "created", None)
        for number in range(5):
            client.cast("t", "audio", bytes([number]))
        await client.ping()
        server.links[-1].abort()
        await client.record("t", "still there", None)
        for number in range(5, 10):
            client.cast("t", "audio", bytes([number]))
        await client.ping()
        await trio.testing.wait_all_tasks_blocked()
        assert [cast.data for cast in ear.heard] == [bytes([n]) for n in range(10)]
        assert ear.over == 0

    play(scene, ThreadKind(service=ear))


def test_end_detaches_after_the_service_is_gone() -> None:
    ear = Ear()

    async def scene(server: MemoryServer, client: Client) -> None:
        await client.record("t", "created", None)
        async with client.attach("t") as subscription:
            assert await client.end("t")
            assert ear.over == 1
            assert [b async for b in subscription if isinstance(b, Detached)][-1].reason == "ended"
        assert not await client.end("t")

    play(scene, ThreadKind(service=ear))


def test_casts_that_nobody_takes_are_told_once_a_second(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "holdfast.client")

    async def scene(server: MemoryServer, client: Client) -> None:
        await client.opened()
        for _ in range(3):
            for _ in range(50):
                client.cast("absent", "audio", b"x")
            await client.ping()
            await trio.sleep(1)
        told = [record.getMessage() for record in caplog.records]
        assert len(told) == 3
        assert all("thread_not_found" in each for each in told)
        assert (await client.threads()).threads == ()

    play(scene, ThreadKind(service=Ear()))


def test_a_cast_without_a_connection_is_dropped() -> None:
    async def scene() -> None:
        async with memory_server(ThreadKind(service=Ear())) as server:
            server.up = False
            async with connect(open_link=server.open_link, limits=LIMITS) as client:
                assert not client.cast("t", "audio", b"x")
            with pytest.raises(ClientClosed):
                client.cast("t", "audio", b"x")

    trio.run(scene, clock=trio.testing.MockClock(autojump_threshold=0))


def test_a_cast_that_is_too_large_is_refused_before_it_is_sent() -> None:
    ear = Ear()

    async def scene(server: MemoryServer, client: Client) -> None:
        await client.opened()
        for data in ("x" * 70_000, b"x" * 2_000_000):
            with pytest.raises(Rejected, match="too_large"):
                client.cast("t", "audio", data)
        with pytest.raises(TypeError):
            client.cast("t", "audio", object())
        with pytest.raises(ValueError, match="thread"):
            client.cast("/", "audio", b"")

    play(scene, ThreadKind(service=ear))


def test_a_full_inbox_is_told_where_the_kind_refuses(caplog: pytest.LogCaptureFixture) -> None:
    async def busy(service: Service) -> None:
        await trio.sleep_forever()

    async def scene(server: MemoryServer, client: Client) -> None:
        await client.record("t", "created", None)
        for _ in range(3):
            client.cast("t", "audio", b"x")
        await client.ping()
        assert ["overloaded" in record.getMessage() for record in caplog.records] == [True]

    kind = ThreadKind(service=busy, overflow="refuse")
    play(scene, kind, evolve(LIMITS, inbox_casts=2))


def chunk(data: bytes) -> bytes:
    if len(data) != 4:
        raise ValueError(f"expected 4 bytes, got {len(data)}")
    return data


def test_a_cast_that_does_not_fit_its_kind_is_told_and_the_thread_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ear = Ear()

    async def scene(server: MemoryServer, client: Client) -> None:
        await client.record("t", "created", None)
        for kind, data in (("audio", b"odd"), ("video", b"even")):
            client.cast("t", kind, data)
            await client.ping()
            await trio.sleep(1)
        for number in range(10):
            client.cast("t", "audio", bytes([number] * 4))
        await client.ping()
        await trio.testing.wait_all_tasks_blocked()
        assert [cast.data[0] for cast in ear.heard] == list(range(10))
        told = [record.getMessage() for record in caplog.records]
        assert [("bad_request" in each, "expected 4" in each) for each in told] == [
            (True, True),
            (True, False),
        ]
        with pytest.raises(Rejected, match="bad_request"):
            server.runtime.thread("t").cast("audio", b"odd")

    play(scene, ThreadKind(service=ear, casts={"audio": chunk}))


def test_what_holds_for_an_attachment_goes_with_it() -> None:
    async def scene(server: MemoryServer, client: Client) -> None:
        await client.record("t", "created", None)
        async with client.attach("t") as subscription:
            async for batch in subscription:
                if isinstance(batch, CaughtUp):
                    break
            subscription.local["speaker 1"] = "ann"
            await client.ping()
            assert subscription.local == {"speaker 1": "ann"}
            server.links[-1].abort()
            async for batch in subscription:
                if isinstance(batch, CaughtUp):
                    break
            assert subscription.local == {}
            subscription.local["speaker 1"] = "bob"
        assert subscription.local == {}

    play(scene, ThreadKind(service=Ear()))

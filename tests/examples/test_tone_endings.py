"""How a session of the tone program ends, line by line of the contract that it stands for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING

import audio
import pytest
import tone
import trio
import trio.testing

from actors import CaughtUp, Detached, Inbox, Rejected, open_runtime
from tests.examples.stage import shown
from tests.examples.tone_stage import LOUD, Calls, Lender, T, begin, look, modes, play, say, tones
from tests.transport.memory_server import MemoryServer, client_of
from transport import Client, connect, serve

if TYPE_CHECKING:
    from pathlib import Path


def test_an_end_leaves_nothing_before_it_is_answered() -> None:
    """L10, L11, B11: no task, no buffer, no sidecar, no open stream; the second one is told so."""
    lender, stopped = Lender(), []

    async def call(url: str, pcm: bytes) -> bytes:
        try:
            await trio.sleep_forever()
        finally:
            stopped.append(url)

    async def scene(server: MemoryServer, client: Client) -> None:
        await begin(client)
        await say(client, *[LOUD] * 25)
        async with client.attach(T) as subscription:
            assert await client.end(T)
            assert (stopped, lender.back) == (lender.lent, lender.lent)
            statistics = server.runtime.statistics()
            assert (statistics.active, statistics.leases) == (0, 0)
            assert [b.reason async for b in subscription if isinstance(b, Detached)] == ["ended"]
        assert not await client.end(T)
        await begin(client)  # it begins anew, with nothing that was cast before
        await trio.sleep(5)
        assert len(stopped) == 1

    play(scene, tone.session(lender.lease(), call=call))


def test_the_idle_clock_starts_when_the_last_one_leaves() -> None:
    """L12, L13: others who stay or come stop it; 90 s to the instant is not more than 90 s."""

    async def scene(server: MemoryServer, client: Client) -> None:
        lives = server.runtime.statistics
        await begin(client)
        async with client_of(server, 1) as other, trio.open_nursery() as nursery:
            nursery.start_soon(look, client, 10)
            await look(other, 50)
            left = trio.current_time()
            assert left == pytest.approx(50, abs=1)
            await trio.sleep_until(left + 89.9)
            await look(other, 50)  # a new one clears it
            left = trio.current_time()
            await trio.sleep_until(left + 90)
            assert lives().active == 1
            await trio.sleep(0.1)
            assert lives().active == 0
        assert not await client.end(T)

    play(scene, tone.session())


def test_a_session_that_nobody_attached_to_is_not_reaped() -> None:
    """L13: an hour later it is still there."""

    async def scene(server: MemoryServer, client: Client) -> None:
        await begin(client)
        await trio.sleep(3600)
        assert server.runtime.statistics().active == 1
        await say(client, LOUD)
        assert tones(await shown(client, T)) == ["lively"]

    play(scene, tone.session())


async def ends(inbox: Inbox) -> AsyncIterator[tone.Found]:
    await inbox.receive()
    yield "transcript", {"text": "goodbye"}


async def crashes(inbox: Inbox) -> AsyncIterator[tone.Found]:
    await inbox.receive()
    raise ValueError("the classifier is broken")
    yield


@pytest.mark.parametrize("classifier", [ends, crashes])
def test_a_classifier_that_is_over_ends_the_session(classifier: tone.Classifier) -> None:
    """L14, B11: its lease is back, its place is free, and its stream is closed."""
    lender = Lender(address="")  # as good as none, so the classifier works beside the lease

    async def scene(server: MemoryServer, client: Client) -> None:
        await begin(client)
        with pytest.raises(Rejected, match="overloaded"):
            await begin(client, "second")
        async with client.attach(T) as subscription:
            client.cast(T, audio.KIND, LOUD)
            assert [b.reason async for b in subscription if isinstance(b, Detached)] == ["ended"]
        assert server.runtime.statistics().active == 0
        assert lender.back == lender.lent
        await begin(client, "second")

    play(scene, tone.session(lender.lease(), classifier=classifier, most=1))


def test_above_the_cap_a_session_is_refused_as_busy() -> None:
    """L15: those that are there go on, and a place that is given back is a place."""

    async def scene(server: MemoryServer, client: Client) -> None:
        for number in range(3):
            await begin(client, f"s{number}")
        for _ in range(2):
            with pytest.raises(Rejected, match="all 3 places") as refusal:
                await begin(client, "s3")
            assert (refusal.value.code, refusal.value.retryable) == ("overloaded", True)
        await say(client, LOUD, thread="s0")
        assert tones(await shown(client, "s0")) == ["lively"]
        await client.end("s1")
        await begin(client, "s3")

    play(scene, tone.session(most=3))


@pytest.mark.parametrize("after", [0.0, 10.0, 29.999, 30.0])
def test_an_end_during_an_allocation_leaves_nothing_behind(after: float) -> None:
    """L16, B18: whenever it comes, the session stays ended and what comes late is given back."""
    lender = Lender(seconds=30.0)

    async def scene(server: MemoryServer, client: Client) -> None:
        await begin(client)
        await trio.sleep(after)
        assert await client.end(T)
        await trio.sleep(100)
        assert lender.back == lender.lent
        statistics = server.runtime.statistics()
        assert (statistics.active, statistics.leases) == (0, 0)
        assert await modes(client) in ([], ["in process"])  # at the very deadline it goes without
        assert not await client.end(T)

    play(scene, tone.session(lender.lease(), call=Calls()))


async def test_a_session_that_was_left_is_reaped_on_a_real_clock(tmp_path: Path) -> None:
    """L12, L13: once with real time, and a real sidecar that is given back."""
    lender = tone.Orchestrator()
    kind = tone.session(lender.lease, ttl=0.1)
    async with (
        open_runtime(tmp_path / "db", kind_of=lambda _: kind) as runtime,
        trio.open_nursery() as tasks,
    ):
        server = await tasks.start(partial(serve, runtime, port=0))
        async with connect(server.url) as client:
            await client.record(T, "environ", tone.DEVICE)
            async with client.attach(T) as subscription:
                async for batch in subscription:
                    if isinstance(batch, CaughtUp):
                        break
            with trio.fail_after(20):
                while runtime.statistics().active or lender.lent:  # noqa: ASYNC110 - real time
                    await trio.sleep(0.02)
            assert not await client.end(T)
        server.stop()

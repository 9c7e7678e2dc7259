"""The tone program holds the contract that it stands for, line by line."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import audio
import pytest
import tone
import trio
import trio.testing

from actors import Inbox, Rejected, open_runtime
from tests.examples.stage import records, shown, stage
from tests.examples.tone_stage import (
    CALM,
    LOUD,
    Calls,
    Lender,
    T,
    begin,
    blocked,
    modes,
    play,
    say,
    tones,
)
from tests.transport.memory_server import MemoryServer, client_of, run
from transport import Client, connect, serve


def test_a_session_starts_a_classifier_and_has_a_sidecar_leased() -> None:
    """L1: in process without a lease, by its sidecar with one."""
    lender, calls = Lender(), Calls()

    async def alone(server: MemoryServer, client: Client) -> None:
        await begin(client)
        await say(client, LOUD)
        assert await modes(client) == ["in process"]
        assert tones(await shown(client, T)) == ["lively"]

    async def leased(server: MemoryServer, client: Client) -> None:
        await begin(client)
        await say(client, *[LOUD] * 10)
        assert (lender.asked, await modes(client)) == ([T], lender.lent)
        assert tones(await shown(client, T)) == ["1"]

    play(alone, tone.session())
    play(leased, tone.session(lender.lease(), call=calls))


def test_a_static_address_wins_and_is_never_released() -> None:
    """L2: nothing is asked for, and nothing given back."""
    lender = Lender()

    async def scene(server: MemoryServer, client: Client) -> None:
        await begin(client)
        assert await modes(client) == ["http://static"]
        assert await client.end(T)
        assert (lender.asked, lender.back) == ([], [])

    play(scene, tone.session(lender.lease(static="http://static"), call=Calls()))


@pytest.mark.parametrize("lender", [Lender(fails=True), Lender(seconds=31)])
def test_without_a_sidecar_the_session_works_in_process(
    lender: Lender, caplog: pytest.LogCaptureFixture
) -> None:
    """L3: the failure is logged, the session was made all the same, and what was cast is kept."""

    async def scene(server: MemoryServer, client: Client) -> None:
        await begin(client)
        await say(client, LOUD)
        await trio.sleep(30.1)
        assert await modes(client) == ["in process"]
        assert tones(await shown(client, T)) == ["lively"]
        await client.end(T)

    play(scene, tone.session(lender.lease()))
    assert "no lease" in caplog.text
    assert lender.lent == lender.back


@pytest.mark.parametrize("bad", [False, True])
def test_what_was_allocated_is_released_once(bad: bool, caplog: pytest.LogCaptureFixture) -> None:
    """L4: a release that hangs costs the end five seconds, is logged, and stops nothing."""
    lender = Lender(bad_at_taking_back=bad)

    async def scene(server: MemoryServer, client: Client) -> None:
        await begin(client)
        began = trio.current_time()
        assert await client.end(T)
        assert trio.current_time() - began == pytest.approx(5 if bad else 0, abs=0.01)
        assert lender.back == lender.lent == ["http://sidecar-0"]
        await begin(client, "next")

    play(scene, tone.session(lender.lease(), call=Calls()))
    assert ("took too long" in caplog.text) is bad


def test_ten_chunks_make_one_call_and_a_failed_one_drops_its_window() -> None:
    """L5, L6: 39 chunks are three calls; the second fails, and the others are as they would be."""
    calls = Calls(failing=frozenset({2}))
    chunks = [bytes([n]) * audio.CHUNK_BYTES for n in range(39)]

    async def scene(server: MemoryServer, client: Client) -> None:
        await begin(client)
        await say(client, *chunks)
        sent = [b"".join(chunks[first : first + 10]) for first in (0, 10, 20)]
        assert [pcm for _, pcm in calls.windows] == sent
        found = await shown(client, T)
        assert tones(found) == ["1", "3"]
        assert [data["dropped"] for kind, data in found if kind == "queue"] == [1]

    play(scene, tone.session(Lender().lease(), call=calls))


def test_there_are_five_kinds_and_weak_tones_are_dropped() -> None:
    """L7: each kind is taken, another is not, and no tone below the threshold is recorded."""

    async def everything(inbox: Inbox) -> AsyncIterator[tone.Found]:
        yield "tone", {"label": "weak", "score": tone.THRESHOLD - 0.01}
        yield "tone", {"label": "strong", "score": tone.THRESHOLD}
        yield "speaker", {"speaker": 1}
        yield "transcript", {"text": "hello"}
        yield "queue", {"waiting": 0, "dropped": 0}
        yield "environ", {"what": "noise", "value": "low"}
        async for _ in inbox:
            pass

    async def scene(server: MemoryServer, client: Client) -> None:
        await begin(client)
        found = await shown(client, T)
        assert {kind for kind, _ in found} == set(tone.KINDS)
        assert tones(found) == ["strong"]
        for kind, data in (("mood", {}), ("tone", {"label": 1, "score": 1.0}), ("tone", {})):
            with pytest.raises(Rejected, match="bad_request"):
                await client.record(T, kind, data)

    play(scene, tone.session(classifier=everything))


def test_every_subscriber_gets_the_events_and_a_late_one_the_recent_ones() -> None:
    """L8: what the late one is shown at once is what the early ones saw come."""

    async def watch(client: Client, seen: list[Any]) -> None:
        async with client.attach(T) as subscription:
            async for batch in subscription:
                seen += records(batch)

    async def scene(server: MemoryServer, client: Client) -> None:
        seen: list[list[Any]] = [[], [], []]
        await begin(client)
        async with (
            trio.open_nursery() as nursery,
            client_of(server, 1) as second,
            client_of(server, 2) as late,
        ):
            nursery.start_soon(watch, client, seen[0])
            nursery.start_soon(watch, second, seen[1])
            await say(client, *[LOUD] * 5)
            nursery.start_soon(watch, late, seen[2])
            await blocked()
            assert seen[0] == seen[1] == seen[2] == await shown(client, T)
            assert len(seen[0]) == 2 + 5 * 3
            nursery.cancel_scope.cancel()

    play(scene, tone.session())


def test_a_subscriber_that_does_not_read_blocks_nobody_and_goes_on_later() -> None:
    """L9, B25: it is cut after `slow_seconds`, comes back with its cursor, and misses nothing."""

    async def scene() -> None:
        stalls = chain(repeat(0.0, 6), [100.0], repeat(0.0))
        kind = tone.session()
        async with (
            stage(lambda _: kind) as server,
            client_of(server) as client,
            trio.open_nursery() as nursery,
        ):
            await begin(client)
            server.delays = stalls
            slow_seen: list[Any] = []
            async with client_of(server, 1) as slow, slow.attach(T) as subscription:

                async def read() -> None:
                    async for batch in subscription:
                        slow_seen.extend(records(batch))

                nursery.start_soon(read)
                began = trio.current_time()
                for _ in range(100):
                    await say(client, LOUD)
                assert trio.current_time() - began < 1
                everything = await shown(client, T)
                assert len(everything) > 300
                assert len(slow_seen) < len(everything)
                await trio.sleep(200)
                assert slow_seen == everything
                assert server.dialled > 2
                nursery.cancel_scope.cancel()

    run(scene)


def test_bad_input_gets_the_documented_error_and_the_session_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Odd PCM, another rate, an unknown kind, and too much at once."""

    async def scene(server: MemoryServer, client: Client) -> None:
        await begin(client)
        told = []
        for kind, data in ((audio.KIND, LOUD[:-1]), ("audio/8000", LOUD), ("typing", {"by": 1})):
            caplog.clear()
            client.cast(T, kind, data)
            await client.ping()
            await trio.sleep(1)
            told.append(caplog.messages[-1])
        assert ["bad_request" in each for each in told] == [True] * 3
        assert "expected 3200 bytes of PCM (100 ms), got 3199" in told[0]
        assert "the kinds are: audio/16000" in told[1]
        with pytest.raises(Rejected, match="too_large"):
            await client.record(T, "transcript", {"text": "x" * 70_000})
        with pytest.raises(Rejected, match="unsupported"):
            await client.submit(T, "hello")
        await say(client, CALM, LOUD)
        assert tones(await shown(client, T)) == ["lively"]

    caplog.set_level(logging.WARNING, "holdfast")
    play(scene, tone.session())


# With real sidecars, over real sockets.


async def test_a_sidecar_that_is_slow_or_dies_costs_windows_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L4, L5, L6: stopped, it is too slow; going on, it is well; killed, it is not there."""
    monkeypatch.setattr(tone, "CALL_SECONDS", 0.5)
    lender = tone.Orchestrator()
    kind = tone.session(lender.lease)
    async with (
        open_runtime(tmp_path / "db", kind_of=lambda _: kind) as runtime,
        trio.open_nursery() as tasks,
    ):
        server = await tasks.start(partial(serve, runtime, port=0))
        async with connect(server.url) as client, client.attach(T) as subscription:
            await client.record(T, "environ", tone.DEVICE)

            async def window() -> str:
                for _ in range(10):
                    client.cast(T, audio.KIND, LOUD)
                async for batch in subscription:
                    for kind, _data in records(batch):
                        if kind in ("tone", "queue"):
                            return kind
                return "nothing"

            with trio.fail_after(20):
                assert await window() == "tone"
                (program,) = lender.lent.values()
                os.kill(program.process.pid, signal.SIGSTOP)
                assert await window() == "queue"
                os.kill(program.process.pid, signal.SIGCONT)
                assert await window() == "tone"
                await program.kill()
                assert await window() == "queue"
                assert await client.end(T)
                assert lender.lent == {}
        server.stop()


def test_the_program_runs() -> None:
    """All of it, as it is started by hand."""
    done = subprocess.run(
        [sys.executable, "-W", "error", tone.__file__],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "overloaded: all 2 places for sessions are taken" in done.stdout
    assert "sidecars that are still lent: 0" in done.stdout
    assert "once more: False" in done.stdout
    assert "alone-1 was reaped" in done.stdout

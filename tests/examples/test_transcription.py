"""The transcription program holds the contract that it stands for, line by line."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
import wave
from functools import partial
from pathlib import Path

import audio
import pytest
import transcription
import trio
import trio.testing
from attrs import evolve
from transcription import IN_THE_RECORDING, PLACE, go_on, window_of

from actors import Program, Progress, Rejected, Turn, TurnFailed
from tests.examples.transcription_stage import (
    CHUNKS,
    blocked,
    items_of,
    play,
    progress,
    say,
    segment,
    segments,
)
from tests.transport.memory_server import MemoryServer, client_of
from transport import Client, connect


def test_the_conversation_in_progress_is_resumed_or_replaced_by_its_age() -> None:
    """O1, O2, O3: its age is the time since its last segment, and at 120 s to the instant it is
    over: a new, empty one begins, and the old one is finalised, once."""

    async def scene(server: MemoryServer, client: Client) -> None:
        first = await go_on(client, "ann")
        for number in range(3):
            await trio.sleep(119)
            assert await go_on(client, "ann") == first
            await client.record(first, "segment", segment(number))
        await trio.sleep(119.999)
        assert await go_on(client, "ann") == first
        assert await go_on(client, "bob") != first
        assert await progress(server, first) is Progress.IN_PROGRESS
        await trio.sleep(0.001)
        second = await go_on(client, "ann")
        assert second != first
        assert (await client.history(second)).items == ()
        await trio.sleep(1)
        assert await progress(server, first) is Progress.COMPLETED
        assert await go_on(client, "ann") == second
        answers = [i for i in (await client.history(first)).items if i.kind == "answer"]
        assert [i.body["text"] for i in answers] == ["a conversation of 0 segments"]

    play(scene)


def test_devices_that_connect_at_once_go_on_with_one_conversation() -> None:
    """O1, O3: to connect is a turn in the person's own thread, so one waits for the other."""
    found: list[str] = []

    async def scene(server: MemoryServer, client: Client) -> None:
        first = await go_on(client, "ann")
        await client.record(first, "segment", segment(0))
        await trio.sleep(120)

        async def connected(device: int) -> None:
            async with client_of(server, 10 + device) as another:
                found.append(await go_on(another, "ann"))

        async with trio.open_nursery() as nursery:
            for device in range(5):
                nursery.start_soon(connected, device)
        assert len(found) == 5
        assert len({first, *found}) == 2

    play(scene)


@pytest.mark.parametrize(
    ("seconds", "channels", "window"),
    [
        (120, 1, 120),
        (-1, 1, 14_400),
        (0, 1, 120),
        (-2, 1, 120),
        (119, 1, 120),
        (121, 1, 121),
        (7200, 1, 7200),
        (120, 2, 14_400),
        (-1, 2, 14_400),
    ],
)
def test_windows(seconds: float, channels: int, window: float) -> None:
    """O4, O5: the default, four hours for -1 and for several channels, and no less than 120 s."""
    assert window_of(seconds, channels) == window
    assert window_of() == 120


def test_a_window_is_asked_for_by_the_device() -> None:
    """O2, O4: -1 resumes after hours, and 1 is 120."""

    async def scene(server: MemoryServer, client: Client) -> None:
        first = await go_on(client, "ann")
        await client.record(first, "segment", segment(0))
        await trio.sleep(4 * 3600 - 1)
        assert await go_on(client, "ann", window=-1) == first
        second = await go_on(client, "ann", window=1)
        assert second != first
        await client.record(second, "segment", segment(0))
        await trio.sleep(119)
        assert await go_on(client, "ann", window=1) == second

    play(scene)


def test_a_capture_of_several_channels_never_resumes() -> None:
    """O5: not even at once; and what was before it is finalised."""

    async def scene(server: MemoryServer, client: Client) -> None:
        first = await go_on(client, "ann")
        await client.record(first, "segment", segment(0))
        second = await go_on(client, "ann", channels=2)
        await client.record(second, "segment", segment(0))
        third = await go_on(client, "ann", channels=2)
        assert len({first, second, third}) == 3
        await trio.sleep(1)
        for thread in (first, second):
            assert await progress(server, thread) is Progress.COMPLETED

    play(scene)


def test_a_conversation_is_finalised_once_across_a_stop_between_the_two() -> None:
    """O6, B12: processing when the server stops, it is completed after the start, and not again."""
    begun: list[str] = []
    names: list[str] = []

    async def summarise(turn: Turn) -> None:
        begun.append(turn.thread)
        await turn.write("so far")
        await trio.sleep(30)
        await turn.write(" so good")

    async def before(server: MemoryServer, client: Client) -> None:
        names.append(await go_on(client, "ann"))
        await client.record(names[0], "segment", segment(0))
        await go_on(client, "ann", channels=2)
        await trio.sleep(1)
        assert await progress(server, names[0]) is Progress.PROCESSING

    async def after(server: MemoryServer, client: Client) -> None:
        await trio.sleep(40)
        assert await progress(server, names[0]) is Progress.COMPLETED
        await go_on(client, "ann", channels=2)
        items = (await client.history(names[0])).items
        assert [i.body["text"] for i in items if i.kind == "answer"] == ["so far so good"]

    kind = evolve(transcription.CONVERSATION, on_finalise=summarise)
    play(before, after, after, conversation=kind)
    assert begun == names * 2  # begun again by the first start, and by no other


def test_a_conversation_without_content_is_removed() -> None:
    """O7: nothing was said in it, so nothing is finalised, and nothing is left in the list."""

    async def scene(server: MemoryServer, client: Client) -> None:
        first = await go_on(client, "ann")
        await say(client, first, 10, 30)  # of which nothing is speech
        await trio.sleep(120)
        second = await go_on(client, "ann")
        assert second != first
        assert await progress(server, first) is Progress.ABSENT
        listed = {summary.thread for summary in (await client.threads()).threads}
        assert listed == {"ann", second}

    play(scene)


@pytest.mark.parametrize("at", [3, 7, 33, 41, 57, 70, len(CHUNKS) - 1])
def test_a_connection_that_is_cut_anywhere_changes_nothing(at: int) -> None:
    """O2, O13: what was in the middle is played again, and heard once."""

    async def scene(server: MemoryServer, client: Client) -> None:
        thread = await go_on(client, "ann")
        await say(client, thread, 0, at)
        server.links[-1].abort()
        await client.opened()
        assert await go_on(client, "ann") == thread
        done = await segments(client, thread)
        await say(client, thread, done[-1][1] if done else 0, connected=2)
        assert await segments(client, thread) == IN_THE_RECORDING

    play(scene)


def test_bad_input_gets_the_documented_error_and_the_thread_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Another rate, odd PCM, unknown kinds, and records that are too large."""

    async def scene(server: MemoryServer, client: Client) -> None:
        for capture in ({"rate": 8000}, {"channels": "two"}):
            with pytest.raises(TurnFailed):
                await go_on(client, "ann", **capture)
        thread = await go_on(client, "ann")
        place = PLACE.pack(1, 0)
        for kind, data, words in (
            (audio.KIND, place + CHUNKS[0][:-1], "expected 3200 bytes of PCM (100 ms), got 3199"),
            (audio.KIND, b"", "got 0"),
            ("audio/8000", place + CHUNKS[0], "the kinds are: assign, audio/16000"),
            ("assign", {"segments": "s1", "person": "Ann"}, "expected a list"),
        ):
            caplog.clear()
            client.cast(thread, kind, data)
            await client.ping()
            await trio.sleep(1)
            assert "bad_request" in caplog.messages[-1]
            assert words in caplog.messages[-1]
        for data in ({"id": "x"}, segment(0, text=7), segment(0, more=1)):
            with pytest.raises(Rejected, match="bad_request"):
                await client.record(thread, "segment", data)
        with pytest.raises(Rejected, match="the kinds are: segment, speaker_assigned"):
            await client.record(thread, "segmnet", segment(0))
        with pytest.raises(Rejected, match="too_large"):
            await client.record(thread, "segment", segment(0, text="x" * 70_000))
        await say(client, thread)
        assert await segments(client, thread) == IN_THE_RECORDING

    caplog.set_level(logging.WARNING, "holdfast")
    play(scene)


def test_what_is_in_the_recording() -> None:
    """The service finds it, and cuts it exactly, from its beginning and from behind any stretch."""
    ends = [end for _, end in IN_THE_RECORDING]
    heard: list[bytes] = []

    def hear(pcm: bytes) -> tuple[str, int]:
        heard.append(pcm)
        return "something", 1

    async def before(server: MemoryServer, client: Client) -> None:
        for end in ends:
            thread = await go_on(client, f"ann{end}")
            await client.record(thread, "segment", segment(end - 1))

    async def after(server: MemoryServer, client: Client) -> None:
        for at in (0, *ends):
            thread = await go_on(client, f"ann{at}")
            known = await segments(client, thread)
            heard.clear()
            await say(client, thread, at)
            due = [stretch for stretch in IN_THE_RECORDING if stretch[0] >= at]
            assert await segments(client, thread) == known + due
            assert heard == [b"".join(CHUNKS[start:end]) for start, end in due]

    service = partial(transcription.transcribe, model=lambda: hear)
    kind = evolve(transcription.CONVERSATION, service=service)
    play(before, after, conversation=kind)


@pytest.mark.parametrize("quiet", range(6))
def test_speech_begins_where_it_is_loud(quiet: int) -> None:
    """However little silence is before it."""

    async def scene(server: MemoryServer, client: Client) -> None:
        thread = await go_on(client, "ann")
        for number, chunk in enumerate(CHUNKS[5 - quiet : 30]):
            client.cast(thread, audio.KIND, PLACE.pack(1, number) + chunk)
        await client.ping()
        await blocked()
        assert await segments(client, thread) == [(quiet, quiet + 4)]

    play(scene)


def test_a_recording_of_another_rate_is_refused(tmp_path: Path) -> None:
    """Before a byte of it is sent."""
    path = tmp_path / "slow.wav"
    with wave.open(str(path), "wb") as recording:
        recording.setparams((1, 2, 8000, 0, "NONE", ""))
        recording.writeframes(bytes(1600))
    with pytest.raises(ValueError, match="not one channel at 16000 Hz"):
        audio.chunks_of(path)


async def test_what_was_shown_outlives_a_kill_in_mid_sentence(tmp_path: Path) -> None:
    """O6, O13, B12: killed for real, in two sentences and while it is finalised; each segment is
    there once, and so is the end."""
    command = sys.executable, transcription.__file__, str(tmp_path / "db"), "{port}"
    names = set()
    with trio.fail_after(60):
        async with Program(*command) as server:
            for upto in (36, 70, len(CHUNKS)):
                async with connect(server.url) as client:
                    thread = await go_on(client, "ann")
                    names.add(thread)
                    before = await segments(client, thread)
                    connected = time.time_ns()
                    for number in range(before[-1][1] if before else 0, upto):
                        place = PLACE.pack(connected, number)
                        client.cast(thread, audio.KIND, place + CHUNKS[number])
                    due = [
                        each for each in IN_THE_RECORDING if each[1] + transcription.PAUSE <= upto
                    ]
                    assert before == due[: len(before)]
                    await items_of(client, thread, "segment", len(due))
                    assert await segments(client, thread) == due
                    if upto == len(CHUNKS):
                        await go_on(client, "ann", channels=2)
                await server.restart()
            async with connect(server.url) as client:
                assert names == {thread}
                found = await items_of(client, thread, "answer", 1)
                assert [each["text"] for each in found] == ["a conversation of 4 segments"]
                assert await segments(client, thread) == IN_THE_RECORDING


def test_the_program_runs() -> None:
    """All of it, as it is started by hand."""
    done = subprocess.run(
        [sys.executable, "-W", "error", transcription.__file__],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("s of speech") == len(IN_THE_RECORDING) == 4
    assert "which is now: a conversation of 4 segments\n" in done.stdout

"""What the transcription program knows of segments and speakers, line by line of its contract."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

import audio
import pytest
import transcription
from attrs import evolve
from transcription import IN_THE_RECORDING, PLACE, can_assign, go_on

from actors import CaughtUp
from tests.examples.stage import shown
from tests.examples.transcription_stage import CHUNKS, blocked, play, say, segment, segments
from tests.transport.memory_server import MemoryServer, client_of

if TYPE_CHECKING:
    from transport import Client


def test_a_thousand_segments_are_known_after_a_restart(caplog: pytest.LogCaptureFixture) -> None:
    """O8: those of this conversation alone, and how many is logged."""
    caplog.set_level(logging.INFO, "transcription")
    names: dict[str, str] = {}

    async def before(server: MemoryServer, client: Client) -> None:
        for person, count in (("ann", 1000), ("bob", 3)):
            names[person] = await go_on(client, person)
            thread = server.runtime.thread(names[person])
            for number in range(count):
                await thread.record("segment", segment(number, id=f"{person}-{number}"))

    async def after(server: MemoryServer, client: Client) -> None:
        caplog.clear()
        assert await go_on(client, "ann") == names["ann"]
        async with client.attach(names["ann"], window=1) as stream:
            snapshot = await anext(stream)
            assert snapshot.attributes["segments"] == {f"ann-{n}": True for n in range(1000)}
        client.cast(names["ann"], "assign", {"segments": ["ann-7"], "person": "Ann"})
        await client.ping()
        await blocked()
        assert await shown(client, names["ann"], "speaker_assigned")
        assert f"{names['ann']}: 1000 segments known" in caplog.messages

    play(before, after)


def test_what_is_known_of_a_segment(caplog: pytest.LogCaptureFixture) -> None:
    """O9: without an id it is skipped; processed is what is not said; a no stays one."""

    async def before(server: MemoryServer, client: Client) -> None:
        thread = await go_on(client, "ann")
        await client.record(thread, "segment", segment(0))
        await client.record(thread, "segment", segment(0, id=None))
        await client.record(thread, "segment", segment(1, id="a"))
        await client.record(thread, "segment", segment(2, id="b", processed=False))
        await client.record(thread, "segment", segment(3, id="c", processed=True))

    async def after(server: MemoryServer, client: Client) -> None:
        thread = server.runtime.thread(await go_on(client, "ann"))
        assert await thread.projection("segments") == {"a": True, "b": False, "c": True}

    play(before, after)
    assert "passed over" not in caplog.text  # what is skipped is no failure


@pytest.mark.parametrize(
    ("ids", "can"),
    [
        (["yes"], True),
        (["no", "yes"], True),
        (["new", "yes"], True),
        (["no"], False),
        (["new"], False),
        ([], False),
    ],
)
def test_a_speaker_can_be_assigned_where_any_segment_is_known_and_processed(
    ids: list[str], can: bool
) -> None:
    """O10: unknown ids give false, and so does one that was not processed."""
    assert can_assign({"yes": True, "no": False}, ids) is can

    async def before(server: MemoryServer, client: Client) -> None:
        thread = await go_on(client, "ann")
        await client.record(thread, "segment", segment(0, id="yes"))
        await client.record(thread, "segment", segment(1, id="no", processed=False))

    async def after(server: MemoryServer, client: Client) -> None:
        thread = await go_on(client, "ann")
        client.cast(thread, "assign", {"segments": ids, "person": "Ann"})
        await client.ping()
        await blocked()
        assigned = await shown(client, thread, "speaker_assigned")
        assert assigned == ([{"segments": ids, "person": "Ann"}] if can else [])

    play(before, after)


def test_what_a_speaker_number_stands_for_is_forgotten_with_the_connection() -> None:
    """O11: the diariser counts anew, and the reader's map is empty, on the next connection."""

    class Voices:
        """Hears another voice each time."""

        def __init__(self) -> None:
            self.heard = 0

        def __call__(self, pcm: bytes) -> tuple[str, int]:
            self.heard += 1
            return "something", self.heard

    async def scene(server: MemoryServer, client: Client) -> None:
        thread = await go_on(client, "ann")
        async with client.attach(thread) as stream:
            await caught_up(stream)
            await say(client, thread, 0, 50)
            stream.local[1] = "Ann"
            await client.ping()
            assert stream.local == {1: "Ann"}
            server.links[-1].abort()
            await caught_up(stream)
            assert stream.local == {}
            await say(client, thread, 50, connected=2)
        speakers = [each["speaker"] for each in await shown(client, thread, "segment")]
        assert speakers == [1, 2, 1, 2]

    service = partial(transcription.transcribe, model=Voices)
    play(scene, conversation=evolve(transcription.CONVERSATION, service=service))


async def caught_up(stream: Any) -> None:
    async for batch in stream:
        if isinstance(batch, CaughtUp):
            break


def test_an_old_connection_touches_nothing_of_its_replacement() -> None:
    """O12, B17: neither what it still sends, nor its error, nor its end."""

    async def scene(server: MemoryServer, client: Client) -> None:
        thread = await go_on(client, "ann")
        await say(client, thread, 0, 34)  # in mid-sentence
        async with client_of(server, 99) as replacement, replacement.attach(thread) as stream:
            assert await go_on(replacement, "ann") == thread
            await caught_up(stream)
            await say(replacement, thread, 9, 36, connected=2)
            for number in range(36, 80):  # late, from the old one, and of something else
                client.cast(thread, audio.KIND, PLACE.pack(1, number) + CHUNKS[12])
            await client.ping()
            await blocked()
            server.links[0].abort()
            await blocked()
            await say(replacement, thread, 36, connected=2)
            assert await segments(replacement, thread) == IN_THE_RECORDING
            assert len(server.links) == 2

    play(scene)

"""Live transcription that goes on in mid-sentence.

    python docs/examples/transcription.py

A recording is streamed to a server, as from a microphone. The connection is cut in the middle of a
sentence, the server killed in the middle of another, and again while it finalises the conversation.
What was transcribed is the same as without any of that.
"""

from __future__ import annotations

import json
import logging
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs
import audio
import processes
import trio

import actors
from actors import Fact, Projection, Service, ThreadKind, Turn, TurnFailed
from transport import Client, connect, serve

log = logging.getLogger("transcription")

PLACE = struct.Struct(">QI")  # before each chunk: when its device connected, and its number

# Models to plug in: what was said, and which of the voices of one connection said it.
TextOf = Callable[[bytes], str]
VoiceOf = Callable[[bytes], int]


@attrs.frozen
class Segment:
    """Somebody said something, from one chunk to another."""

    text: str
    start: int
    end: int
    speaker: int
    id: str | None = None
    processed: bool = True


@attrs.frozen
class Assigned:
    """Who said some segments."""

    segments: list[str]
    person: str


# What the server does.


def window_of(seconds: float = 120.0, channels: int = 1) -> float:
    """Return the seconds of quiet after which a conversation is over."""
    return 4 * 3600.0 if channels > 1 or seconds == -1 else max(seconds, 120.0)


class Desk:
    """Answers in a person's own thread: to connect is a turn in it, so one waits for the other."""

    runtime: actors.Runtime

    async def connect(self, turn: Turn) -> None:
        """Answer with the conversation to go on with."""
        match json.loads(turn.text):
            case {"rate": audio.RATE, "channels": int(channels), "window": int(seconds)}:
                window = window_of(seconds) if channels == 1 else 0.0  # 0 never resumes
            case other:
                raise TurnFailed("bad_request", f"no capture at {audio.RATE} Hz: {other!r:.100}")
        found = await actors.resume_or_new(self.runtime, turn.thread, window=window)
        await found.thread.open()
        await turn.write(found.thread.id)


def placed_chunk(data: bytes) -> bytes:
    """Return a chunk behind its place; anything else is no audio."""
    audio.whole_chunk(data[PLACE.size :])
    return data


def can_assign(processed: Mapping[str, bool], segments: Sequence[str]) -> bool:
    """Say whether any of them is known, and processed."""
    return any(processed.get(segment, False) for segment in segments)


def length_of(pcm: bytes) -> str:
    """Stand in for a speech model."""
    return f"{len(pcm) / 2 / audio.RATE:.1f} s of speech"


def one_voice() -> VoiceOf:
    """Stand in for a diariser."""
    return lambda pcm: 1


async def transcribe(
    service: Service, text_of: TextOf = length_of, voices: Callable[[], VoiceOf] = one_voice
) -> None:
    """Record what is said, and who said it."""
    log.info("%s: %d segments known", service.thread, len(service.projection("segments")))
    splitter, connected, voice_of = audio.Splitter(service.projection("end")), 0, voices()
    async for cast in service.inbox:
        if cast.kind == "assign":
            if can_assign(service.projection("segments"), cast.data["segments"]):
                await service.record("speaker_assigned", cast.data)
            continue
        since, number = PLACE.unpack_from(cast.data)
        if since > connected:
            connected, voice_of = since, voices()  # on a new connection voices are counted anew
        speech = splitter.add(number, cast.data[PLACE.size :]) if since == connected else None
        if speech is not None:
            start, end, pcm = speech
            said = Segment(text_of(pcm), start, end, voice_of(pcm), f"s{start}")
            await service.record("segment", attrs.asdict(said))


def known(processed: dict[str, bool], fact: Fact) -> dict[str, bool]:
    """Fold what is known of each segment that has an id."""
    if fact.kind != "segment" or fact.data.get("id") is None:
        return processed
    return {**processed, fact.data["id"]: fact.data.get("processed", True)}


def end_of(end: int, fact: Fact) -> int:
    """Fold how far the transcript goes, in chunks."""
    return max(end, fact.data["end"]) if fact.kind == "segment" else end


async def summarise(turn: Turn) -> None:
    """Finalise a conversation; a real one would ask a model."""
    await trio.sleep(0.5)
    await turn.write(f"a conversation of {len(turn.projection('segments'))} segments")


CONVERSATION = ThreadKind(
    service=transcribe,
    on_finalise=summarise,
    casts={audio.KIND: placed_chunk, "assign": Assigned},
    records={"segment": Segment, "speaker_assigned": Assigned},
    projections={
        "segments": Projection({}, known, public=True),
        "end": Projection(0, end_of, public=True),
    },
    lifetime=actors.Passivate(idle=120),
)


def kinds(desk: Desk, conversation: ThreadKind = CONVERSATION) -> Callable[[str], ThreadKind]:
    """Return the kind of each thread: a person's own, or a conversation of theirs."""
    own = ThreadKind(on_turn=desk.connect)
    return lambda thread: conversation if "." in thread else own


async def serve_from(path: str, port: int) -> None:
    """Serve until killed."""
    desk = Desk()
    async with actors.open_runtime(path, kind_of=kinds(desk)) as runtime, trio.open_nursery() as n:
        desk.runtime = runtime
        server = await n.start(partial(serve, runtime, port=port))
        print("listening on", server.url, flush=True)


# What a device does.


async def go_on(client: Client, person: str, **capture: int) -> str:
    """Return the conversation to go on with."""
    asked = {"rate": audio.RATE, "channels": 1, "window": 120, **capture}
    async with client.ask(person, json.dumps(asked), on_busy="queue") as answer:
        return "".join([piece async for piece in answer])


async def play(
    client: Client, thread: str, chunks: Sequence[bytes], upto: int | None = None
) -> None:
    """Play a recording from behind the last segment that is shown, up to a chunk or to the end."""
    connected = time.time_ns()
    async with client.attach(thread) as stream:
        snapshot = await anext(stream)
        assert isinstance(snapshot, actors.Snapshot)
        for number, chunk in list(enumerate(chunks))[snapshot.attributes["end"] : upto]:
            client.cast(thread, audio.KIND, PLACE.pack(connected, number) + chunk)
            await trio.sleep(0.005)  # twenty times as fast as it was spoken


async def items_of(client: Client, thread: str, kind: str, count: int) -> list[dict[str, Any]]:
    """Wait until a thread shows so many items of a kind, and return what is in them."""
    async with client.attach(thread) as stream:
        async for _ in stream:
            items = (await client.history(thread)).items
            found = [item.body for item in items if kind in (item.kind, item.body.get("record"))]
            if len(found) >= count:
                return found
    raise AssertionError(f"{thread} is gone")


async def main() -> None:
    """Play it all."""
    chunks = audio.chunks_of()
    undisturbed = [(start, end) for start, end, _ in audio.stretches(chunks)]
    with tempfile.TemporaryDirectory() as folder:
        async with processes.running(__file__, "serve", f"{folder}/db") as server:
            for upto in (36, 57, None):
                with trio.CancelScope() as connection:
                    async with connect(server.url) as client:
                        conversation = await go_on(client, "ann")
                        print("connected; the conversation is", conversation)
                        await play(client, conversation, chunks, upto)
                        if upto == 36:
                            print("cut in mid-sentence")
                            connection.cancel()
                        elif upto == 57:
                            print("the server is killed in mid-sentence, and started again")
                            await server.restart()
            async with connect(server.url) as client:
                items = await items_of(client, conversation, "segment", len(undisturbed))
                segments = [Segment(**item["data"]) for item in items]
                for said in segments:
                    print(f"  {said.start / 10:.1f} s: voice {said.speaker}, {said.text}")
                assert [(said.start, said.end) for said in segments] == undisturbed

                client.cast(conversation, "assign", {"segments": ["s5", "s0"], "person": "Ann"})
                (assigned,) = await items_of(client, conversation, "speaker_assigned", 1)
                print("assigned, after two reconnects:", assigned["data"])

                print("two channels; the conversation is", await go_on(client, "ann", channels=2))
                await server.restart()
                answers = await items_of(client, conversation, "answer", 1)
                print("killed while it finalised the first:", [each["text"] for each in answers])


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        trio.run(serve_from, sys.argv[2], int(sys.argv[3]))
    else:
        trio.run(main)

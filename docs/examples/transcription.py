"""Live transcription that goes on in mid-sentence.

    python docs/examples/transcription.py

A recording is streamed to a server, as from a microphone. The connection is cut in the middle of a
sentence, the server killed in the middle of another, and again while it finalises the conversation.
What was transcribed is the same as without any of that.
"""

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
import trio

import actors
from actors import Fact, Program, Projection, Service, ThreadKind, Turn, TurnFailed
from transport import Client, connect, serve

log = logging.getLogger("transcription")

PLACE = struct.Struct(">QI")  # before each chunk: when its device connected, and its number
PAUSE, SHORTEST = 4, 3  # of speech, in chunks
IN_THE_RECORDING = [(5, 9), (31, 41), (51, 59), (64, 91)]  # the speech in it, where nothing breaks

# A model to plug in: says what was said, and which of the voices of one connection said it.
Model = Callable[[bytes], tuple[str, int]]


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


def placed_chunk(data: bytes) -> bytes:
    """Return a chunk behind its place; anything else is no audio."""
    audio.whole_chunk(data[PLACE.size :])
    return data


class Splitter:
    """Cuts chunks, from number `at` on, into stretches of speech; behind each it is as new."""

    def __init__(self, at: int = 0) -> None:
        self._next, self._quiet = at, 0
        self._chunks: list[bytes] = []

    def add(self, number: int, chunk: bytes) -> tuple[int, int, bytes] | None:
        """Take the next chunk, and no other; return (start, end, PCM) where a stretch is over."""
        if number != self._next:
            return None
        self._next += 1
        self._quiet = 0 if audio.level(chunk) >= audio.LOUD else self._quiet + 1
        if self._chunks or not self._quiet:
            self._chunks.append(chunk)
        if not self._chunks or self._quiet < PAUSE:
            return None
        speech, self._chunks = self._chunks[:-PAUSE], []
        end = self._next - PAUSE
        return (end - len(speech), end, b"".join(speech)) if len(speech) >= SHORTEST else None


def known(processed: dict[str, bool], fact: Fact) -> dict[str, bool]:
    """Fold what is known of each segment that has an id."""
    if fact.kind != "segment" or fact.data.get("id") is None:
        return processed
    return {**processed, fact.data["id"]: fact.data.get("processed", True)}


def end_of(end: int, fact: Fact) -> int:
    """Fold how far the transcript goes, in chunks."""
    return max(end, fact.data["end"]) if fact.kind == "segment" else end


def can_assign(processed: Mapping[str, bool], segments: Sequence[str]) -> bool:
    """Say whether any of them is known, and processed."""
    return any(processed.get(segment, False) for segment in segments)


def stand_in() -> Model:
    """Stand in for a speech model and a diariser."""
    return lambda pcm: (f"{len(pcm) / 2 / audio.RATE:.1f} s of speech", 1)


async def transcribe(service: Service, model: Callable[[], Model] = stand_in) -> None:
    """Record what is said, and who said it; each connection has a model of its own."""
    log.info("%s: %d segments known", service.thread, len(service.projection("segments")))
    splitter, connected, hear = Splitter(service.projection("end")), 0, model()
    async for cast in service.inbox:
        if cast.kind == "assign":
            if can_assign(service.projection("segments"), cast.data["segments"]):
                await service.record("speaker_assigned", cast.data)
            continue
        since, number = PLACE.unpack_from(cast.data)
        if since > connected:
            connected, hear = since, model()  # on a new connection voices are counted anew
        speech = splitter.add(number, cast.data[PLACE.size :]) if since == connected else None
        if speech is not None:
            start, end, pcm = speech
            text, speaker = hear(pcm)
            segment = Segment(text, start, end, speaker, id=f"s{start}")
            await service.record("segment", attrs.asdict(segment))


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
)


def window_of(seconds: float = 120.0, channels: int = 1) -> float:
    """Return the seconds of quiet after which a conversation is over."""
    return 4 * 3600.0 if channels > 1 or seconds == -1 else max(seconds, 120.0)


class Desk:
    """Answers in a person's own thread: to connect is a turn in it, so one waits for the other."""

    runtime: actors.Runtime
    conversation = CONVERSATION

    def kind_of(self, thread: str) -> ThreadKind:
        """Return the kind of a thread: a person's own, or a conversation of theirs."""
        return self.conversation if "." in thread else ThreadKind(on_turn=self.connect)

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


async def serve_from(path: str, port: str) -> None:
    """Serve until killed."""
    desk = Desk()
    async with actors.open_runtime(path, kind_of=desk.kind_of) as runtime, trio.open_nursery() as n:
        desk.runtime = runtime
        server = await n.start(partial(serve, runtime, port=int(port)))
        print("listening on", server.url, flush=True)


async def go_on(client: Client, person: str, **capture: int) -> str:
    """Return the conversation to go on with."""
    asked = {"rate": audio.RATE, "channels": 1, "window": 120, **capture}
    async with client.ask(person, json.dumps(asked), on_busy="queue") as answer:
        return "".join([piece async for piece in answer])


async def speak(client: Client, upto: int | None = None) -> str:
    """Play the recording from behind the last segment that is shown, up to a chunk or the end."""
    thread, connected = await go_on(client, "ann"), time.time_ns()
    async with client.attach(thread) as stream:
        shown = await anext(stream)
        assert isinstance(shown, actors.Snapshot)
        end = shown.attributes["end"]
        print(f"connected; on with the conversation {thread} at {end / 10} s")
        for number, chunk in list(enumerate(audio.chunks_of()))[end:upto]:
            client.cast(thread, audio.KIND, PLACE.pack(connected, number) + chunk)
            await trio.sleep(0.005)  # twenty times as fast as it was spoken
    return thread


async def items_of(client: Client, thread: str, kind: str, count: int) -> list[Mapping[str, Any]]:
    """Wait until a thread shows so many items of a kind, and return what is in them."""
    found: list[Mapping[str, Any]] = []
    async with client.attach(thread) as stream:
        while len(found) < count:
            await anext(stream)
            items = (await client.history(thread)).items
            found = [item.body for item in items if kind in (item.kind, item.body.get("record"))]
    return found


async def talk(server: Program) -> None:
    """Have a conversation, whatever is cut and killed, and finish it."""
    with trio.CancelScope() as connection:
        async with connect(server.url) as client:
            await speak(client, upto=36)
            print("the connection is cut in mid-sentence")
            connection.cancel()
    async with connect(server.url) as client:
        await speak(client, upto=57)
        print("the server is killed in mid-sentence, and started again")
        await server.restart()
        conversation = await speak(client)
        items = await items_of(client, conversation, "segment", len(IN_THE_RECORDING))
        segments = [Segment(**item["data"]) for item in items]
        for said in segments:
            print(f"  {said.start / 10:.1f} s: voice {said.speaker}, {said.text}")
        assert [(said.start, said.end) for said in segments] == IN_THE_RECORDING

        client.cast(conversation, "assign", {"segments": ["s5", "s0"], "person": "Ann"})
        (assigned,) = await items_of(client, conversation, "speaker_assigned", 1)
        print("assigned, after two reconnects:", assigned["data"])

        print("two channels; the conversation is", await go_on(client, "ann", channels=2))
        await server.restart()
        (summary,) = await items_of(client, conversation, "answer", 1)
        print("killed while it finalised the first, which is now:", summary["text"])


async def main() -> None:
    """Play it all."""
    with tempfile.TemporaryDirectory() as folder:
        async with Program(sys.executable, __file__, f"{folder}/speech.db", "{port}") as server:
            await talk(server)


if __name__ == "__main__":
    try:
        trio.run(partial(serve_from, *sys.argv[1:]) if sys.argv[1:] else main)
    except* KeyboardInterrupt:
        print("stopped")

"""Live transcription that goes on in mid-sentence.

    python docs/examples/transcription.py

A recording is streamed to a server, as from a microphone. The connection is cut in the middle of a
sentence, the server killed in the middle of another, and again while it finalises the conversation.
What was transcribed is the same as without any of that.
"""

import logging
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

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
Model = Callable[[bytes], tuple[str, int]]  # to plug in: from PCM, what was said by which voice


@attrs.frozen
class Segment:
    """Somebody said something, from one chunk to another."""

    start: int
    end: int
    text: str
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
    at, chunks, quiet = service.projection("end"), list[bytes](), PAUSE
    connected, hear = 0, model()
    async for cast in service.inbox:
        if cast.kind == "assign":
            if can_assign(service.projection("segments"), cast.data["segments"]):
                await service.record("speaker_assigned", cast.data)
            continue
        since, number = PLACE.unpack_from(cast.data)
        if since > connected:
            connected, hear = since, model()  # on a new connection voices are counted anew
        if (since, number) != (connected, at):
            continue  # it is of a connection that was replaced, or was heard before
        at += 1
        chunks.append(cast.data[PLACE.size :])
        quiet = 0 if audio.level(chunks[-1]) >= audio.LOUD else quiet + 1
        if quiet >= PAUSE:
            speech, chunks = chunks[:-PAUSE], []
            if len(speech) >= SHORTEST:
                start, end = at - PAUSE - len(speech), at - PAUSE
                segment = Segment(start, end, *hear(b"".join(speech)), id=f"s{start}")
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


async def connect_device(turn: Turn) -> None:
    """Answer with the conversation to go on with: a turn, so that one device waits for another."""
    match turn.content:
        case [{"rate": audio.RATE, "channels": int(channels), "window": int(seconds)}]:
            window = window_of(seconds) if channels == 1 else 0.0  # 0 never resumes
        case other:
            raise TurnFailed("bad_request", f"no capture at {audio.RATE} Hz: {other!r:.100}")
    found = await actors.resume_or_new(turn.runtime, turn.thread, window=window)
    await found.thread.open()
    await turn.write(found.thread.id)


def kind_of(thread: str) -> ThreadKind:
    """Return the kind of a thread: a person's own, or a conversation of theirs."""
    return CONVERSATION if "." in thread else ThreadKind(on_turn=connect_device)


async def serve_from(path: str, port: str) -> None:
    """Serve until killed."""
    async with actors.open_runtime(path, kind_of=kind_of) as runtime, trio.open_nursery() as tasks:
        server = await tasks.start(partial(serve, runtime, port=int(port)))
        print("listening on", server.url, flush=True)


async def go_on(client: Client, person: str, **capture: int) -> str:
    """Return the conversation to go on with."""
    asked = {"type": "capture", "rate": audio.RATE, "channels": 1, "window": 120, **capture}
    async with client.ask(person, [asked], on_busy="queue") as answer:
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
        thread = await speak(client)
        client.cast(thread, "assign", {"segments": ["s5", "s0"], "person": "Ann"})
        async with client.attach(thread) as stream:
            facts: list[Fact] = []
            while not facts or facts[-1].kind != "speaker_assigned":
                facts += actors.facts_of(await anext(stream))
            *segments, assigned = [fact.data for fact in facts]
            for said in segments:
                print(f"  {said['start'] / 10:.1f} s: voice {said['speaker']}, {said['text']}")
            assert [(said["start"], said["end"]) for said in segments] == IN_THE_RECORDING
            print("assigned, after two reconnects:", assigned)
            print("two channels; the conversation is", await go_on(client, "ann", channels=2))
            await server.restart()
            while (last := (await client.history(thread)).items[-1]).kind != "answer":
                await anext(stream)
            print("killed while it finalised the first, which is now:", last.body["text"])


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

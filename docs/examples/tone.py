"""Live annotation of tone, by a classifier in the process or in a sidecar of its own.

    python docs/examples/tone.py

A session leases a sidecar, a program that classifies a second of audio for each HTTP call. It is
killed while a recording is played; another session does without one. There are two places, and a
third session is refused. A session that is ended or was left gives back what it had.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import attrs
import audio
import processes
import trio

import actors
from actors import Inbox, Lease, Service, ThreadKind
from transport import Client, connect, serve

THRESHOLD = 0.6
CALL_SECONDS = 2.0

Found = tuple[str, dict[str, Any]]  # an event's kind, and its data
Classifier = Callable[[Inbox], AsyncIterator[Found]]
Call = Callable[[str, bytes], Awaitable[bytes]]  # posts a second of audio to a sidecar


@attrs.frozen
class Tone:
    label: str
    score: float


@attrs.frozen
class Speaker:
    speaker: int


@attrs.frozen
class Transcript:
    text: str


@attrs.frozen
class Queue:
    waiting: int
    dropped: int


@attrs.frozen
class Environ:
    what: str
    value: str


KINDS = dict(tone=Tone, speaker=Speaker, transcript=Transcript, queue=Queue, environ=Environ)


def analyse(pcm: bytes) -> list[Found]:
    """Stand in for a model."""
    level = audio.level(pcm)
    score = round(min(1.0, max(0.0, (level - 50) / 30)), 2)
    if level < audio.LOUD:
        return [("tone", {"label": "calm", "score": score})]
    text = f"{len(pcm) / 2 / audio.RATE:.1f} s at {level:.0f} dB"
    tone = {"label": "lively", "score": score}
    return [("tone", tone), ("speaker", {"speaker": 1}), ("transcript", {"text": text})]


DEVICE = {"what": "device", "value": "a recording"}

# The session.


async def in_process(inbox: Inbox) -> AsyncIterator[Found]:
    """Classify each chunk by itself."""
    async for cast in inbox:
        for found in analyse(cast.data):
            yield found


async def by_sidecar(url: str, inbox: Inbox, call: Call) -> AsyncIterator[Found]:
    """Have the sidecar classify ten chunks at a time; where a call fails, its window is dropped."""
    windows = actors.Windows(inbox, size=10)
    async for window in windows:
        events = [("queue", {"waiting": len(inbox), "dropped": windows.dropped + 1})]
        with windows.dropping():
            pcm = b"".join(cast.data for cast in window)
            with trio.fail_after(CALL_SECONDS):
                events = json.loads(await call(url, pcm))
        for kind, data in events:
            yield kind, data


async def annotate(service: Service, lease: Lease[str], classifier: Classifier, call: Call) -> None:
    """Be the session: classify what is cast, and record what is found."""
    async with service.hold(lease) as url:
        where = {"what": "classifier", "value": url or "in process"}
        await service.record("environ", where)
        found = by_sidecar(url, service.inbox, call) if url else classifier(service.inbox)
        async with aclosing(found):
            async for kind, data in found:
                if kind != "tone" or data["score"] >= THRESHOLD:
                    await service.record(kind, data)


def session(
    lease: Lease[str] | None = None,
    *,
    classifier: Classifier = in_process,
    call: Call = processes.post,
    most: int = 8,
    ttl: float = 90.0,
) -> ThreadKind:
    """Return the kind of a session's thread; `classifier` is what there is without a sidecar."""
    return ThreadKind(
        service=partial(annotate, lease=lease or Lease(), classifier=classifier, call=call),
        on_exit="end_thread",
        lifetime=actors.EndAfter(ttl=ttl),
        capacity=actors.Capacity("sessions", most),
        casts={audio.KIND: audio.whole_chunk},
        records=KINDS,
    )


# The sidecar, and who lends it.


class Sidecar(BaseHTTPRequestHandler):
    """Classifies what is posted."""

    def do_POST(self) -> None:
        pcm = self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps(analyse(pcm)).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Orchestrator:
    """Lends sidecars, each a process of its own."""

    def __init__(self) -> None:
        self.lent: dict[str, processes.Program] = {}
        self.lease = Lease(
            allocate=self._allocate, release=self._release, allocate_seconds=30, release_seconds=5
        )

    async def _allocate(self, thread: str) -> str:
        program = processes.Program(__file__, "sidecar")
        try:
            await program.start()
        except BaseException:
            await program.kill()  # noqa: ASYNC102 - it shields itself
            raise
        self.lent[program.url] = program
        return program.url

    async def _release(self, url: str) -> None:
        await self.lent.pop(url).kill()


# A client.


async def play(client: Client, thread: str, chunks: Sequence[bytes]) -> None:
    """Play some chunks, at many times their speed."""
    for chunk in chunks:
        client.cast(thread, audio.KIND, chunk)
        await trio.sleep(0.002)


async def show(client: Client, thread: str) -> None:
    """Print the session's events, until its stream is closed."""
    async with client.attach(thread) as stream:
        async for batch in stream:
            if isinstance(batch, actors.Events):
                events = (entry.event for entry in batch.entries)
                for event in (e for e in events if isinstance(e, actors.Recorded)):
                    print(f"  {thread}: {event.kind:10}", *event.data.values())
        print(f"  {thread}: the stream is closed")


async def main() -> None:
    """Play it all."""
    lender, chunks = Orchestrator(), audio.chunks_of()
    kinds = {"leased": session(lender.lease, most=2), "alone": session(most=2, ttl=0.5)}
    with tempfile.TemporaryDirectory() as folder:
        async with (
            actors.open_runtime(f"{folder}/tone.db", kind_of=lambda t: kinds[t[:-2]]) as runtime,
            trio.open_nursery() as tasks,
        ):
            server = await tasks.start(partial(serve, runtime, port=0))
            async with connect(server.url) as client:
                await client.record("leased-1", "environ", DEVICE)
                tasks.start_soon(show, client, "leased-1")
                await play(client, "leased-1", chunks[:50])
                while not lender.lent:  # noqa: ASYNC110 - nothing tells
                    await trio.sleep(0.01)
                await trio.sleep(0.2)
                print("the sidecar is killed")
                for program in lender.lent.values():
                    await program.kill()
                await play(client, "leased-1", chunks[50:])

                await client.record("alone-1", "environ", DEVICE)
                try:
                    await client.record("alone-2", "environ", DEVICE)
                except actors.Rejected as refusal:
                    print("a third session is refused:", refusal)
                with trio.move_on_after(0.3):
                    async with trio.open_nursery() as watching:
                        watching.start_soon(show, client, "alone-1")
                        await play(client, "alone-1", chunks[30:34])
                        await trio.sleep_forever()
                print("alone-1 was left")

                print("leased-1 is ended:", await client.end("leased-1"), "and lent:", lender.lent)
                print("once more:", await client.end("leased-1"))
                while runtime.statistics().active:  # noqa: ASYNC110 - nothing tells
                    await trio.sleep(0.05)
                print("alone-1 was reaped half a second later, and nothing is left")
            server.stop()


if __name__ == "__main__":
    if sys.argv[1:2] == ["sidecar"]:
        listening = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Sidecar)
        print(f"listening on http://127.0.0.1:{listening.server_port}", flush=True)
        listening.serve_forever()
    else:
        trio.run(main)

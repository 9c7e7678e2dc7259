"""Live annotation of tone, by a classifier in the process or in a sidecar of its own.

    python docs/examples/tone.py

A session leases a sidecar, a program that classifies a second of audio for each HTTP call. It is
killed while a recording is played; another session does without one. There are two places, and a
third session is refused. A session that is ended or was left gives back what it had.
"""

import json
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import attrs
import audio
import trio

import actors
from actors import Inbox, Lease, Program, Service, ThreadKind
from transport import Client, connect, serve

THRESHOLD, CALL_SECONDS = 0.6, 2.0
DEVICE = {"what": "device", "value": "a recording"}

Found = tuple[str, dict[str, Any]]  # an event's kind, and its data
Classifier = Callable[[Inbox], AsyncGenerator[Found, None]]
Call = Callable[[str, bytes], Awaitable[bytes]]  # posts a second of audio to a sidecar

FIELDS: dict[str, dict[str, type]] = {
    "tone": {"label": str, "score": float},
    "speaker": {"speaker": int},
    "transcript": {"text": str},
    "queue": {"waiting": int, "dropped": int},
    "environ": {"what": str, "value": str},
}
KINDS = {
    kind: attrs.make_class(kind, {name: attrs.field(type=of) for name, of in fields.items()})
    for kind, fields in FIELDS.items()
}


def analyse(pcm: bytes) -> list[Found]:
    """Stand in for a model."""
    level = audio.level(pcm)
    score = round(min(1.0, max(0.0, (level - 50) / 30)), 2)
    if level < audio.LOUD:
        return [("tone", {"label": "calm", "score": score})]
    text = f"{len(pcm) / 2 / audio.RATE:.1f} s at {level:.0f} dB"
    tone = {"label": "lively", "score": score}
    return [("tone", tone), ("speaker", {"speaker": 1}), ("transcript", {"text": text})]


class Sidecar(BaseHTTPRequestHandler):
    """Classifies what is posted."""

    def do_POST(self) -> None:
        pcm = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(analyse(pcm)).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


async def post(url: str, pcm: bytes) -> bytes:
    """Have a sidecar classify a second of audio; a call that is cancelled is hung up."""
    host, _, port = url.removeprefix("http://").partition(":")
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        head = b"POST / HTTP/1.0\r\ncontent-length: %d\r\n\r\n" % len(pcm)
        await stream.send_all(head + pcm)
        answer = b"".join([data async for data in stream])
    return answer.partition(b"\r\n\r\n")[2]


async def in_process(inbox: Inbox) -> AsyncGenerator[Found, None]:
    """Classify each chunk by itself."""
    async for cast in inbox:
        for found in analyse(cast.data):
            yield found


async def by_sidecar(url: str, inbox: Inbox, call: Call) -> AsyncGenerator[Found, None]:
    """Have the sidecar classify ten chunks at a time; where a call fails, its window is dropped."""
    windows = actors.Windows(inbox, size=10)
    async for window in windows:
        events = [("queue", {"waiting": len(inbox), "dropped": windows.dropped + 1})]
        with windows.dropping():
            with trio.fail_after(CALL_SECONDS):
                events = json.loads(await call(url, b"".join(cast.data for cast in window)))
        for kind, data in events:
            yield kind, data


async def annotate(
    service: Service, lease: Lease[str], classifier: Classifier = in_process, call: Call = post
) -> None:
    """Be the session: classify what is cast, and record what is found."""
    async with service.hold(lease) as url:
        await service.record("environ", {"what": "classifier", "value": url or "in process"})
        found = by_sidecar(url, service.inbox, call) if url else classifier(service.inbox)
        async with aclosing(found):
            async for kind, data in found:
                if kind != "tone" or data["score"] >= THRESHOLD:
                    await service.record(kind, data)


def session(lease: Lease | None = None, most: int = 8, ttl: float = 90, **how: Any) -> ThreadKind:
    """Return the kind of a session's thread; `how` it classifies is for `annotate`."""
    return ThreadKind(
        service=partial(annotate, lease=lease or Lease(), **how),
        on_exit="end_thread",
        lifetime=actors.EndAfter(ttl=ttl),
        capacity=actors.Capacity("sessions", most),
        casts={audio.KIND: audio.whole_chunk},
        records=KINDS,
    )


class Orchestrator:
    """Lends sidecars, each a process of its own."""

    def __init__(self) -> None:
        self.lent: dict[str, Program] = {}
        self.lease = Lease(allocate=self._allocate, release=self._release)

    async def _allocate(self, thread: str) -> str:
        program = Program(sys.executable, __file__, "sidecar", "{port}")
        await program.start()
        self.lent[program.url] = program
        return program.url

    async def _release(self, url: str) -> None:
        await self.lent.pop(url).kill()


async def play(client: Client, thread: str, chunks: Sequence[bytes]) -> None:
    """Play some chunks, at many times their speed."""
    for chunk in chunks:
        client.cast(thread, audio.KIND, chunk)
        await trio.sleep(0.002)


async def show(client: Client, thread: str) -> None:
    """Print a session's events, until its stream is closed."""
    async with client.attach(thread) as stream:
        async for batch in stream:
            for fact in actors.facts_of(batch):
                said = ", ".join(f"{name} {value}" for name, value in fact.data.items())
                print(f"  {thread}: {fact.kind:10} {said}")
    print(f"  {thread}: the stream is closed")


async def scene(client: Client, sidecars: dict[str, Program]) -> None:
    """Play to a session whose sidecar is killed, and to one that has none."""
    chunks = audio.chunks_of()
    async with trio.open_nursery() as tasks:
        await client.record("leased-1", "environ", DEVICE)
        tasks.start_soon(show, client, "leased-1")
        await play(client, "leased-1", chunks[:50])
        while not sidecars:  # noqa: ASYNC110 - nothing tells
            await trio.sleep(0.01)
        await trio.sleep(0.2)
        print("the sidecar is killed")
        for program in sidecars.values():
            await program.kill()
        await play(client, "leased-1", chunks[50:])

        await client.record("alone-1", "environ", DEVICE)
        try:
            await client.record("alone-2", "environ", DEVICE)
        except actors.Rejected as refusal:
            print("a third session is refused:", refusal)
        tasks.start_soon(play, client, "alone-1", chunks[30:34])
        with trio.move_on_after(0.3):
            await show(client, "alone-1")
        print("alone-1 was left")

        print("leased-1 is ended:", await client.end("leased-1"))
        print("sidecars that are still lent:", len(sidecars))
        print("leased-1 is ended once more:", await client.end("leased-1"))


async def main() -> None:
    """Serve both kinds of session, and see that nothing is left of them."""
    lender = Orchestrator()
    kinds = {"leased": session(lender.lease, most=2), "alone": session(most=2, ttl=0.5)}
    with tempfile.TemporaryDirectory() as folder:
        opened = actors.open_runtime(f"{folder}/tone.db", kind_of=lambda t: kinds[t[:-2]])
        async with opened as runtime, trio.open_nursery() as tasks:
            server = await tasks.start(partial(serve, runtime, port=0))
            async with connect(server.url) as client:
                await scene(client, lender.lent)
            while runtime.statistics().active:  # noqa: ASYNC110 - nothing tells
                await trio.sleep(0.05)
            print("alone-1 was reaped half a second later, and nothing is left")
            server.stop()


if __name__ == "__main__":
    try:
        if sys.argv[1:2] == ["sidecar"]:
            listening = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Sidecar)
            print(f"listening on http://127.0.0.1:{listening.server_port}", flush=True)
            listening.serve_forever()
        else:
            trio.run(main)
    except* KeyboardInterrupt:
        print("stopped")

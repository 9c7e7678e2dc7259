"""Real conversations over real sockets, through cuts and killed servers (I2–I5, I9)."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import trio
from attrs import evolve

from .campaign import Talk, conversations, judge
from .conversations import load
from .proxy import CuttingProxy, Quotas
from .server_process import ServerProcess

if TYPE_CHECKING:
    from pathlib import Path

HANDLER = "tests.real_input.conversations:reply"
# The client waits longer after each cut, as it should; the bare reader comes back at once.
CLIENT_CUTS = {"frame": 10, "before_reply": 36, "before_attached": 6}
READER_CUTS = {"frame": 100, "before_attached": 34, "byte": 140}
KILLS = 20
# Turns that have to be streaming at each kill.
STREAMING = 10
SECONDS = 150


async def test_transcripts_survive_cuts_at_drawn_bytes(tmp_path: Path) -> None:
    rng = random.Random(20_261_121)
    server = ServerProcess(tmp_path, HANDLER)
    with trio.fail_after(SECONDS):
        await server.start()
        async with trio.open_nursery() as nursery:
            for_clients = CuttingProxy(server.port, Quotas(rng, CLIENT_CUTS))
            for_readers = CuttingProxy(server.port, Quotas(rng, READER_CUTS))
            client_port = await nursery.start(for_clients.serve)
            reader_port = await nursery.start(for_readers.serve)
            url = f"http://127.0.0.1:{client_port}"
            talks: list[Talk] = []
            while not (for_clients.done and for_readers.done):
                # A machine that is busy makes fewer frames of a conversation, so fewer cuts.
                several = [evolve(one, id=f"{one.id}.{len(talks)}") for one in load()]
                async with conversations(several, url, reader_port) as talking:
                    talks += talking
            nursery.cancel_scope.cancel()
        assert await server.stop() == 0
    cuts = for_clients.cuts + for_readers.cuts
    resumes = sum(talk.seen.resumes for talk in talks)
    print(f"\ncuts: {dict(cuts)}, {cuts.total()} in all, over {len(talks)} conversations")
    print(f"{resumes} resumes of bare readers")
    assert [judge(talk) for talk in talks] == [0] * len(talks)
    assert cuts.total() >= 300
    assert cuts["frame"] >= 100
    assert cuts["before_reply"] >= 30
    assert cuts["before_attached"] >= 30


async def test_transcripts_survive_kill_9(tmp_path: Path) -> None:
    rng = random.Random(20_261_121)
    server = ServerProcess(tmp_path, HANDLER, HOLDFAST_TEST_PACE="0.012")
    streaming: list[int] = []
    with trio.fail_after(SECONDS):
        await server.start()
        url = f"http://127.0.0.1:{server.port}"
        async with conversations(load(), url, server.port) as talks:
            for _ in range(KILLS):
                started = trio.current_time()
                await _many_streaming(talks, started)
                await trio.sleep(rng.random() * 0.2)
                streaming.append(_streaming(talks, started))
                await server.kill()
                await server.start()
        assert await server.stop() == 0
    interrupted = sum(judge(talk) for talk in talks)
    print(f"\nstreaming at each kill: {streaming}; {interrupted} turns interrupted and asked again")
    assert len(streaming) == KILLS
    assert sum(count >= STREAMING for count in streaming) >= 15
    assert interrupted >= 15 * STREAMING


def _streaming(talks: list[Talk], since: float) -> int:
    """Count the turns that run and were heard to, on the server that was started at `since`."""
    return sum(bool(talk.seen.running) and talk.seen.heard_at > since for talk in talks)


async def _many_streaming(talks: list[Talk], since: float) -> None:
    while _streaming(talks, since) < STREAMING + 3:  # noqa: ASYNC110 - thirty things move
        await trio.sleep(0.01)

"""The turn handler of the server under test: the first word of a message says what it does.

It runs in the server's process, whose working directory is where it leaves its notes.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio
import trio.to_thread

from actors import Service, ThreadKind, Turn, Windows
from actors.errors import TurnOver

_released: defaultdict[str, trio.Event] = defaultdict(trio.Event)

# A failure that says what no client may read.
SECRET = "no such table: SELECT body FROM event, in /srv/secret/chat.db"


async def reply(turn: Turn) -> None:
    """Do what the message says."""
    wish, *arguments = turn.text.split()
    await _WISHES[wish](turn, *arguments)


async def say(turn: Turn, count: str, pause: str = "0", *_: str) -> None:
    """Write so many numbers, with a pause in seconds before each; further words are ignored."""
    for number in range(int(count)):
        await trio.sleep(float(pause))
        await turn.write(f"{number} ")


async def stream(turn: Turn, name: str) -> None:
    """Write numbers until somebody releases that name, then a last word."""
    number = 0
    while not _released[name].is_set():
        await turn.write(f"{number} ")
        number += 1
        await trio.sleep(STREAM_SECONDS)
    await turn.write("end")


async def release(turn: Turn, name: str) -> None:
    """End the streams of that name."""
    _released[name].set()
    await turn.write("released")


async def hold(turn: Turn, seconds: str = "0") -> None:
    """Write three pieces and wait to be cancelled; then take that long, and leave a note."""
    try:
        for number in range(3):
            await turn.write(f"{number} ")
        await trio.sleep_forever()
    finally:
        with trio.move_on_after(float(seconds), shield=True):
            await trio.sleep_forever()
        _note(f"finally-{turn.id}", str(time.monotonic_ns()))


async def linger(turn: Turn) -> None:
    """Write, and take a while to leave although nobody cancelled."""
    try:
        await turn.write("said")
        await turn.flush()
    finally:
        with trio.move_on_after(0.05, shield=True):
            await trio.sleep_forever()
        _note(f"finally-{turn.id}", "left")


async def context(turn: Turn, *_: str) -> None:
    """Write what a model would be given."""
    await turn.write(json.dumps(turn.messages()))


async def fail(turn: Turn) -> None:
    """Write, and raise what nobody outside may read."""
    await turn.write("before ")
    raise RuntimeError(SECRET)


async def hang(turn: Turn) -> None:
    """Write nothing, for ever."""
    await trio.sleep_forever()


async def stubborn(turn: Turn) -> None:
    """Swallow the cancellation, stay for longer than the grace, and try to write then."""
    await turn.write("before ")
    try:
        await trio.sleep_forever()
    except trio.Cancelled:  # noqa: ASYNC103 - being wrong is what it is for
        with trio.move_on_after(STUBBORN_SECONDS, shield=True):
            await trio.sleep_forever()
    try:
        with trio.CancelScope(shield=True):
            await turn.write("too late")  # noqa: ASYNC102 - likewise
    except TurnOver:
        _note(f"over-{turn.id}", "TurnOver")


async def worker(turn: Turn) -> None:
    """Sit in a worker thread for longer than the grace."""
    await turn.write("before ")
    await trio.to_thread.run_sync(time.sleep, STUBBORN_SECONDS)
    _note(f"over-{turn.id}", "came back")


async def flood(turn: Turn) -> None:
    """Write a piece that is larger than a piece may be."""
    await turn.write("before ")
    await turn.write("x" * (1 << 20))


async def block(turn: Turn) -> None:
    """Hold the event loop."""
    await turn.write("before ")
    time.sleep(BLOCK_SECONDS)  # noqa: ASYNC251 - being wrong is what it is for


STREAM_SECONDS = 0.05
STUBBORN_SECONDS = 2.0
BLOCK_SECONDS = 1.2

_WISHES: dict[str, Callable[..., Awaitable[None]]] = {
    wish.__name__: wish
    for wish in (
        say,
        stream,
        release,
        hold,
        linger,
        context,
        fail,
        hang,
        stubborn,
        worker,
        flood,
        block,
    )
}

KIND = ThreadKind(on_turn=reply)
# A handler that is silent, or will not stop, is dealt with within the time that a test has.
IMPATIENT = ThreadKind(on_turn=reply, no_progress=2.0, cancel_grace=0.5)


async def listen(service: Service) -> None:
    """Record how many bytes each two casts have, or do as the kind says."""
    windows = Windows(service.inbox, size=2)
    try:
        async for window in windows:
            with windows.dropping():
                sizes = [len(cast.data) for cast in window if isinstance(cast.data, bytes)]
                await service.record("heard", sizes)
    finally:
        _note(f"service-{service.thread}", "left")


LISTENING = ThreadKind(on_turn=reply, service=listen)


def _note(name: str, text: str) -> None:
    """Leave a note: whole, or not there."""
    unfinished = Path(f"{name}.new")
    unfinished.write_text(text)
    unfinished.rename(name)

"""Programs in processes of their own: started, killed, and never left behind."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import trio

from actors import Lease, Program, Service, ThreadKind, open_runtime

if TYPE_CHECKING:
    from pathlib import Path

LISTENS = """
import socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening on http://127.0.0.1:%d/" % listener.getsockname()[1], flush=True)
print("x" * 1_000_000, flush=True)  # more than a pipe holds
while True:
    listener.accept()[0].sendall(b"hello")
"""


def program(script: str = LISTENS) -> Program:
    return Program(sys.executable, "-c", script, "{port}")


async def hears(url: str) -> bytes:
    port = int(url.strip("/").rpartition(":")[2])
    with trio.fail_after(20):
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            return bytes(await stream.receive_some())


async def test_it_listens_where_it_says_and_again_there_after_a_restart() -> None:
    async with program() as running:
        url = running.url
        assert await hears(url) == b"hello"
        await running.restart()
        assert running.url == url
        assert await hears(url) == b"hello"
    assert running.process.returncode == -9
    await running.kill()


@pytest.mark.parametrize("script", ["", "print()", "print('x' * 5000)", "raise SystemExit(3)"])
async def test_one_that_does_not_say_where_it_listens_is_an_error(script: str) -> None:
    running = program(script)
    with pytest.raises(OSError, match="did not say where it listens"):
        await running.start()
    assert running.process.returncode is not None


async def test_one_that_is_not_there_is_an_error() -> None:
    with pytest.raises(OSError, match="no-such-program"):
        await Program("no-such-program").start()


async def test_a_start_that_is_cancelled_leaves_no_process() -> None:
    running = program("import time; time.sleep(1000)")
    with trio.move_on_after(0.3):
        await running.start()
    assert running.process.returncode == -9


async def test_it_runs_where_it_is_told_to(tmp_path: Path) -> None:
    script = "import os; print('http://' + os.path.basename(os.getcwd()))"
    async with Program(sys.executable, "-c", script, cwd=tmp_path) as running:
        assert running.url == f"http://{tmp_path.name}"


async def test_a_service_leases_one(tmp_path: Path) -> None:
    """A sidecar of its own for each thread, gone with it."""
    lent: dict[str, Program] = {}
    heard: list[bytes] = []

    async def allocate(thread: str) -> str:
        lent[thread] = program()
        await lent[thread].start()
        return lent[thread].url

    async def release(url: str) -> None:
        await next(each for each in lent.values() if each.url == url).kill()

    lease = Lease(allocate=allocate, release=release)

    async def listen(service: Service) -> None:
        async with service.hold(lease) as url:
            assert url is not None
            heard.append(await hears(url))
            await trio.sleep_forever()

    kind = ThreadKind(service=listen)
    async with open_runtime(tmp_path / "db", kind_of=lambda _: kind) as runtime:
        await runtime.thread("t").open()
        await until(lambda: heard == [b"hello"])
        await runtime.thread("t").end()
        assert lent["t"].process.returncode == -9


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(20):
        while not condition():  # noqa: ASYNC110 - a real process
            await trio.sleep(0.01)

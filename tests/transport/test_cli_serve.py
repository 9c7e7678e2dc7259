"""`holdfast serve` as a program: how it starts, what it refuses, and how it stops."""

from __future__ import annotations

import os
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import trio
from cli_server import (
    HOLDFAST,
    SECONDS,
    ServerProgram,
    environment,
    free_port,
    holdfast,
    invoke,
)

from actors import Events, ThreadKind, TurnDelta
from transport.cli.failures import WrongUsage
from transport.cli.handler_name import load_kind
from transport.cli.serve import _origin
from transport.connecting import connect

if TYPE_CHECKING:
    from pathlib import Path

Start = Callable[..., ServerProgram]

HANDLERS = """
import time
from functools import partial

import trio

from actors import ThreadKind, Turn


async def reply(turn: Turn) -> None:
    await turn.write("from here")


async def pieces(turn: Turn):
    yield "from"
    yield " there"


class Asking:
    async def __call__(self, turn: Turn) -> None:
        await turn.write("asked")


async def with_model(model: str, turn: Turn) -> None:
    await turn.write(model)


async def deaf(turn: Turn) -> None:
    await turn.write("deaf ")
    with trio.CancelScope(shield=True):
        await trio.sleep_forever()


async def holds_the_loop(turn: Turn) -> None:
    while True:
        time.sleep(0.05)


async def two(turn: Turn, more: str) -> None: ...


def plain(turn: Turn) -> str:
    return "plain"


def generator(turn: Turn):
    yield "plain"


asking = Asking()
partial_reply = partial(with_model, "m")
kind = ThreadKind(on_turn=reply, retry=True)
quick_to_abandon = ThreadKind(on_turn=deaf, cancel_grace=0.1)
number = 5
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with modules to find handlers in."""
    (tmp_path / "my_handlers.py").write_text(HANDLERS)
    (tmp_path / "broken_module.py").write_text("import does_not_exist\n")
    (tmp_path / "failing_module.py").write_text("1 / 0\n")
    (tmp_path / "empty_module.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Starts servers, and sees to it that none is left."""
    servers: list[ServerProgram] = []

    def start(*words: object, port: int | None = None) -> ServerProgram:
        servers.append(ServerProgram.start(folder, *words, port=port))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


# Which handler.


@pytest.mark.parametrize("name", ["reply", "pieces", "asking", "partial_reply", "Asking.__call__"])
def test_what_answers_may_be_named(folder: Path, name: str) -> None:
    if name == "Asking.__call__":
        with pytest.raises(WrongUsage, match="expected it to take one turn"):
            load_kind(f"my_handlers:{name}")
    else:
        assert isinstance(load_kind(f"my_handlers:{name}"), ThreadKind)


def test_a_kind_is_taken_as_it_is(folder: Path) -> None:
    assert load_kind("my_handlers:kind").retry


WRONG_HANDLERS = {
    "my_handlers": "expected module:function",
    ":reply": "expected module:function",
    "nowhere:reply": "expected a module nowhere in",
    "nowhere.deep:reply": "expected a module nowhere.deep in",
    "my_handlers:absent": "expected absent in my_handlers, found reply, pieces",
    "empty_module:reply": "expected reply in empty_module, found no handler at all",
    "broken_module:reply": "needs a module that is not installed: does_not_exist",
    "failing_module:reply": "cannot be imported: ZeroDivisionError: division by zero",
    "my_handlers:plain": "found a synchronous function",
    "my_handlers:generator": "found a synchronous generator function",
    "my_handlers:number": "found something of type int",
    "my_handlers:Asking": "found a class, Asking",
    "my_handlers:two": "found parameters (turn: ",
}


@pytest.mark.parametrize("name", WRONG_HANDLERS)
def test_a_wrong_handler_is_one_line_and_exit_code_2(folder: Path, name: str) -> None:
    result = invoke("serve", "--handler", name)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"Error: --handler {name}: ")
    assert WRONG_HANDLERS[name] in line


@pytest.mark.parametrize(
    "words",
    [
        ("--drain", "nan"),
        ("--drain", "-1"),
        ("--drain", "soon"),
        ("--origin", "chat.example"),
        ("--origin", "https://"),
        ("--origin", "https://chat.example/page"),
        ("--port", "99999"),
    ],
)
def test_a_wrong_option_is_named_and_exit_code_2(folder: Path, words: tuple[str, str]) -> None:
    result = invoke("serve", *words)
    assert result.exit_code == 2
    assert f"Error: Invalid value for '{words[0]}'" in result.stderr


def test_it_may_have_nobody_to_print_to(folder: Path) -> None:
    """Such as `holdfast serve | head`: what then goes wrong is not the address."""
    gone, printed = os.pipe()
    os.close(gone)
    try:
        served = subprocess.run(
            [*HOLDFAST, "serve", "--port", "0"],
            cwd=folder,
            env=environment(),
            stdout=printed,
            stderr=subprocess.PIPE,
            text=True,
            timeout=SECONDS,
        )
    finally:
        os.close(printed)
    assert served.returncode == 1
    assert "cannot listen" not in served.stderr
    assert "Traceback" not in served.stderr


def test_an_origin_is_taken_as_browsers_write_it() -> None:
    assert _origin("HTTPS://Chat.example:8443/") == "https://chat.example:8443"


def test_a_service_that_is_not_set_up_is_told_before_anything_starts(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = invoke("serve", "--handler", "actors.handlers.openai:reply")
    assert result.exit_code == 2
    assert "the openai package is missing: pip install 'holdfast[openai]'" in result.stderr


# Starting.


def test_it_says_where_it_is_serves_the_page_and_stops_well(start: Start) -> None:
    server = start()
    lines = server.printed("out").splitlines()
    assert lines[0] == f"Holdfast is listening on {server.url}"
    assert f"holdfast chat {server.url} main" in lines[1]
    assert "--handler my_module:reply" in server.printed("out")
    with urllib.request.urlopen(server.url, timeout=10) as page:
        assert page.status == 200
    second = holdfast("serve", "--port", free_port(), cwd=server.folder)
    assert second.returncode == 1
    assert "holdfast.db is in use by another process" in second.stderr
    assert len(second.stderr.splitlines()) == 1
    taken = holdfast("serve", "--port", server.port, "--db", "other.db", cwd=server.folder)
    assert taken.returncode == 1
    assert f"port {server.port} of 127.0.0.1 is taken" in taken.stderr
    offline = invoke("show", "--db", server.folder / "holdfast.db", "main")
    assert offline.exit_code == 1
    assert "in use by another process" in offline.stderr
    assert "stop the server first, or ask it with --url" in offline.stderr
    assert server.end() == 0
    assert "Traceback" not in server.printed()


def test_strangers_are_warned_of_and_a_handler_of_ones_own_is_not_explained(
    start: Start,
) -> None:
    server = start("--host", "0.0.0.0", "--handler", "my_handlers:reply")
    assert "there is no sign-in yet" in server.printed()
    assert "plug in" not in server.printed("out")
    chat = invoke("chat", server.url, "t", stdin="hi\n")
    assert chat.stdout == "> hi\nfrom here\n"
    assert server.end(signal.SIGINT) == 0


# Stopping.


async def speaking(url: str, thread: str, text: str) -> None:
    """Submit, and return once the answer has begun."""
    async with connect(url) as client:
        receipt = await client.submit(thread, text)
        async with client.attach(thread, receipt.cursor) as stream:
            async for batch in stream:
                if isinstance(batch, Events):
                    events = [entry.event for entry in batch.entries]
                    if any(isinstance(event, TurnDelta) for event in events):
                        return


async def ask_and_go(url: str) -> None:
    """Submit, and wait for no answer, since there may be none."""
    with trio.move_on_after(1):
        async with connect(url) as client:
            await client.submit("t", "hi")


def speak(server: ServerProgram, thread: str, text: str) -> None:
    async def bounded() -> None:
        with trio.fail_after(10):
            await speaking(server.url, thread, text)

    trio.run(bounded)


def test_a_drain_interrupts_what_is_left_and_names_what_would_not_stop(start: Start) -> None:
    server = start("--handler", "my_handlers:quick_to_abandon", "--drain", 0.2)
    speak(server, "t", "hi")
    assert server.end() == 3
    assert "of thread t; its handler did not stop" in server.printed()
    shown = invoke("show", "--db", server.folder / "holdfast.db", "t")
    assert shown.stdout == "> hi\ndeaf \n  [interrupted by a restart]\n"


def test_a_second_ctrl_c_stops_at_once_and_loses_nothing(start: Start) -> None:
    server = start()
    speak(server, "t", "count to 1000")
    server.send(signal.SIGINT)
    server.wait_for("Ctrl-C again stops at once")
    assert server.end(signal.SIGINT) == 130
    shown = invoke("show", "--db", server.folder / "holdfast.db", "t")
    assert shown.stdout.startswith("> count to 1000\n1")
    assert "[not finished]" in shown.stdout


def test_a_handler_that_holds_the_loop_is_named_and_ctrl_c_still_works(start: Start) -> None:
    server = start("--handler", "my_handlers:holds_the_loop")
    trio.run(ask_and_go, server.url)
    server.wait_for("my_handlers.holds_the_loop")
    server.send(signal.SIGINT)
    # Nothing can be seen of the first one, since the loop is held; it was taken when this is.
    assert end_repeatedly(server) == 130


def end_repeatedly(server: ServerProgram) -> int:
    """Press Ctrl-C until it ends, since two signals at once are one."""
    for _ in range(100):
        server.send(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            return server.process.wait(0.1)
    raise AssertionError("it did not end")

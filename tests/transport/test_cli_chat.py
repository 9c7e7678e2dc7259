"""`holdfast chat`, and the commands that ask a server, against a server that is really there."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest
import trio
from cli_server import HOLDFAST, ServerProgram, environment, free_port, invoke
from terminals import Terminal, wait_until

from actors import Events, Position, PositionUnrecoverable, Row, Snapshot
from transport.cli.server_source import rows_until_head
from transport.connecting import connect

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 60.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProgram]:
    """A server with the built-in handler; each test has threads of its own."""
    running = ServerProgram.start(tmp_path_factory.mktemp("server"))
    yield running
    running.close()


@pytest.fixture
def chats() -> Iterator[Callable[..., Terminal]]:
    """Starts chats in terminals, and sees to it that none is left."""
    terminals: list[Terminal] = []

    def start(server: ServerProgram, thread: str, *words: str) -> Terminal:
        command = (*HOLDFAST, "chat", server.url, thread, *words)
        terminals.append(
            Terminal.start(command, columns=50, env=environment(), cwd=str(server.folder))
        )
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()


def see(what: str, *terminals: Terminal) -> None:
    """Wait until every terminal shows a text."""
    wait_until(terminals, lambda: all(what in t.text for t in terminals), SECONDS, what)


def left(terminal: Terminal) -> int:
    """Wait until the program has ended, and return its exit code."""
    wait_until([terminal], lambda: terminal.process.poll() is not None, SECONDS, "it leaves")
    return int(terminal.process.returncode)


# In a terminal.


def test_ctrl_c_stops_the_answer_for_everybody_and_ctrl_d_leaves(
    server: ServerProgram, chats: Callable[..., Terminal]
) -> None:
    a, b = chats(server, "stop"), chats(server, "stop")
    see(">", a, b)
    a.type("count to 1000\r")
    see("1, 2, 3", a, b)
    b.type("half a li")
    see("> half a li", b)
    a.type("\x03")
    see("[stopped]", a, b)
    b.type("\x15hello\r")
    see("kill the server.\n>", a, b)
    assert a.rows == b.rows
    a.type("\x04")
    assert left(a) == 0
    b.type("\x03")
    see("Ctrl-C again, or Ctrl-D, leaves", b)
    b.type("\x03")
    assert left(b) == signal.SIGINT + 128


def test_a_chat_survives_kill_9_and_sends_what_was_typed_meanwhile(
    tmp_path: Path, chats: Callable[..., Terminal]
) -> None:
    first = ServerProgram.start(tmp_path)
    second: ServerProgram | None = None
    try:
        a, b = chats(first, "main"), chats(first, "main")
        see(">", a, b)
        a.type("count to 1000\r")
        see("1, 2, 3", a, b)
        first.end(signal.SIGKILL)
        see("[reconnecting…", a, b)
        a.type("are you back?\r")
        see("1 to be sent", a)
        second = ServerProgram.start(tmp_path, port=first.port)
        see("You said: are you back?", a, b)
        see("thread.)\n", a, b)
        see(">", a, b)
        # Whether the one that only looks on still says so depends on which came first.
        assert a.rows == [row.removeprefix("[reconnected] ") for row in b.rows]
        assert a.text.count("[interrupted by a restart]") == 1
        assert "[reconnect" not in a.text
    finally:
        first.close()
        if second is not None:
            second.close()


def test_what_is_refused_is_told_and_not_lost(
    server: ServerProgram, chats: Callable[..., Terminal]
) -> None:
    chat = chats(server, "busy", "--on-busy", "reject")
    see(">", chat)
    chat.type("count to 1000\r")
    see("1, 2", chat)
    chat.type("me too\r")
    see("[not sent: a turn is running on this thread]", chat)
    see("> me too", chat)
    chat.type("\x03")
    see("[stopped]", chat)
    chat.type("\r")
    see("You said: me too", chat)


def test_the_terminal_is_left_as_it_was(
    server: ServerProgram, chats: Callable[..., Terminal]
) -> None:
    import termios

    chat = chats(server, "modes")
    before = termios.tcgetattr(chat.fd)
    wait_until([chat], lambda: termios.tcgetattr(chat.fd) != before, SECONDS, "keys one by one")
    chat.process.send_signal(signal.SIGTERM)
    assert left(chat) == signal.SIGTERM + 128
    assert termios.tcgetattr(chat.fd) == before


# Without a terminal.


def test_piped_lines_are_answered_one_after_the_other(server: ServerProgram) -> None:
    done = invoke("chat", server.url, "piped", stdin="one\n\ncount to 3\n")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "> one\nYou said: one\n\n> count to 3\n1, 2, 3.\n"
    assert invoke("chat", server.url, "piped", stdin="").stdout == done.stdout


def test_a_failed_answer_is_an_exit_code(server: ServerProgram) -> None:
    done = invoke("chat", server.url, "failed", stdin="fail\n")
    assert done.exit_code == 1
    assert "[failed: You asked me to fail, and so I did.]" in done.stdout
    assert "\x1b" not in done.stdout


def test_nobody_there_is_said_at_once() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    for words in (("chat", url), ("threads", url), ("show", "t", "--url", url), ("export", url)):
        done = invoke(*words, stdin="")
        assert done.exit_code == 1
        assert f"cannot reach a server at {url}" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert invoke("chat", "nonsense://x", stdin="").exit_code == 2


def test_an_interrupted_pipe_stops_the_answer_first(server: ServerProgram) -> None:
    chat = subprocess.Popen(
        [*HOLDFAST, "chat", server.url, "interrupted"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=server.folder,
        env=environment(),
    )
    try:
        assert chat.stdin is not None
        assert chat.stdout is not None
        chat.stdin.write(b"count to 1000\n")
        chat.stdin.close()
        assert chat.stdout.readline() == b"> count to 1000\n"
        chat.send_signal(signal.SIGINT)
        assert b"[stopped]" in chat.stdout.read()
        assert chat.wait(SECONDS) == 1
    finally:
        chat.kill()
        chat.wait()
        chat.stdout.close()  # type: ignore[union-attr] - it was opened as a pipe above


# Reading from a server.


def test_a_server_is_read_like_its_file(tmp_path: Path) -> None:
    """Listing, transcripts and exports are the same from a server and from the file it leaves."""
    server = ServerProgram.start(tmp_path)
    try:
        trio.run(fill, server.url)
        asked = read_all("--url", server.url)
        partial = invoke("show", "plain", "--last", 3, "--url", server.url)
        assert partial.stdout.startswith("I have thought about it: two\n\n> three\n")
        missing = invoke("show", "nobody", "--url", server.url)
        assert (missing.exit_code, missing.stderr) == (1, "Error: there is no thread nobody\n")
        assert server.end() == 0
    finally:
        server.close()
    found = read_all("--db", tmp_path / "holdfast.db")
    assert asked["threads"] == found["threads"]
    assert asked["shown"] == found["shown"]
    assert asked["exported"]["plain"] == found["exported"]["plain"]
    # A client cannot be told the offsets in front of a truncation; the items it can.
    assert asked["exported"]["cut"] != found["exported"]["cut"]
    for exported in (asked, found):
        lines = "".join(exported["exported"].values())
        assert imported(tmp_path / "copy.db", lines) == found["shown"]


async def test_what_comes_behind_the_head_of_an_export_is_left_out() -> None:
    def batch(*offsets: int) -> Events:
        rows = tuple(Row(offset, offset, b"{}") for offset in offsets)
        return Events("t", rows, Position(1, offsets[-1]))

    async def stream(*batches: object) -> AsyncGenerator[object, None]:
        for each in batches:
            yield each

    async def offsets(head: int, first: object, *rest: object) -> list[int]:
        async with aclosing(stream(*rest)) as batches:
            rows = rows_until_head(first, batches, Position(1, head))
            return [row.offset async for row in rows]

    assert await offsets(3, batch(1, 2, 3, 4, 5)) == [1, 2, 3]
    assert await offsets(3, batch(1, 2), batch(3), batch(4)) == [1, 2, 3]
    with pytest.raises(PositionUnrecoverable):
        await offsets(3, batch(1, 2), Snapshot(thread="t", position=Position(1, 9)))


async def fill(url: str) -> None:
    """Make a thread, and another that was truncated."""
    with trio.fail_after(SECONDS):
        async with connect(url) as client:
            for thread in ("plain", "cut"):
                for text in ("one", "think about two", "three"):
                    async with client.ask(thread, text) as answer:
                        async for _ in answer:
                            pass
            page = await client.history("cut")
            await client.truncate("cut", page.items[-2].item)


def read_all(*where: object) -> dict[str, dict[str, str]]:
    listed = invoke("threads", "--json", *where).stdout.splitlines()
    names = [json.loads(line)["thread"] for line in listed]
    exported: dict[str, str] = {}
    for line in invoke("export", *where).stdout.splitlines(keepends=True):
        row = json.loads(line)
        if row["type"] == "thread":
            name = row["thread"]
            exported[name] = ""
        exported[name] += line
    return {
        "threads": {json.loads(line)["thread"]: line for line in listed},
        "shown": {name: invoke("show", name, *where).stdout for name in names},
        "exported": exported,
    }


def imported(copy: Path, lines: str) -> dict[str, str]:
    """Import an export into a new file, and return the transcripts there."""
    copy.unlink(missing_ok=True)
    done = invoke("import", "-", "--db", copy, stdin=lines)
    assert done.exit_code == 0, done.stderr
    assert "sound" in invoke("verify", copy).stdout
    return {name: invoke("show", name, "--db", copy).stdout for name in ("cut", "plain")}

"""`holdfast serve --record`, killed in the middle and started again, and its replay."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
import trio

from tests.transport.cli_server import ServerProgram, holdfast
from transport import connect

if TYPE_CHECKING:
    from pathlib import Path

    from transport import Client

HANDLER = """
import trio

async def reply(turn):
    await turn.write("on ")
    await turn.write("it")
    if "wait" in turn.text:
        await turn.flush()
        await trio.sleep_forever()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "own.py").write_text(HANDLER)
    return tmp_path


def serve(folder: Path) -> ServerProgram:
    return ServerProgram.start(folder, "--handler", "own:reply", "--record", "rec")


async def ask(client: Client, text: str, key: str) -> None:
    """Read an answer up to its last word."""
    with trio.fail_after(30):
        async with client.ask("t-1", text, key=key, on_busy="queue") as answer:
            said = ""
            async for piece in answer:
                said += piece
                if said == "on it":
                    return


async def before(url: str) -> None:
    async with connect(url) as client:
        await ask(client, "hello", "k-1")
        await client.submit("t-1", "hello", key="k-1")
        await ask(client, "please wait", "k-2")


async def after(url: str) -> None:
    async with connect(url) as client:
        assert (await client.submit("t-1", "please wait", key="k-2")).duplicate
        await ask(client, "goodbye", "k-3")


def test_a_server_that_was_killed_is_replayed(folder: Path) -> None:
    for what, number in ((before, signal.SIGKILL), (after, signal.SIGTERM)):
        server = serve(folder)
        try:
            trio.run(what, server.url)
            server.end(number)
        finally:
            server.close()
    assert b"hello" not in (folder / "rec" / "commands.jsonl").read_bytes()
    done = holdfast("replay", "rec", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "the process is killed" in done.stdout
    assert "turn.interrupted" in done.stdout
    assert "reads user 'hello'" in done.stdout
    assert "differs" not in done.stdout

    own = holdfast("replay", "rec", "--handler", "own:reply", cwd=folder)
    assert (own.returncode, own.stderr) == (0, "")
    missing = holdfast("replay", "rec", "--db", "other.db", cwd=folder)
    assert missing.returncode == 1
    assert "expected the journal of the incident at other.db" in missing.stderr
    wrong = holdfast("replay", "rec", "--authorise", "own:reply", cwd=folder)
    assert wrong.returncode == 2

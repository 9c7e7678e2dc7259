"""A recording tells what was asked and what came of it, within its bound; not what was said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
from attrs import evolve

from actors import DEFAULT_LIMITS, OnBusy, Rejected, open_runtime

if TYPE_CHECKING:
    from pathlib import Path

    from actors import Runtime, Turn


async def reply(turn: Turn) -> None:
    await turn.write(turn.text)


def told(folder: Path, name: str = "commands.jsonl") -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in (folder / name).read_bytes().splitlines()]


def told_in_words(lines: list[dict[str, Any]]) -> list[str]:
    named = ("command", "answer", "refused", "state", "mode")
    return [
        " ".join([line["line"], *(str(line[name]) for name in named if name in line)])
        for line in lines
    ]


async def say(runtime: Runtime, text: str, **more: Any) -> str:
    thread = runtime.thread("t-1", "ann")
    receipt = await thread.submit(text, **more)
    await thread.outcome(receipt.turn)
    return receipt.turn


async def test_it_tells_what_was_asked_and_what_came_of_it(tmp_path: Path) -> None:
    async with open_runtime(tmp_path / "j.db", on_turn=reply, record_to=tmp_path) as runtime:
        thread = runtime.thread("t-1", "ann")
        async with thread.attach(None):
            turn = await say(runtime, "hello", key="k-1")
        with pytest.raises(Rejected):
            await thread.cancel("nobody")
    lines = told(tmp_path)
    assert told_in_words(lines) == [
        "start",
        "attached snapshot",
        "asked submit",
        "claimed",
        "answered submitted",
        "ended completed",
        "detached",
        "asked cancel",
        "answered turn_not_found",
        "stop",
    ]
    asked = next(line for line in lines if line["line"] == "asked")
    assert (asked["thread"], asked["principal"], asked["turn"]) == ("t-1", "ann", turn)
    assert asked["key"] == "k-1"


async def test_nothing_that_was_said_is_in_it(tmp_path: Path) -> None:
    async def busy(turn: Turn) -> None:
        await turn.write("answer-secret")
        await turn.flush()

    async with open_runtime(tmp_path / "j.db", on_turn=busy, record_to=tmp_path) as runtime:
        await say(runtime, "message-secret", metadata={"token": "metadata-secret"})
        await runtime.thread("t-1").record("note", "record-secret")
        with pytest.raises(Rejected):
            await runtime.thread("t-1").submit("", on_busy=OnBusy.REJECT)
    assert b"secret" not in (tmp_path / "commands.jsonl").read_bytes()


async def test_the_oldest_lines_go_and_are_counted(tmp_path: Path) -> None:
    limits = evolve(DEFAULT_LIMITS, record_bytes=20_000)
    folder = tmp_path / "recording"
    async with open_runtime(
        tmp_path / "j.db", on_turn=reply, record_to=folder, limits=limits
    ) as runtime:
        for number in range(60):
            await say(runtime, f"message {number}")
    assert sum(path.stat().st_size for path in folder.iterdir()) <= limits.record_bytes
    first, second, *_ = told(folder, "commands.older.jsonl")
    assert first["line"] == "goes_on"
    assert first["dropped"] > 0
    assert (second["line"], second["thread"]) == ("claimed", "t-1")
    kept = told(folder, "commands.older.jsonl") + told(folder)
    numbers = [line["n"] for line in kept if line["line"] == "asked"]
    assert numbers == list(range(numbers[0], 61))


async def test_a_slow_disk_leaves_lines_out_and_counts_them(tmp_path: Path) -> None:
    limits = evolve(DEFAULT_LIMITS, record_buffer_bytes=5_000)
    async with open_runtime(
        tmp_path / "j.db", on_turn=reply, record_to=tmp_path, limits=limits
    ) as runtime:
        post = runtime.registry.around.recording
        assert post is not None
        for _ in range(100):  # within one tick of the loop: nothing is written meanwhile
            post.failed("t-1", ValueError())
        await say(runtime, "hello")
    lines = told(tmp_path)
    missing = next(line["lines"] for line in lines if line["line"] == "missing")
    failed = sum(line["line"] == "failed" for line in lines)
    assert missing > 0
    assert missing + failed >= 100


async def test_a_disk_that_fails_ends_it_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "commands.jsonl").symlink_to("/dev/full")
    async with open_runtime(tmp_path / "j.db", on_turn=reply, record_to=tmp_path) as runtime:
        await say(runtime, "hello")
        await say(runtime, "hello again")
    assert "is over: No space left on device" in caplog.text


async def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        async with open_runtime(
            tmp_path / "j.db", on_turn=reply, record_to=tmp_path / "file" / "below"
        ):
            raise AssertionError("it opened")


async def test_a_line_that_a_crash_cut_short_is_ended(tmp_path: Path) -> None:
    (tmp_path / "commands.jsonl").write_bytes(b'{"line":"ask')
    async with open_runtime(tmp_path / "j.db", on_turn=reply, record_to=tmp_path):
        pass
    cut, *rest = (tmp_path / "commands.jsonl").read_bytes().splitlines()
    assert cut == b'{"line":"ask'
    assert [orjson.loads(line)["line"] for line in rest] == ["start", "stop"]


async def test_a_function_is_given_the_lines(tmp_path: Path) -> None:
    lines: list[bytes] = []
    async with open_runtime(tmp_path / "j.db", on_turn=reply, record_to=lines.append) as runtime:
        await say(runtime, "hello")
    assert next(orjson.loads(line)["line"] for line in lines) == "start"
    assert all(line.endswith(b"\n") for line in lines)


def test_its_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    from actors.incident.output import open_files

    open_files(tmp_path / "recording").close()
    modes = [
        path.stat().st_mode & 0o777 for path in (tmp_path / "recording", *tmp_path.rglob("*.jsonl"))
    ]
    assert modes == [0o700, 0o600]

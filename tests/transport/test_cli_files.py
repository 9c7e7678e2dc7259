"""The commands that read and write a journal's file while no server has it."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Iterator
from typing import TYPE_CHECKING

import orjson
import pytest
import trio
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from actors.core.events import TurnDelta
from actors.core.turn_lifecycle import TurnState
from actors.journal.sqlite import open_sqlite_journal
from actors.testing.scripted_thread import ScriptedThread
from transport.cli import main
from transport.cli.thread_lines import Complete, Refused, header_line, lines_of, read_threads

if TYPE_CHECKING:
    from pathlib import Path

THREADS = 3


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A file with three settled threads, a truncated one, and one with an open turn."""
    path = tmp_path / "chat.db"

    async def write() -> None:
        async with await open_sqlite_journal(path) as journal:
            for number in range(THREADS):
                thread = await ScriptedThread.claim(journal, f"t-{number}", at=1000.0 * number)
                await thread.turn("t1", "Good ", "morning", message="Hello")
                await thread.submit("t2", "Go on")
                await thread.start("t2")
                await thread.say("t2", "half of it")
                await thread.end("t2", TurnState.CANCELLED)
            cut = await ScriptedThread.claim(journal, "cut", at=7000.0)
            await cut.turn("t1", "kept", message="first")
            await cut.turn("t2", "SECRET", message="second")
            await cut.truncate("t1.1")
            open_ = await ScriptedThread.claim(journal, "open", at=9000.0)
            await open_.submit("t1", "Hello?")
            await open_.start("t1")
            await open_.write(TurnDelta("t1", "t1.1", "half an ans"))
            await open_.submit("t2", "And this?")

    trio.run(write)
    return path


def holdfast(*words: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], input=stdin)


def done(*words: object, stdin: bytes | None = None) -> Result:
    result = holdfast(*words, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result


def transcripts(db: Path) -> dict[str, str]:
    listed = [
        json.loads(line) for line in done("threads", "--db", db, "--json").stdout.splitlines()
    ]
    return {t["thread"]: done("show", "--db", db, t["thread"]).stdout for t in listed}


def test_threads_are_listed_last_activity_first(db: Path) -> None:
    lines = done("threads", "--db", db).stdout.splitlines()
    assert [line.split()[-1] for line in lines] == ["open", "cut", "t-2", "t-1", "t-0"]
    assert [line.split()[2] for line in lines] == ["running", "idle", "idle", "idle", "idle"]


def test_a_transcript_reads_as_it_was_said(db: Path) -> None:
    assert done("show", "--db", db, "t-0").stdout == (
        "> Hello\nGood morning\n\n> Go on\nhalf of it\n  [stopped]\n"
    )
    assert done("show", "--db", db, "open").stdout == (
        "> Hello?\nhalf an ans\n  [not finished]\n\n> And this?  (queued)\n"
    )
    assert done("show", "--db", db, "t-0", "--last", 2).stdout == "half of it\n  [stopped]\n"


def test_a_transcript_as_json_has_the_items(db: Path) -> None:
    items = [
        json.loads(line)
        for line in done("show", "--db", db, "open", "--json").stdout.split("\n")[:-1]
    ]
    assert [(item["kind"], item["open"]) for item in items] == [
        ("message", True),
        ("answer", True),
        ("message", True),
    ]
    settled = [
        json.loads(line)
        for line in done("show", "--db", db, "t-0", "--json").stdout.split("\n")[:-1]
    ]
    assert [item["item"] for item in settled] == ["t1.0", "t1.1", "t2.0", "t2.1", "t2.2"]
    assert not any("open" in item for item in settled)


def test_an_absent_thread_is_named(db: Path) -> None:
    result = holdfast("show", "--db", db, "nobody")
    assert (result.exit_code, result.stderr) == (1, "Error: there is no thread nobody\n")


@pytest.mark.parametrize(
    "words",
    [
        ("show", "--db", "DB", "no/thread"),
        ("show", "--db", "DB", "--url", "http://127.0.0.1:1/", "t-1"),
        ("show", "--db", "missing.db", "t-1"),
        ("export", "--db", "DB", "one", "two"),
        ("export", "--db", "DB", "http://127.0.0.1:1/"),
        ("threads", "--db", "DB", "t-1"),
        ("threads", "ftp://127.0.0.1/"),
        ("threads", "--url", "127.0.0.1:8420"),
        ("show", "t-1", "--url", "http://"),
        ("export", "http://127.0.0.1:port/"),
        ("verify", "missing.db"),
        ("compact", "missing.db"),
        ("import", "missing.jsonl"),
    ],
)
def test_a_wrong_command_line_is_a_wrong_command_line(db: Path, words: tuple[str, ...]) -> None:
    result = holdfast(*(str(db) if word == "DB" else word for word in words))
    assert result.exit_code == 2
    assert "Error: " in result.stderr


# Export and import.


def test_an_export_comes_back_as_the_same_threads(db: Path, tmp_path: Path) -> None:
    exported = tmp_path / "all.jsonl"
    assert "Exported 5 threads" in done("export", "--db", db, "-o", exported).stderr
    assert b"SECRET" not in exported.read_bytes()
    copy = tmp_path / "copy.db"
    assert "Imported 5 threads" in done("import", exported, "--db", copy).stderr
    before, after = transcripts(db), transcripts(copy)
    assert after.pop("open") == (
        "> Hello?\nhalf an ans\n  [interrupted by a restart]\n\n> And this?  (queued)\n"
    )
    assert before.pop("open").startswith("> Hello?\nhalf an ans")
    assert after == before
    assert "sound: 5 threads" in done("verify", copy).stdout


def test_one_thread_is_exported_to_standard_output_and_read_from_standard_input(
    db: Path, tmp_path: Path
) -> None:
    result = done("export", "--db", db, "t-1")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert lines[0] == {
        "type": "thread",
        "version": 1,
        "thread": "t-1",
        "offset": lines[-1]["offset"],
    }
    assert [line["offset"] for line in lines[1:]] == list(range(1, len(lines)))
    copy = tmp_path / "copy.db"
    done("import", "-", "--db", copy, stdin=result.stdout_bytes)
    assert transcripts(copy) == {"t-1": transcripts(db)["t-1"]}
    assert done("export", "--db", copy, "t-1").stdout == result.stdout


def test_a_thread_that_is_there_is_refused_and_the_others_go_on(db: Path, tmp_path: Path) -> None:
    copy, exported = tmp_path / "copy.db", tmp_path / "all.jsonl"
    done("export", "--db", db, "-o", exported)
    done("import", "-", "--db", copy, stdin=done("export", "--db", db, "t-1").stdout_bytes)
    result = holdfast("import", exported, "--db", copy)
    assert result.exit_code == 1
    assert "thread t-1 is there already" in result.stderr
    assert "Imported 4 threads" in result.stderr
    assert "1 thread left out" in result.stderr


def test_a_bad_line_costs_its_thread_and_no_other(db: Path, tmp_path: Path) -> None:
    lines = done("export", "--db", db).stdout.splitlines()
    heads = [number for number, line in enumerate(lines) if '"type":"thread"' in line]
    bad = heads[2] + 3
    lines[bad] = lines[bad].replace('"type":"turn.', '"kind":"turn.')
    source, copy = tmp_path / "bad.jsonl", tmp_path / "copy.db"
    source.write_text("\n".join(lines))
    result = holdfast("import", source, "--db", copy)
    assert result.exit_code == 1
    what = f"{source}, line {bad + 1}: the field 'type' is missing (thread t-2 is left out)"
    assert what in result.stderr
    assert sorted(transcripts(copy)) == ["cut", "open", "t-0", "t-1"]
    assert "sound" in done("verify", copy).stdout


def test_a_file_that_was_cut_off_does_not_come_in_half(db: Path, tmp_path: Path) -> None:
    whole = done("export", "--db", db, "t-1").stdout_bytes
    cut_off = whole[: whole.rstrip().rindex(b"\n") + 1]
    copy = tmp_path / "copy.db"
    result = holdfast("import", "-", "--db", copy, stdin=cut_off)
    assert result.exit_code == 1
    assert "line 1: not all of the thread is there" in result.stderr
    assert transcripts(copy) == {}


def test_an_output_that_cannot_be_written_leaves_nothing(db: Path, tmp_path: Path) -> None:
    result = holdfast("export", "--db", db, "-o", tmp_path / "no" / "folder.jsonl")
    assert result.exit_code == 1
    assert "cannot write" in result.stderr


# The lines.

EVENT = b'{"offset":1,"type":"thread.created","at":1.0}\n'
GOOD = header_line("t", 1) + EVENT

BAD_FILES = {
    "an event without a header": (EVENT, [(1, None)]),
    "no JSON": (b"hello\n" + GOOD, [(1, None), "t"]),
    "no JSON within a thread": (header_line("t", 1) + b"{\n" + EVENT + GOOD, [(2, "t"), "t"]),
    "a list": (header_line("t", 1) + b"[1]\n", [(2, "t")]),
    "another version": (b'{"type":"thread","version":2}\n' + EVENT + GOOD, [(1, None), "t"]),
    "no thread id": (header_line("-", 1) + EVENT, [(1, None)]),
    "no offset": (b'{"type":"thread","version":1,"thread":"t"}\n' + EVENT, [(1, None)]),
    "less than the header says": (header_line("t", 2) + EVENT, [(1, "t")]),
    "more than the header says": (GOOD + EVENT.replace(b":1,", b":2,"), [(3, "t")]),
    "an unreadable header": (GOOD + b'{"type":"thr\n' + EVENT + GOOD, [(3, "t"), "t"]),
}


def found(lines: bytes) -> Iterator[tuple[int, str | None] | str]:
    for block in read_threads(io.BytesIO(lines)):
        match block:
            case Refused(line=line, thread=thread):
                yield line, thread
            case Complete(thread=name):
                yield name


@pytest.mark.parametrize("what", BAD_FILES)
def test_bad_lines_are_named_by_their_number(what: str) -> None:
    lines, expected = BAD_FILES[what]
    assert list(found(lines)) == expected


def test_blank_lines_do_not_count_as_events_and_an_empty_file_has_no_threads() -> None:
    assert list(found(b"\n" + GOOD.replace(b"\n", b"\n\n"))) == ["t"]
    assert list(found(b"")) == []


def test_a_thread_without_events_is_not_made(tmp_path: Path) -> None:
    result = holdfast("import", "-", "--db", tmp_path / "a.db", stdin=header_line("t", 0))
    assert result.exit_code == 1
    assert "there are no events" in result.stderr


def test_a_line_without_end_is_no_event_and_takes_no_memory() -> None:
    endless = header_line("t", 1) + b'{"offset":1,' + b" " * (3 << 20) + b"\n" + GOOD
    lines = list(lines_of(io.BytesIO(endless)))
    assert len(lines) == 4
    assert max(map(len, lines)) <= 2 << 20
    assert [type(block) for block in read_threads(lines)] == [Refused, Complete]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
lines_drawn = st.lists(
    st.one_of(
        st.binary(max_size=30).filter(lambda line: b"\n" not in line),
        json_values.map(orjson.dumps),
        st.sampled_from([header_line("t", 1).strip(), EVENT.strip(), b""]),
        st.fixed_dictionaries(
            {"offset": json_values, "type": st.sampled_from(["turn.started", "turn.submitted"])},
            optional={"at": json_values, "turn": json_values, "item": json_values},
        ).map(orjson.dumps),
    ),
    max_size=6,
)


@given(lines_drawn)
def test_no_line_breaks_the_reader(lines: list[bytes]) -> None:
    assert all(isinstance(block, Complete | Refused) for block in read_threads(lines))


# Looking after the file.


def test_damage_is_found_and_named_and_the_other_threads_are_exported(
    db: Path, tmp_path: Path
) -> None:
    assert "sound: 5 threads" in done("verify", db).stdout
    damage_event(db, "t-1")
    result = holdfast("verify", db)
    assert result.exit_code == 1
    assert "thread t-1, " in result.stdout
    assert "is damaged in" in result.stderr
    exported = holdfast("export", "--db", db, "-o", tmp_path / "rest.jsonl")
    assert exported.exit_code == 1
    assert "t-1: " in exported.stderr
    assert "Exported 4 threads" in exported.stderr
    copied = holdfast("import", tmp_path / "rest.jsonl", "--db", tmp_path / "copy.db")
    assert copied.exit_code == 1
    assert sorted(transcripts(tmp_path / "copy.db")) == ["cut", "open", "t-0", "t-2"]


def damage_event(db: Path, thread: str) -> None:
    """Change a byte of one of a thread's events, as a failing disk would."""
    with sqlite3.connect(db) as file:
        (number,) = file.execute("SELECT number FROM thread WHERE id = ?", (thread,)).fetchone()
        rows = "SELECT spot, body FROM event WHERE spot >> 36 = ? ORDER BY spot"
        spot, body = file.execute(rows, (number,)).fetchall()[3]
        changed = bytes([body[0] ^ 1]) + body[1:]
        file.execute("UPDATE event SET body = ? WHERE spot = ?", (changed, spot))
    file.close()


def test_compacting_merges_and_changes_no_transcript(db: Path) -> None:
    before = transcripts(db)
    assert "Compacted 8 turns" in done("compact", db).stdout
    assert transcripts(db) == before
    assert "sound" in done("verify", db).stdout
    assert "Compacted 0 turns" in done("compact", "--all", db).stdout


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("hello")
    for words in (("verify", other), ("compact", other), ("threads", "--db", other)):
        result = holdfast(*words)
        assert result.exit_code == 1
        assert "is not a Holdfast journal" in result.stderr


# The command itself.


def test_every_command_has_help_and_the_group_says_what_exit_codes_mean() -> None:
    assert "Exit codes: 0, done" in " ".join(done("--help").stdout.split())
    for name, command in main.commands.items():
        assert command.get_short_help_str(), name
        assert done(name, "--help").stdout


def test_it_knows_its_version() -> None:
    assert done("--version").stdout.startswith("holdfast, version ")

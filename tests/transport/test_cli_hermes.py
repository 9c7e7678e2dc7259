"""Sessions of Hermes WebUI as threads: what can be read comes in, what cannot is named and kept."""

from __future__ import annotations

import json
import math
import os
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from transport.cli import main
from transport.cli.hermes import read_session
from transport.cli.thread_lines import Complete, Refused

if TYPE_CHECKING:
    from pathlib import Path

WRITTEN = 1700009999.0
USER = {"role": "user", "content": "What is the time?", "timestamp": 1700000000}
ANSWER = {"role": "assistant", "content": "Noon.", "timestamp": 1700000003}


def session(*messages: Any, **fields: Any) -> bytes:
    return orjson.dumps({"session_id": "s1", "title": "Time", "messages": messages, **fields})


def events(data: bytes) -> list[dict[str, Any]]:
    read = read_session(data, "s1.json", WRITTEN)
    assert isinstance(read, Complete)
    return [orjson.loads(row.body) for row in read.restoration._rows]


def texts(data: bytes) -> list[tuple[str, Any]]:
    return [(e["type"], e.get("content", e.get("text"))) for e in events(data)]


def test_a_message_and_its_answer_are_a_turn() -> None:
    assert texts(session(USER, ANSWER, USER, ANSWER))[2:] == 2 * [
        ("turn.submitted", "What is the time?"),
        ("turn.started", None),
        ("turn.delta", "Noon."),
        ("turn.completed", None),
    ]


def test_reasoning_and_tool_calls_come_with_their_results() -> None:
    call = {"id": "c1", "function": {"name": "clock", "arguments": '{"zone": "UTC"}'}}
    thought = {"role": "assistant", "content": "", "reasoning": "Look.", "tool_calls": [call]}
    result = {"role": "tool", "tool_call_id": "c1", "content": "12:00"}
    told = events(session(USER, thought, result, ANSWER))
    reasoning, called, found, answer = told[4:8]
    assert (reasoning["channel"], reasoning["text"]) == ("reasoning", "Look.")
    assert called["data"] == {"name": "clock", "arguments": {"zone": "UTC"}}
    assert found["data"] == {"call": called["item"], "data": "12:00"}
    assert answer["text"] == "Noon."


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        ({"type": "cancelled"}, "turn.cancelled"),
        ({"type": "interrupted"}, "turn.interrupted"),
        ({}, "turn.failed"),
    ],
)
def test_an_error_at_the_end_is_the_turns_ending(error: dict[str, str], ending: str) -> None:
    said = {"role": "assistant", "content": "It broke.", "_error": True, **error}
    *_, delta, last = events(session(USER, ANSWER, said))
    assert (delta["text"], last["type"], last["message"]) == ("Noon.", ending, "It broke.")


def test_an_error_before_an_answer_ends_nothing() -> None:
    said = {"role": "assistant", "content": "It broke.", "_error": True}
    *_, error, answer, ended = events(session(USER, said, ANSWER))
    assert (error["kind"], error["data"]["content"]) == ("hermes.error", "It broke.")
    assert (answer["text"], ended["type"]) == ("Noon.", "turn.completed")


@pytest.mark.parametrize("written", [True, False], ids=["written already", "pending only"])
def test_a_turn_that_was_open_is_there_once_and_interrupted(written: bool, tmp_path: Path) -> None:
    pending = {"content": "And now?", "timestamp": 1700000009}
    messages = [USER, ANSWER, *([{"role": "user", **pending}] if written else [])]
    fields = {"pending_user_message": "And now?", "pending_started_at": 1700000009}
    file = tmp_path / "s1.json"
    file.write_bytes(session(*messages, active_stream_id="x", **fields))
    told = shown(tmp_path, str(file))
    assert told.count("And now?") == 1
    assert "turn.interrupted" in told


def test_what_is_no_part_of_a_turn_comes_in_as_a_record() -> None:
    system = {"role": "system", "content": "Be brief."}
    odd = {"role": "oracle", "content": "42"}
    data = session(system, ANSWER, USER, odd, "text", ANSWER, pinned=True)
    records = [e["data"] for e in events(data) if e["type"] == "record"]
    assert records == [{"title": "Time", "pinned": True}, system, ANSWER, odd, "text"]
    read = read_session(data, "s1.json", WRITTEN)
    assert isinstance(read, Complete)
    assert len(read.unread) == 3
    assert "s1.json: message 3" in read.unread[1]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"{", "no JSON"),
        (b"[]", "no session"),
        (b'{"session_id":"s1"}', "no session"),
        (b'{"session_id":"../x","messages":[]}', "no thread id"),
        (b'{"messages":[]}', "no thread id"),
        (b'{"messages":[NaN}', "no JSON"),
        (b'{"session_id":"s1","messages":[],"x":' + 1000 * b"[" + 1000 * b"]" + b"}", "too deep"),
        (b'{"messages":[NaN' + 100_000 * b"[", "no JSON"),
    ],
)
def test_a_file_that_is_no_session_is_refused(data: bytes, why: str) -> None:
    read = read_session(data, "s1.json", WRITTEN)
    assert isinstance(read, Refused)
    assert why in read.why


def test_a_stub_says_what_it_does_not_hold() -> None:
    """B19: it is no thread of a thousand messages, and does not pass for one."""
    read = read_session(session(USER, message_count=1000), "s1.json", WRITTEN)
    assert isinstance(read, Complete)
    assert read.unread == ("s1.json counts 1000 messages and holds 1: the others are not in it",)


def pythons(*messages: Any, **fields: Any) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Read a session as Python's `json` writes it."""
    written = json.dumps({"session_id": "s1", "messages": messages, **fields}).encode()
    read = read_session(written, "s1.json", WRITTEN)
    assert isinstance(read, Complete), read
    return [orjson.loads(row.body) for row in read.restoration._rows], read.unread


def test_a_byte_order_mark_is_no_part_of_a_session() -> None:
    assert events(b"\xef\xbb\xbf" + session(USER, ANSWER)) == events(session(USER, ANSWER))


def test_half_a_character_is_replaced_and_named_and_costs_nothing_else() -> None:
    cut = {**ANSWER, "content": "Noon \ud83d", "x\udc00": ["\U0001f600"]}
    told, unread = pythons(USER, cut, title="é", number=2**64 - 1, larger=2**64)
    (record,) = [each["data"] for each in told if each["type"] == "record"]
    assert record == {"title": "é", "number": 2**64 - 1, "larger": float(2**64)}
    assert [each["text"] for each in told if each["type"] == "turn.delta"] == ["Noon \ufffd"]
    assert told[2]["metadata"] == {"hermes": [{"x\ufffd": ["\U0001f600"]}]}
    (said,) = unread
    assert said.startswith("s1.json: half a character")
    assert "messages[1].content, and at 1 more" in said


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_null_where_it_is_kept_and_named(number: float) -> None:
    told, unread = pythons({**USER, "cost": number}, ANSWER, spent={"all": [number, 2.5]})
    assert told[1]["data"] == {"spent": {"all": [None, 2.5]}}
    assert told[2]["metadata"] == {"hermes": [{"cost": None}]}
    assert unread == (
        "s1.json: NaN or an infinite number is null now: messages[0].cost, and at 1 more",
    )


UNREADABLE: list[Any] = [0, -1, 1e300, 1700000000000, "soon", []]
times = st.sampled_from([*UNREADABLE, None, math.nan, math.inf, 1700000000, 1.7e9 + 9])
TIME = range(1700000000, 1700010000)


@given(st.lists(times, max_size=4), times, times)
def test_no_time_is_that_of_the_epoch_or_of_a_far_future(
    stamps: list[Any], created: Any, updated: Any
) -> None:
    """What cannot be read is the nearest time that can, and the report names it."""
    messages = [{**USER, "timestamp": stamp} for stamp in stamps]
    told, unread = pythons(*messages, created_at=created, updated_at=updated)
    assert all(math.floor(each["at"]) in TIME for each in told)
    for number, stamp in enumerate(stamps):
        named = any(f"the time of message {number} " in line for line in unread)
        assert named == (stamp in UNREADABLE)


def test_a_time_that_cannot_be_read_is_its_neighbours() -> None:
    told, unread = pythons({**USER, "timestamp": "soon"}, ANSWER, {**USER, "timestamp": 0}, ANSWER)
    assert {each["at"] for each in told} == {1700000003.0}
    assert unread[0] == (
        "s1.json: the time of message 0 cannot be read ('soon'); the nearest one that can is used"
    )
    assert "message 2" in unread[1]


def test_a_session_without_any_time_has_its_files(tmp_path: Path) -> None:
    file = tmp_path / "s1.json"
    file.write_bytes(session({"role": "user", "content": "And now?"}))
    os.utime(file, (1700000007, 1700000007))
    assert '"at":1700000007.0' in shown(tmp_path, str(file))


def test_a_time_may_be_in_the_other_field() -> None:
    told, unread = pythons({"role": "user", "content": "x", "_ts": 1700000005})
    assert (told[2]["at"], unread) == (1700000005.0, ())


words = st.text("abc ", min_size=1, max_size=6)
contents = st.one_of(
    words, st.none(), st.integers(0, 9), st.builds(lambda t: [{"type": "text", "text": t}], words)
)
roles = st.sampled_from(["user", "assistant", "tool", "system", None, 3])
plain = st.fixed_dictionaries(
    {"role": roles, "content": contents},
    optional={
        "timestamp": st.one_of(st.integers(0, 2**31), st.just("soon")),
        "reasoning": words,
        "_error": st.booleans(),
        "type": st.sampled_from(["cancelled", "interrupted", "other", 7]),
        "tool_calls": st.one_of(st.just([{"function": 3}, 4]), st.just("no list"), st.just(5)),
        "tool_call_id": st.sampled_from(["c1", 1]),
        "attachments": st.one_of(st.just(["a.png"]), st.just(3)),
        "_partial": st.booleans(),
    },
)


@given(st.lists(st.one_of(plain, st.integers(0, 9), st.none()), max_size=8))
def test_whatever_the_messages_are_nothing_that_was_said_is_lost(messages: list[Any]) -> None:
    data = session(*messages)
    read = read_session(data, "s1.json", WRITTEN)
    assert isinstance(read, Complete), read
    everything = b"\n".join(row.body for row in read.restoration._rows)
    for message in messages:
        if isinstance(message, dict) and isinstance(message["content"], str):
            assert orjson.dumps(message["content"])[1:-1] in everything


def test_the_command_reads_several_files_and_says_what_it_left(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(session(USER, ANSWER, {"role": "oracle"}))
    (tmp_path / "b.json").write_bytes(b"{")
    files = [str(tmp_path / "a.json"), str(tmp_path / "b.json")]
    db = str(tmp_path / "x.db")
    done = CliRunner().invoke(main, ["import", "--format", "hermes", *files, "--db", db])
    assert done.exit_code == 1
    assert "a.json: message 2 is no part of a turn" in done.stderr
    assert "b.json is no JSON" in done.stderr
    assert "Imported 1 thread," in done.stderr
    assert "Noon." in CliRunner().invoke(main, ["show", "s1", "--db", db]).stdout


def shown(folder: Path, *files: str) -> str:
    db = str(folder / "x.db")
    done = CliRunner().invoke(main, ["import", "--format", "hermes", *files, "--db", db])
    assert done.exit_code == 0, done.stderr
    return CliRunner().invoke(main, ["export", "--db", db]).stdout

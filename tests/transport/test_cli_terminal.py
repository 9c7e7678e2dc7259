"""The chat's terminal: the line that is typed, the screen above it, the tale that is told. Pure."""

from __future__ import annotations

import re
from itertools import pairwise

import pyte
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import CaughtUp, Detached, Events, Item, Position, Row, Snapshot, TurnItems
from actors.core.event_codec import encode
from actors.core.events import (
    Entry,
    Event,
    Recorded,
    ThreadCreated,
    ThreadTruncated,
    TurnDelta,
    TurnEnded,
    TurnItem,
    TurnStarted,
    TurnSubmitted,
)
from actors.core.turn_lifecycle import TurnState
from actors.journal.memory import MemoryJournal
from actors.testing.scripted_thread import ScriptedThread
from transport.cli.line_editor import LineEditor
from transport.cli.narrator import Narrator
from transport.cli.screen import PlainScreen, PromptScreen, rows_of, wrapped
from transport.cli.transcript import Said, Style, message, safe, transcript

# The line editor.


def typed(*keys: bytes) -> tuple[list[str], str]:
    editor = LineEditor()
    lines = [line for some in keys for line in editor.type(some)]
    return lines, editor.text


@pytest.mark.parametrize(
    ("keys", "lines", "left"),
    [
        ((b"hello\r",), ["hello"], ""),
        ((b"one\ntwo\r\nthree",), ["one", "two"], "three"),
        ((b"\r\r  \r",), [], ""),
        ((b"helo\x7flo\r",), ["hello"], ""),
        ((b"away\x15stay",), [], "stay"),
        ((b"two words\x17",), [], "two "),
        ((b"two words  \x17\x17",), [], ""),
        (("né".encode()[:2], "né".encode()[2:]), [], "né"),
        ((b"a\x1b[Ab\x1b[3~c\x1bOPd",), [], "abcd"),
        ((b"a\tb\x00\x01c",), [], "a bc"),
        ((b"\x7f\x7fa",), [], "a"),
        (("🙂\r".encode(),), ["🙂"], ""),
        ((b"\xff\r",), ["\N{REPLACEMENT CHARACTER}"], ""),
    ],
)
def test_keys_make_lines(keys: tuple[bytes, ...], lines: list[str], left: str) -> None:
    assert typed(*keys) == (lines, left)


def test_ctrl_d_leaves_on_an_empty_line_only() -> None:
    editor = LineEditor()
    assert list(editor.type(b"text\x04")) == []
    assert (editor.left, editor.text) == (False, "text")
    assert list(editor.type(b"\x15\x04rest\r")) == []
    assert editor.left


@given(st.binary(max_size=60))
def test_no_key_breaks_the_editor(keys: bytes) -> None:
    lines, text = typed(keys)
    assert all(line.isprintable() for line in (*lines, text))


# What is printed is safe.


@given(st.text())
def test_a_terminal_is_never_obeyed(text: str) -> None:
    shown = safe(text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    assert safe(shown) == shown


def test_escapes_of_an_answer_and_a_message_stay_text() -> None:
    narrator = Narrator()
    said = narrator.tell(batch(*TURN[:3], TurnDelta("t1", "t1.1", "\x1b[2Jgone")))
    assert "\x1b" not in "".join(piece.text for piece in said)
    assert "\x1b" not in message("\x1b]0;title\x07").text


# The screen.

WIDTH = 12
words = st.text(st.sampled_from("ab 漢é-\n"), max_size=20)
pieces = st.builds(Said, words, st.sampled_from(Style), st.booleans())


def shown(data: str, width: int = WIDTH) -> list[str]:
    """Return what a terminal shows, without the empty rows at its end."""
    screen = pyte.Screen(width, 400)
    pyte.Stream(screen).feed(data.replace("\n", "\r\n"))
    rows = [row.rstrip() for row in screen.display]
    while rows and not rows[-1]:
        rows.pop()
    return rows


def expected(told: list[Said]) -> str:
    """Return what is told as one text, its lines not yet wrapped."""
    out: list[str] = []
    screen = PlainScreen(out.append, lambda status: None)
    screen.say(told)
    return "".join(out)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(pieces, st.text("xy漢 ", max_size=30)), max_size=8))
def test_the_prompt_stays_below_and_takes_nothing_away(
    told: list[tuple[Said, str]],
) -> None:
    out: list[str] = []
    screen = PromptScreen(out.append, lambda: WIDTH)
    for said, typed_so_far in told:
        screen.say([said])
        screen.ask("", typed_so_far)
    screen.ask("status", "typed")
    lines = wrapped(expected([said for said, _ in told]).removesuffix("\n"), WIDTH)
    rows = [row.rstrip() for row in lines] if any(said.text for said, _ in told) else []
    while rows and not rows[-1]:
        rows.pop()
    bottom = [row.rstrip() for row in rows_of("[status] > typed", WIDTH)]
    on_screen = [row for row in shown("".join(out)) if row]
    assert on_screen == [*(row for row in rows if row), *bottom]
    screen.close()
    assert [row for row in shown("".join(out)) if row] == [row for row in rows if row]


@given(st.text(st.sampled_from("ab 漢"), max_size=60), st.integers(2, 20))
def test_wrapping_keeps_every_character(text: str, width: int) -> None:
    rows = wrapped(text, width)
    assert all(len(rows_of(row, width)) == 1 for row in rows)
    assert squeezed("".join(rows)) == squeezed(text)


@given(st.lists(st.text(st.sampled_from("ab漢"), min_size=1, max_size=12)), st.integers(2, 20))
def test_wrapping_keeps_words_whole(words: list[str], width: int) -> None:
    text = " ".join(words)
    rows = wrapped(text, width)
    assert all(len(rows_of(row, width)) == 1 for row in rows)
    if all(len(rows_of(word, width)) == 1 for word in words):
        assert " ".join(rows).split() == words


def test_a_plain_screen_tells_each_status_once() -> None:
    out: list[str] = []
    told: list[str] = []
    screen = PlainScreen(out.append, told.append)
    for status in ("", "reconnecting…", "reconnecting…", "reconnected"):
        screen.ask(status, "")
    assert told == ["reconnecting…", "reconnected"]
    screen.say([Said("half a", Style.ANSWER), Said(" line", Style.ANSWER, fresh=False)])
    screen.close()
    assert "".join(out) == "half a line\n"


# The tale.

TURN: tuple[Event, ...] = (
    ThreadCreated(),
    TurnSubmitted("t1", "t1.0", "hello", "local", "k1"),
    TurnStarted("t1", 1),
    TurnDelta("t1", "t1.1", "one "),
    TurnDelta("t1", "t1.1", "two"),
    TurnEnded("t1", TurnState.COMPLETED),
)


def batch(*events: Event, first: int = 1) -> Events:
    rows = tuple(encode(Entry(n, n, 1.0, event)) for n, event in enumerate(events, first))
    return Events("t", rows, Position(1, rows[-1].to))


def text_of(told: list[Said]) -> str:
    return expected(told)


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def test_a_turn_is_told_as_it_comes() -> None:
    narrator = Narrator()
    assert text_of(narrator.tell(batch(*TURN))) == "> hello\none two"
    assert narrator.live is None


def test_the_tale_knows_the_running_turn_and_when_it_is_over() -> None:
    narrator = Narrator()
    assert not narrator.is_over("t1", Position(1, 2))
    narrator.tell(batch(*TURN[:3]))
    assert narrator.live == "t1"
    assert not narrator.is_over("t1", Position(1, 2))
    narrator.tell(batch(*TURN[3:], first=4))
    assert narrator.live is None
    assert narrator.is_over("t1", Position(1, 2))
    assert not narrator.is_over("t2", Position(1, 9))


@pytest.mark.parametrize(
    ("state", "unhappy"),
    [(TurnState.COMPLETED, 0), (TurnState.FAILED, 1), (TurnState.CANCELLED, 1)],
)
def test_only_turns_of_this_viewer_make_it_unhappy(state: TurnState, unhappy: int) -> None:
    own, other = Narrator(), Narrator()
    own.expect("k1")
    events = (*TURN[:4], TurnEnded("t1", state, "t1.2", message="no"))
    own.tell(batch(*events))
    other.tell(batch(*events))
    assert (own.unhappy, other.unhappy) == (unhappy, 0)


def test_a_queued_message_waits_below_the_answer_and_comes_in_its_turn() -> None:
    narrator = Narrator()
    told = narrator.tell(
        batch(
            *TURN[:4],
            TurnSubmitted("t2", "t2.0", "next", "local"),
            TurnDelta("t1", "t1.1", "two"),
            TurnEnded("t1", TurnState.COMPLETED),
            TurnStarted("t2", 1),
            TurnDelta("t2", "t2.1", "answer"),
        )
    )
    assert text_of(told) == "> hello\none \n> next  (waits)\ntwo\n\n> next\nanswer"


def test_a_queued_message_that_was_cancelled_is_told_with_its_marker() -> None:
    narrator = Narrator()
    narrator.tell(batch(*TURN[:4], TurnSubmitted("t2", "t2.0", "next", "local")))
    told = narrator.tell(batch(TurnEnded("t2", TurnState.CANCELLED, "t2.1"), first=6))
    assert "> next\n  [stopped]" in text_of(told)
    assert narrator.live == "t1"


def test_everything_else_has_words_too() -> None:
    narrator = Narrator()
    told = narrator.tell(
        batch(
            *TURN[:3],
            TurnDelta("t1", "t1.1", "hm", "reasoning"),
            TurnItem("t1", "t1.2", "tool_call", {"name": "look", "arguments": {"a": 1}}),
            TurnItem("t1", "t1.3", "tool_result", {"call": "t1.2", "data": "x" * 500}),
            TurnItem("t1", "t1.4", "chart", {"bars": 3}),
            TurnStarted("t1", 2),
            TurnEnded("t1", TurnState.SUPERSEDED, None, by="t2", rolled_back=True),
            Recorded("r.0", "vote", {"up": 1}),
            ThreadTruncated(None, 1),
        )
    )
    text = text_of(told)
    for part in (
        "hm",
        '[calls look {"a":1}]',
        "[result xxx",
        '[chart {"bars":3}]',
        "[answering again after a restart]",
        "[taken back]",
        '[record vote {"up":1}]',
        "[the history was cut",
    ):
        assert part in text
    assert all(len(line) < 300 for line in text.splitlines())
    assert narrator.tell(CaughtUp("t", Position(1, 20))) == []
    assert "deleted" in text_of(narrator.tell(Detached("t", Position(1, 20), "deleted")))


def test_a_snapshot_says_what_is_left_out_and_goes_on_in_the_running_answer() -> None:
    items = (Item("t1.0", "message", 1.0, "t1", {"content": "old", "author": "a"}),)
    live = TurnItems(
        "t2",
        1,
        (
            Item("t2.0", "message", 2.0, "t2", {"content": "new", "author": "a"}),
            Item("t2.1", "answer", 2.0, "t2", {"text": "half "}),
        ),
    )
    snapshot = Snapshot(thread="t", position=Position(1, 9), items=items, before="t1.0", turn=live)
    narrator = Narrator()
    told = narrator.tell(snapshot)
    told += narrator.tell(batch(TurnDelta("t2", "t2.1", "an answer"), first=10))
    assert text_of(told) == (
        "  [older messages are left out; holdfast show has them]\n> old\n\n> new\nhalf an answer"
    )
    assert "the thread as it is now" in text_of(narrator.tell(snapshot))


DRAWN_STATES = st.sampled_from([TurnState.COMPLETED, TurnState.CANCELLED, TurnState.FAILED])


@settings(max_examples=60, deadline=None)
@given(
    turns=st.lists(st.tuples(st.lists(words.map(safe), max_size=4), DRAWN_STATES), max_size=4),
    cuts=st.lists(st.integers(1, 40), max_size=4),
)
def test_the_tale_of_the_events_is_the_transcript(
    turns: list[tuple[list[str], TurnState]], cuts: list[int]
) -> None:
    """However the events come in batches, they read as the items that they leave."""

    async def run() -> tuple[tuple[Row, ...], tuple[Item, ...]]:
        journal = MemoryJournal()
        thread = await ScriptedThread.claim(journal, "t")
        for number, (texts, state) in enumerate(turns):
            turn = f"t{number}"
            await thread.submit(turn, f"ask {number}")
            await thread.start(turn)
            if texts:
                await thread.say(turn, *texts)
            await thread.end(turn, state)
        rows = await journal.read("t", Position(1, 0), 1 << 30) if turns else ()
        return rows, (await journal.history("t", None, 1000, 1 << 30)).items

    rows, items = trio.run(run)
    narrator = Narrator()
    told: list[Said] = []
    bounds = sorted({0, len(rows), *(min(cut, len(rows)) for cut in cuts)})
    for start, end in pairwise(bounds):
        part = rows[start:end]
        told += narrator.tell(Events("t", part, Position(1, part[-1].to)))
    assert squeezed(text_of(told)) == squeezed(text_of(list(transcript(items))))

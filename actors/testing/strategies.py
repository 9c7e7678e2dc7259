"""Hypothesis strategies for what goes in and out of a runtime: ids, content, cursors, histories."""

from __future__ import annotations

from functools import reduce
from typing import Any, Final

from attrs import frozen
from hypothesis import strategies as st

from ..core.apply import restore
from ..core.commands import OnBusy
from ..core.decide import Decision
from ..core.event_codec import Row
from ..core.events import (
    Event,
    Recorded,
    ThreadCreated,
    ThreadEnded,
    TurnDelta,
    TurnEnded,
    TurnItem,
    TurnStarted,
    TurnSubmitted,
)
from ..core.head import Head, Life
from ..core.items import Content, item_id
from ..core.position import Position
from ..core.step import take_step
from ..core.thread_state import ThreadState
from ..core.turn_lifecycle import ENDINGS, TurnState
from .operations import Cancel, Operation, Submit, Target, Truncate

# What JSON and UTF-8 can carry: no lone surrogate.
characters: Final = st.characters(exclude_categories=["Cs"])
strings: Final = st.text(characters, max_size=12)
_numbers: Final = st.floats(allow_nan=False, allow_infinity=False) | st.integers(
    -(2**63), 2**64 - 1
)


def json_values() -> st.SearchStrategy[Any]:
    """Draw anything with a JSON form."""
    return st.recursive(
        st.none() | st.booleans() | _numbers | strings,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(strings, inner, max_size=3),
        max_leaves=8,
    )


def thread_ids() -> st.SearchStrategy[str]:
    """Draw what may name a thread."""
    return st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:\-]{0,127}", fullmatch=True)


def contents() -> st.SearchStrategy[Content]:
    """Draw what may be said: text that is not blank, or parts, some of them of unknown types."""
    text = st.text(characters, min_size=1, max_size=40).filter(str.strip)
    spoken = st.builds(lambda words: {"type": "text", "text": words}, text)
    further = st.dictionaries(strings, json_values(), max_size=2)
    other = st.builds(lambda word, more: {**more, "type": f"x-{word}"}, strings, further)
    return text | st.lists(spoken | other, min_size=1, max_size=3)


def records() -> st.SearchStrategy[tuple[str, Any]]:
    """Draw the kind and the data of an application's own fact."""
    return st.tuples(st.from_regex(r"[a-z][a-z_]{0,11}", fullmatch=True), json_values())


def commands() -> st.SearchStrategy[Operation]:
    """Draw operations that change a thread, for scenarios and state machines of one's own."""
    texts = st.text(characters, min_size=1, max_size=12).filter(str.strip)
    keys = st.none() | st.sampled_from(["k1", "k2"])
    return st.one_of(
        st.builds(Submit, texts, keys, st.sampled_from(OnBusy)),
        st.builds(Cancel, st.sampled_from(Target), st.booleans()),
        st.builds(Truncate, st.booleans()),
    )


@frozen
class Cursors:
    """Cursors for a thread that stands at some position.

    Args:
        head: where it stands.
        floor: the lowest offset that may be resumed from.
    """

    head: Position
    floor: int = 0

    def good(self) -> st.SearchStrategy[str]:
        """Draw one that the thread has given, or may have."""
        places = st.integers(self.floor, self.head.offset)
        return places.map(lambda offset: Position(self.head.epoch, offset).cursor())

    def stale(self) -> st.SearchStrategy[str]:
        """Draw one that was good once; nothing where nothing was cut off."""
        places = st.integers(0, self.floor - 1) if self.floor else st.nothing()
        return places.map(lambda offset: Position(self.head.epoch, offset).cursor())

    def ahead(self) -> st.SearchStrategy[str]:
        """Draw one of a place that the thread has not come to."""
        places = st.integers(self.head.offset + 1, 2**63 - 1)
        return places.map(lambda offset: Position(self.head.epoch, offset).cursor())

    def foreign(self) -> st.SearchStrategy[str]:
        """Draw one of another life of the thread's id."""
        epochs = st.integers(0, 2**63 - 1).filter(lambda epoch: epoch != self.head.epoch)
        places = st.integers(0, 2**63 - 1)
        return st.builds(lambda epoch, at: Position(epoch, at).cursor(), epochs, places)


def unreadable_cursors() -> st.SearchStrategy[str]:
    """Draw what no thread ever gave as a cursor."""
    # The Arabic digits are digits to `int` and to a careless expression.
    wrong = ["", "1.5\n", "01.5", "1.05", "+1.5", "1_0.5", "١.٥", "1.5.6", "9" * 20 + ".1"]
    return st.sampled_from(wrong) | strings.filter(lambda text: "." not in text)


@frozen
class ThreadHistory:
    """The events of one thread, as a journal may hold them.

    Args:
        rows: all events since it was created.
        state: what they lead to.
    """

    rows: tuple[Row, ...]
    state: ThreadState


def histories(max_moves: int = 12) -> st.SearchStrategy[ThreadHistory]:
    """Draw histories of threads, each event of which may follow those before it.

    Args:
        max_moves: turns, pieces, endings and records at most.
    """
    what = st.sampled_from(["submit", "go on", "go on", "end", "end", "record", "close"])
    ways = st.sampled_from(sorted(ENDINGS))
    moves = st.lists(st.tuples(what, contents(), strings, ways), max_size=max_moves)
    return moves.map(lambda drawn: reduce(_moved, enumerate(drawn), _nothing()))


# What is drawn for one move: which, a message, a text, an ending.
_Move = tuple[str, Content, str, TurnState]


def _nothing() -> ThreadHistory:
    return ThreadHistory((), restore(Head(epoch=1), []))


def _moved(history: ThreadHistory, numbered: tuple[int, _Move]) -> ThreadHistory:
    number, move = numbered
    events = tuple((event, 1) for event in _events(history.state, number, move))
    if not events:
        return history
    step = take_step(history.state, Decision(events, (), (), None), 1000.0 + number)
    return ThreadHistory((*history.rows, *step.rows), step.state)


def _events(state: ThreadState, number: int, move: _Move) -> list[Event]:
    what, content, text, ending = move
    created: list[Event] = [ThreadCreated()] if state.life is Life.ABSENT else []
    if what == "record":
        return [*created, Recorded(item_id(f"r{number}", 0), "note", text)]
    if what == "submit":
        turn = f"t{number}"
        return [*created, TurnSubmitted(turn, item_id(turn, 0), content, "somebody")]
    if created:
        return []
    if state.live is None and state.queue:
        return [TurnStarted(state.queue[0].turn, 1)]
    if state.live is None:
        return [ThreadEnded()] if what == "close" and state.life is Life.OPEN else []
    return _in_turn(state, what, text, ending)


def _in_turn(state: ThreadState, what: str, text: str, ending: TurnState) -> list[Event]:
    live = state.live
    assert live is not None
    item = item_id(live.turn, live.view.numbered)
    if what == "end":
        return [TurnEnded(live.turn, ending, None if ending is TurnState.COMPLETED else item)]
    if what == "close":
        return [TurnItem(live.turn, item, "note", text)]
    return [TurnDelta(live.turn, item, text)]

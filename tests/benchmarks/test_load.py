"""The viewers' side: frames in any chunks, and checks that find what is missing or there twice."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

from transport.frames import text_frame

from .load import frames
from .load.viewers import Holdfast, Plain, Tally, Viewer
from .rows.reattach import _check_resumed

_TEXTS = st.lists(st.binary(max_size=70_000), max_size=6)


@given(_TEXTS, st.data())
def test_frames_are_split_wherever_the_bytes_are_cut(texts: list[bytes], data: Any) -> None:
    stream = b"".join(map(text_frame, texts))
    rest, seen, at = b"", [], 0
    while at < len(stream):
        size = data.draw(st.integers(1, len(stream)))
        rest, at = rest + stream[at : at + size], at + size
        found, taken = frames.split(rest)
        seen += [payload for _, payload in found]
        rest = rest[taken:]
    assert seen == texts
    assert not rest


@given(st.lists(st.binary(max_size=125)), st.integers(0, 300))
def test_small_frames_are_counted_as_they_are_split(texts: list[bytes], cut: int) -> None:
    part = b"".join(map(text_frame, texts))[:cut]
    found, taken = frames.split(part)
    assert frames.count(part) == (len(found), taken)


@given(st.text(max_size=70_000))
def test_a_server_reads_what_a_viewer_sends(text: str) -> None:
    server = Connection(ConnectionType.SERVER)
    server.receive_data(frames.text(text.encode()))
    (event,) = server.events()
    assert isinstance(event, TextMessage)
    assert event.data == text


def _events(first: int, last: int) -> bytes:
    event = {"offset": first, **({"to": last} if last > first else {}), "type": "turn.delta"}
    message = {"type": "events", "thread": "t", "events": [event], "cursor": f"77.{last}"}
    return text_frame(orjson.dumps(message))


def _viewer(offset: int) -> tuple[Holdfast, Viewer]:
    order = {"threads": ["t"], "turns": {}, "port": 0, "timed": False}
    return Holdfast(order), Viewer(None, ready=True, offset=offset)  # type: ignore[arg-type] # no socket


def test_a_merged_event_is_as_many_deliveries_as_it_has_offsets() -> None:
    dialect, viewer = _viewer(4)
    dialect.take(viewer, _events(5, 5) + _events(6, 105), Tally())
    assert (viewer.delivered, viewer.frames, viewer.offset) == (101, 2, 105)


@pytest.mark.parametrize("first", [4, 6])
def test_a_gap_or_a_repeat_stops_the_run(first: int) -> None:
    dialect, viewer = _viewer(4)
    with pytest.raises(RuntimeError, match="not what follows 4"):
        dialect.take(viewer, _events(first, 9), Tally())


def test_times_are_found_in_merged_text() -> None:
    dialect = Plain({"frames": 2, "go": {}, "timed": True})
    viewer, tally = Viewer(None), Tally()  # type: ignore[arg-type] # no socket
    dialect.take(viewer, text_frame(b"@100") + text_frame(b"@200@300"), tally)
    assert viewer.done
    first, second, third = tally.latencies
    assert (first - second, second - third) == pytest.approx((100, 100), abs=10_000_000)


def _heard(pieces: list[tuple[int, str]]) -> list[dict[str, Any]]:
    events = [{"offset": at, "type": "turn.delta", "text": text} for at, text in pieces]
    cursor = f"7.{pieces[-1][0]}"
    return [{"mode": "resume"}, {"events": events}, {"cursor": cursor}]


def test_a_whole_stream_passes_the_check_of_reattaching() -> None:
    _check_resumed(_heard([(5, "0000001 "), (6, "0000002 ")]), "7.4", 3)


@pytest.mark.parametrize(
    "pieces",
    [
        [(5, "0000001 ")],
        [(5, "0000001 "), (6, "0000001 "), (7, "0000002 ")],
        [(6, "0000002 ")],
        [(5, "0000000 "), (6, "0000002 ")],
    ],
)
def test_a_stream_with_a_gap_or_a_repeat_does_not(pieces: list[tuple[int, str]]) -> None:
    with pytest.raises(AssertionError):
        _check_resumed(_heard(pieces), "7.4", 3)

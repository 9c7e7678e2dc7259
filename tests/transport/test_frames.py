"""The meter counts frames alike however the bytes are cut, and stops what goes on without end."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_peer import close, frame, text

from transport.frames import FrameMeter, close_frame, text_frame, whole_text

MESSAGE_BYTES = 300
FRAGMENTS = 5


def meter() -> FrameMeter:
    return FrameMeter(MESSAGE_BYTES, FRAGMENTS)


def feed_all(data: bytes, cuts: list[int]) -> tuple[int, int]:
    """Feed pieces until one is not good to its end; return the good bytes, and the controls."""
    counted = meter()
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    total = 0
    for start, end in pairwise(places):
        good = counted.feed(data[start:end])
        total += good
        if good < end - start:
            break
    return total, counted.controls


frames = st.builds(
    frame,
    st.sampled_from([0, 1, 2, 8, 9, 10]),
    st.binary(max_size=400),
    fin=st.booleans(),
    masked=st.booleans(),
)


@given(st.lists(frames, max_size=12), st.lists(st.integers(0, 10_000), max_size=30))
def test_cuts_change_nothing(sent: list[bytes], cuts: list[int]) -> None:
    data = b"".join(sent)
    good, controls = feed_all(data, [])
    cut_good, cut_controls = feed_all(data, cuts)
    assert cut_controls == controls
    # A header that is cut may be passed on in part before it is understood: at most 13 bytes of it.
    assert good <= cut_good < good + 14
    assert (good == len(data)) is (cut_good == len(data))


@given(st.lists(st.lists(st.integers(0, 200), min_size=1, max_size=8), max_size=8))
def test_the_verdict_is_that_of_adding_up(messages: list[list[int]]) -> None:
    """Each message is a list of its fragments' sizes, with a ping before each."""
    counted = meter()
    for fragments in messages:
        for at, size in enumerate(fragments, 1):
            fin = at == len(fragments)
            data = frame(9) + frame(1 if at == 1 else 0, b"x" * size, fin=fin)
            within = sum(fragments[:at]) <= MESSAGE_BYTES and at <= FRAGMENTS
            assert counted.feed(data) == (len(data) if within else len(frame(9)))
            if not within:
                return


def test_a_length_is_refused_before_its_payload_comes() -> None:
    assert meter().feed(frame(1, length=MESSAGE_BYTES))
    assert meter().feed(frame(1, length=MESSAGE_BYTES + 1)) == 0
    assert meter().feed(frame(2, length=(1 << 64) - 1)) == 0


def test_control_frames_are_counted() -> None:
    counted = meter()
    counted.feed(frame(9) + text("x") + frame(10, b"y") + close(1000))
    assert counted.controls == 3


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536])
def test_text_frames_are_those_of_the_standard(size: int) -> None:
    payload = b"x" * size
    assert text_frame(payload) == frame(1, payload, masked=False)


def test_close_frames_are_those_of_the_standard() -> None:
    assert close_frame(1009) == frame(8, b"\x03\xf1", masked=False)


@given(st.text(max_size=400) | st.sampled_from(["é" * 63, "x" * 125, "x" * 126, "x" * 65_535]))
def test_a_whole_text_is_what_was_sent(sent: str) -> None:
    assert whole_text(text(sent)) == sent


@given(frames, st.integers(0, 12))
def test_what_is_no_whole_text_is_left_to_the_library(data: bytes, less: int) -> None:
    """Other opcodes, fragments, no mask, half a frame, more than one: only the library knows."""
    for wrong in (data[: len(data) - 1 - less], data + text("a"), data + b"\x00"):
        assert whole_text(wrong) is None
    if data[0] != 0x81 or not data[1] & 0x80:
        assert whole_text(data) is None


@pytest.mark.parametrize(
    "data",
    [
        frame(1, b"\xff"),
        frame(1, "\ud800".encode(errors="surrogatepass")),
        b"\xc1" + text("a")[1:],
        b"\x81\xfe\x00\x01" + text("a")[2:],
        b"\x81\xff" + (1).to_bytes(8, "big") + text("a")[2:],
        text("x" * 65_536),
        b"",
        b"\x81",
        b"\x81\xfe\x00",
    ],
    ids=["utf8", "surrogate", "rsv", "not-minimal", "8-bytes", "long", "none", "one", "cut"],
)
def test_what_is_not_as_it_should_be_is_left_to_the_library(data: bytes) -> None:
    assert whole_text(data) is None

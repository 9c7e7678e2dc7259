"""What is delivered of one thread's stream, message by message, and what is a broken promise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.core.events import Entry, ThreadCreated
from actors.errors import RemoteProtocolError
from transport.wire.attachment import Attachment, Stage
from transport.wire.messages import (
    Attach,
    Attached,
    CaughtUp,
    Detached,
    Events,
    Presence,
    Snapshot,
)


def entry(first: int, last: int | None = None) -> Entry:
    return Entry(first, last or first, 0.0, ThreadCreated())


def events(*entries: Entry, cursor: str | None = None) -> Events:
    return Events("t", entries, cursor or f"1.{entries[-1].to}")


def snapshot(cursor: str) -> Snapshot:
    return Snapshot("t", cursor, (), None, None, (), {})


def resumed(cursor: str = "1.5") -> Attachment:
    attachment = Attachment("t", cursor)
    attachment.ask("c1")
    assert not attachment.attached(Attached("c1", "t", cursor, "resume"))
    return attachment


def test_it_asks_from_where_it_stands() -> None:
    attachment = Attachment("t", "1.5", window=7)
    assert attachment.ask("c1") == Attach("c1", "t", "1.5", 7)
    assert attachment.asked("c1")
    assert not attachment.asked("c0")
    assert not attachment.asked(None)


@pytest.mark.parametrize("arguments", [("t t",), ("t", 7), ("t", "1.5", 0), ("t", None, 501)])
def test_it_is_made_only_of_what_the_protocol_knows(arguments: tuple) -> None:
    with pytest.raises(ValueError, match="expected"):
        Attachment(*arguments)


def test_a_run_moves_the_cursor_on() -> None:
    attachment = resumed("1.5")
    run = events(entry(6), entry(7, 9), entry(10))
    assert attachment.deliver(run) is run
    assert attachment.cursor == "1.10"
    assert attachment.deliver(events(cursor="1.10")) is not None


BROKEN = {
    "a gap": events(entry(7)),
    "a gap inside": events(entry(6), entry(8)),
    "a repeat": events(entry(5), entry(6)),
    "a repeat inside": events(entry(6), entry(6)),
    "a range over what was shown": events(entry(4, 6)),
    "a cursor ahead of the events": events(entry(6), cursor="1.7"),
    "a cursor behind the events": events(entry(6), cursor="1.5"),
    "a cursor of another life": events(entry(6), cursor="2.6"),
    "a cursor ahead of no events": events(cursor="1.6"),
    "a snapshot that goes back": snapshot("1.4"),
    "a snapshot of an earlier life": snapshot("0.9"),
    "a detach ahead of us": Detached("t", "1.6", "slow"),
}


@pytest.mark.parametrize("message", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_run_is_a_protocol_error_and_changes_nothing(message: Events) -> None:
    attachment = resumed("1.5")
    with pytest.raises(RemoteProtocolError):
        attachment.deliver(message)
    assert attachment.cursor == "1.5"
    assert attachment.deliver(events(entry(6))) is not None


@given(st.data(), st.lists(st.integers(1, 4), min_size=1, max_size=8))
def test_any_offset_dropped_repeated_or_moved_is_noticed(
    data: st.DataObject, widths: list[int]
) -> None:
    run, offset = [], 5
    for width in widths:
        run.append(entry(offset + 1, offset + width))
        offset += width
    assert resumed("1.5").deliver(events(*run)) is not None
    place = data.draw(st.integers(0, len(run) - 1))
    harm = data.draw(st.sampled_from(["drop", "repeat", "shift", "swap"]))
    broken = list(run)
    match harm:
        case "drop":
            del broken[place]
        case "repeat":
            broken.insert(place, run[place])
        case "shift":
            broken[place] = entry(run[place].offset + 1, run[place].to + 1)
        case "swap":
            broken.reverse()
    if broken == run:
        return
    with pytest.raises(RemoteProtocolError):
        resumed("1.5").deliver(events(*broken, cursor=f"1.{offset}"))


def test_a_snapshot_in_mid_attachment_jumps_on() -> None:
    attachment = resumed("1.5")
    assert attachment.deliver(snapshot("1.40")) is not None
    assert attachment.cursor == "1.40"
    assert attachment.deliver(events(entry(41))) is not None


def test_the_cursor_of_a_snapshot_counts_only_once_it_is_there() -> None:
    attachment = Attachment("t")
    attachment.ask("c1")
    assert not attachment.attached(Attached("c1", "t", "1.40", "snapshot"))
    assert attachment.cursor is None
    attachment.lost()
    assert attachment.ask("c2").cursor is None
    assert not attachment.attached(Attached("c2", "t", "1.41", "snapshot"))
    assert attachment.deliver(snapshot("1.41")) is not None
    assert attachment.ask("c3").cursor == "1.41"


@pytest.mark.parametrize("message", [events(entry(6)), CaughtUp("t", "1.5")])
@pytest.mark.parametrize("mode", ["snapshot", "reset", "novel"])
def test_a_snapshot_that_is_due_comes_first(message: Events, mode: str) -> None:
    attachment = Attachment("t", "1.5")
    attachment.ask("c1")
    attachment.attached(Attached("c1", "t", "1.5", mode))
    with pytest.raises(RemoteProtocolError):
        attachment.deliver(message)


def test_a_reset_may_go_back() -> None:
    attachment = Attachment("t", "1.50")
    attachment.ask("c1")
    assert not attachment.attached(Attached("c1", "t", "1.3", "reset", "ahead"))
    assert attachment.deliver(snapshot("1.3")) is not None
    assert attachment.cursor == "1.3"


def test_a_resume_from_elsewhere_is_a_protocol_error() -> None:
    attachment = Attachment("t", "1.5")
    attachment.ask("c1")
    with pytest.raises(RemoteProtocolError):
        attachment.attached(Attached("c1", "t", "1.6", "resume"))
    assert attachment.cursor == "1.5"


def test_nothing_of_the_first_attachment_is_delivered_after_the_second_was_asked_for() -> None:
    attachment = resumed("1.5")
    attachment.ask("c2")
    for message in (events(entry(6)), snapshot("1.9"), Detached("t", "1.5", "slow")):
        assert attachment.deliver(message) is None
    assert attachment.deliver(Presence("t", (), 1)) is None
    assert attachment.cursor == "1.5"
    assert not attachment.asked("c1")
    attachment.attached(Attached("c2", "t", "1.5", "resume"))
    assert attachment.deliver(events(entry(6))) is not None


def test_caught_up_comes_once_per_attach() -> None:
    attachment = resumed()
    assert attachment.deliver(CaughtUp("t", "1.5")) is not None
    assert attachment.deliver(CaughtUp("t", "1.5")) is None
    attachment.ask("c2")
    attachment.attached(Attached("c2", "t", "1.5", "resume"))
    assert attachment.deliver(CaughtUp("t", "1.5")) is not None


def test_presence_moves_nothing_and_waits_for_the_snapshot() -> None:
    attachment = Attachment("t")
    attachment.ask("c1")
    attachment.attached(Attached("c1", "t", "1.4", "snapshot"))
    assert attachment.deliver(Presence("t", (), 3)) is None
    attachment.deliver(snapshot("1.4"))
    assert attachment.deliver(Presence("t", (), 3)) == Presence("t", (), 3)
    assert attachment.cursor == "1.4"


def test_detached_says_where_to_come_back_to() -> None:
    assert resumed("1.5").deliver(Detached("t", "1.5", "slow")) == Detached("t", "1.5", "slow")
    assert resumed("1.5").deliver(Detached("t", "1.2", "slow")) == Detached("t", "1.5", "slow")
    attachment = Attachment("t")
    attachment.ask("c1")
    attachment.attached(Attached("c1", "t", "1.4", "snapshot"))
    assert attachment.deliver(Detached("t", "1.4", "failed")) == Detached("t", "", "failed")


@pytest.mark.parametrize(
    ("cursor", "mode", "at", "reason", "deleted"),
    [
        ("1.5", "reset", "2.0", "deleted", True),
        ("1.5", "reset", "1.2", "ahead", False),
        ("1.5", "reset", "9.2", "epoch", False),
        ("1.5", "snapshot", "1.8", "compacted", False),
        (None, "snapshot", "1.8", None, False),
    ],
)
def test_a_deletion_is_told_by_the_reason(
    cursor: str | None, mode: str, at: str, reason: str | None, deleted: bool
) -> None:
    attachment = Attachment("t", cursor)
    attachment.ask("c1")
    assert attachment.attached(Attached("c1", "t", at, mode, reason)) is deleted


def test_a_deletion_is_told_by_the_epoch_where_there_was_no_cursor() -> None:
    attachment = Attachment("t")
    attachment.ask("c1")
    assert not attachment.attached(Attached("c1", "t", "1.8", "snapshot"))
    attachment.lost()
    attachment.ask("c2")
    assert attachment.attached(Attached("c2", "t", "2.0", "snapshot"))


def test_a_cursor_of_a_later_format_is_kept_unread() -> None:
    attachment = resumed("v2:abc")
    assert attachment.stage is Stage.LIVE
    assert attachment.deliver(events(entry(7), cursor="v2:abd")) is not None
    assert attachment.cursor == "v2:abd"
    with pytest.raises(RemoteProtocolError):
        attachment.deliver(events(entry(8), entry(10), cursor="v2:abe"))

"""The page while its server dies and its connection breaks: nothing is lost, doubled or unsaid."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from . import words

if TYPE_CHECKING:
    from .cable import Cable
    from .conftest import OpenChat
    from .server_process import ServerProcess


def test_a_server_is_killed_and_restarted_in_mid_answer(
    open_chat: OpenChat, server: ServerProcess
) -> None:
    chat = open_chat()
    chat.send("go on")
    chat.wait_word(20)
    chat.expect_outage()
    server.kill()
    chat.wait_connection("reconnecting")
    assert chat.page.inner_text("#status") == "Reconnecting"
    (seen,) = chat.answers()
    server.start()
    chat.wait_connection("open")
    chat.wait_idle()
    assert chat.markers() == ["Interrupted by a restart"]
    (cut_off,) = chat.answers()
    assert cut_off.startswith(seen)
    assert words.words(words.MOST_WORDS).startswith(cut_off)
    chat.send("say 5")
    chat.wait_for("[data-turn] + [data-turn]")
    chat.wait_idle()
    assert chat.answers() == [cut_off, words.words(5)]
    chat.reload()
    assert chat.messages() == ["go on", "say 5"]
    assert chat.answers() == [cut_off, words.words(5)]
    assert chat.markers() == ["Interrupted by a restart"]


def test_a_cut_in_mid_answer_is_resumed(
    open_chat: OpenChat, cable: Cable, server: ServerProcess
) -> None:
    chat = open_chat(url=cable.url)
    chat.send("go on")
    chat.wait_word(3)
    for _ in range(3):
        chat.wait_more_words(10)
        with chat.expect_reconnection():
            cable.cut()
    chat.wait_more_words(10)
    words.tell(server.folder, chat.thread)
    chat.wait_idle()
    assert chat.answers() == [words.said(server.folder, chat.turns()[0])]
    assert chat.messages() == ["go on"]
    # It went on where it was: each reconnection resumed, and no offset is missing or repeated.
    modes = [message["mode"] for message in chat.received_of("attached")]
    assert modes == ["snapshot", "resume", "resume", "resume"]
    offsets = [offset for message in chat.received_of("events") for offset in offsets_of(message)]
    assert offsets == list(range(1, len(offsets) + 1))


def offsets_of(message: dict[str, Any]) -> list[int]:
    """Return the offsets that an `events` message covers, in order."""
    ranges = [(event["offset"], event.get("to")) for event in message["events"]]
    return [offset for first, to in ranges for offset in range(first, (to or first) + 1)]


def test_a_submit_without_its_answer_is_retried_under_its_key(
    open_chat: OpenChat, cable: Cable
) -> None:
    chat = open_chat(url=cable.url)
    cable.lose_reply()
    chat.send("say 5")
    chat.wait_for("[data-kind=answer]")
    chat.wait_idle()
    first, second = chat.sent_of("submit")
    assert first["key"] == second["key"]
    receipts = partial(chat.received_of, "reply")
    chat.wait_until(receipts)
    assert [receipt["duplicate"] for receipt in receipts()] == [True]
    chat.reload()
    assert chat.messages() == ["say 5"]
    assert chat.answers() == [words.words(5)]
    assert len(chat.sent_of("submit")) == 2


def test_a_submit_whose_answer_a_reload_threw_away_is_retried_under_its_key(
    open_chat: OpenChat, cable: Cable
) -> None:
    chat, other = open_chat(url=cable.url), open_chat()
    chat.send("say 3")
    chat.wait_word(3)
    chat.wait_idle()
    cable.hold()
    chat.send("and say 5")
    other.wait_word(5)
    chat.wait_for("[data-waiting]")
    chat.page.reload()
    cable.release()
    chat.wait_ready()
    chat.wait_idle()
    chat.page.wait_for_selector("#unconfirmed", state="hidden")
    _, first, second = chat.sent_of("submit")
    assert first["key"] == second["key"]
    assert chat.messages() == other.messages() == ["say 3", "and say 5"]
    assert chat.answers() == other.answers() == [words.words(3), words.words(5)]


def test_a_message_typed_in_an_outage_outlives_a_reload(
    open_chat: OpenChat, server: ServerProcess
) -> None:
    chat = open_chat()
    chat.expect_outage()
    server.kill()
    chat.wait_connection("reconnecting")
    chat.send("say 5")
    chat.wait_for("[data-waiting]")
    server.start()
    chat.reload()
    chat.wait_for("[data-turn]")
    chat.wait_idle()
    chat.reload()
    assert chat.messages() == ["say 5"]
    assert chat.answers() == [words.words(5)]


def test_a_silent_connection_is_given_up(
    open_chat: OpenChat, cable: Cable, server: ServerProcess
) -> None:
    """A pulled cable closes nothing; silence is questioned, and then the page connects anew."""
    chat = open_chat(url=cable.url, virtual_time=True)
    chat.send("go on")
    chat.wait_word(3)
    cable.hold()
    with chat.expect_sent("ping"):
        chat.page.clock.fast_forward("00:25")
    chat.page.clock.fast_forward("00:06")
    chat.wait_connection("reconnecting")
    cable.release()
    chat.wait_connection("open")
    words.tell(server.folder, chat.thread)
    chat.wait_idle()
    assert chat.answers() == [words.said(server.folder, chat.turns()[0])]

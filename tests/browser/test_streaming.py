"""Answers as they are seen in a real browser: streamed, reloaded, stopped, queued, kept apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import words

if TYPE_CHECKING:
    from .cable import Cable
    from .conftest import OpenChat
    from .server_process import ServerProcess


def test_an_answer_is_seen_while_it_is_written(open_chat: OpenChat, server: ServerProcess) -> None:
    chat = open_chat()
    chat.send("go on")
    chat.wait_word(3)
    early = chat.answers()[0]
    chat.wait_word(90)
    assert chat.is_busy()
    words.tell(server.folder, chat.thread)
    chat.wait_idle()
    assert chat.messages() == ["go on"]
    assert chat.answers() == [words.said(server.folder, chat.turns()[0])]
    assert chat.answers()[0].startswith(early)
    assert chat.markers() == []


def test_an_answer_goes_on_after_a_reload(open_chat: OpenChat, server: ServerProcess) -> None:
    """H7: the page itself, in a browser."""
    chat = open_chat()
    chat.send("go on")
    for number in (20, 60, 110):
        chat.wait_word(number)
        seen = chat.answers()[0]
        chat.reload()
        assert chat.is_busy()
        assert chat.answers()[0].startswith(seen)
    words.tell(server.folder, chat.thread)
    chat.wait_idle()
    assert chat.answers() == [words.said(server.folder, chat.turns()[0])]
    assert chat.messages() == ["go on"]


def test_a_second_tab_stops_an_answer(open_chat: OpenChat) -> None:
    """H4: the page itself, in a browser."""
    first, second = open_chat(), open_chat()
    first.send("go on")
    second.wait_word(10)
    second.stop()
    for tab in (first, second):
        tab.wait_idle()
        assert tab.markers() == ["Stopped"]
    (answer,) = first.answers()
    assert second.answers() == [answer]
    assert words.words(words.MOST_WORDS).startswith(answer)
    second.reload()
    assert second.answers() == [answer]
    assert second.markers() == ["Stopped"]


def test_a_late_stop_leaves_the_next_turn_alone(open_chat: OpenChat, cable: Cable) -> None:
    """H5: what Stop was pressed for is the turn that the person saw, whatever runs by then (I6)."""
    near, far = open_chat(), open_chat(url=cable.url)
    near.send("go on")
    near.wait_busy()
    near.send("go on, please")
    far.wait_word(3)
    cable.hold()
    near.stop()
    near.wait_for("[data-state=settled] + [data-state=running]")
    with far.expect_sent("cancel"):
        far.stop()
    cable.release()
    far.wait_until(lambda: far.page.inner_text("#stop") == "Stop")
    assert [message["turn"] for message in far.sent_of("cancel")] == [far.turns()[0]]
    for tab in (near, far):
        assert tab.is_busy()
        assert tab.markers() == ["Stopped"]
    far.stop()
    for tab in (near, far):
        tab.wait_idle()
        assert tab.markers() == ["Stopped", "Stopped"]


def test_what_is_pressed_stays_under_the_pointer(open_chat: OpenChat) -> None:
    """The answer grows by lines meanwhile, and all below it would move away."""
    chat = open_chat()
    chat.page.set_viewport_size({"width": 400, "height": 6000})  # nothing stays at the end of it
    chat.send("go on")
    chat.wait_word(3)
    chat.send("and never say 6")
    queued = chat.page.locator("[data-state=queued]")
    queued.locator("button[data-cancel]").click(delay=600)  # milliseconds until it is let go
    queued.wait_for(state="detached")
    assert chat.messages() == ["go on", "and never say 6"]
    chat.stop()
    chat.wait_idle()


def test_a_message_waits_for_the_answer_before_it(
    open_chat: OpenChat, server: ServerProcess
) -> None:
    chat = open_chat()
    chat.send("go on")
    chat.wait_word(3)
    chat.send("then say 5")
    chat.send("and never say 6")
    queued = chat.page.locator("[data-state=queued]")
    queued.nth(1).wait_for()
    assert chat.messages() == ["go on", "then say 5", "and never say 6"]
    queued.nth(1).locator("button[data-cancel]").click()
    queued.nth(1).wait_for(state="detached")
    assert len(chat.answers()) == 1
    words.tell(server.folder, chat.thread)
    chat.wait_idle()
    shown = chat.messages(), chat.answers(), chat.markers()
    first = words.said(server.folder, chat.turns()[0])
    assert shown == (
        ["go on", "and never say 6", "then say 5"],
        [first, words.words(5)],
        ["Stopped"],
    )
    chat.reload()
    assert (chat.messages(), chat.answers(), chat.markers()) == shown


def test_a_message_takes_the_place_of_the_answer(open_chat: OpenChat) -> None:
    chat = open_chat()
    chat.send("go on")
    chat.wait_word(3)
    chat.page.select_option("#busy", "interrupt")
    chat.send("instead say 4")
    chat.wait_for("[data-reason=superseded]")
    chat.wait_idle()
    assert chat.messages() == ["go on", "instead say 4"]
    assert chat.answers()[1] == words.words(4)
    assert chat.markers() == ["Interrupted by a newer message"]


def test_threads_are_kept_apart(open_chat: OpenChat, server: ServerProcess) -> None:
    """B16: the page itself, in a browser."""
    red, blue = open_chat("red"), open_chat("blue")
    red.send("go on, red")
    blue.send("go on, blue")
    red.wait_word(20)
    blue.wait_word(20)
    words.tell(server.folder, "red")
    red.wait_idle()
    assert blue.is_busy()
    blue.page.click("#menu > summary")
    blue.page.click("#threads a:has-text('red')")
    blue.wait_ready()
    assert blue.page.get_attribute("body", "data-thread") == "red"
    assert (blue.messages(), blue.answers()) == (red.messages(), red.answers())
    assert red.messages() == ["go on, red"]
    blue.page.go_back()
    blue.wait_for("body[data-busy]")
    words.tell(server.folder, "blue")
    blue.wait_idle()
    assert blue.messages() == ["go on, blue"]
    for chat in (red, blue):
        assert chat.answers() == [words.said(server.folder, chat.turns()[0])]

"""The page without a mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import words

if TYPE_CHECKING:
    from .chat_page import ChatPage
    from .conftest import OpenChat
    from .server_process import ServerProcess


def focused(chat: ChatPage) -> str:
    """Return the id of what has the focus; its tag and text where it has no id."""
    return str(
        chat.page.evaluate(
            "() => { const { id, tagName, textContent } = document.activeElement;"
            " return id || `${tagName.toLowerCase()} ${textContent.trim()}` }"
        )
    )


def test_enter_sends_shift_enter_starts_a_line_and_escape_stops(open_chat: OpenChat) -> None:
    chat = open_chat()
    keyboard = chat.page.keyboard
    assert focused(chat) == "input"
    keyboard.press("Enter")
    keyboard.type("  ")
    keyboard.press("Enter")
    assert chat.page.input_value("#input") == "  "
    keyboard.type("go on")
    one_line = chat.page.locator("#input").bounding_box()
    keyboard.press("Shift+Enter")
    keyboard.type("for me")
    two_lines = chat.page.locator("#input").bounding_box()
    assert one_line is not None
    assert two_lines is not None
    assert two_lines["height"] > one_line["height"]
    keyboard.press("Enter")
    chat.wait_word(3)
    assert chat.messages() == ["  go on\nfor me"]
    assert chat.page.input_value("#input") == ""
    assert focused(chat) == "input"
    keyboard.press("Escape")
    chat.wait_idle()
    assert chat.markers() == ["Stopped"]
    assert focused(chat) == "input"
    keyboard.press("Escape")
    assert len(chat.sent_of("submit")) == len(chat.sent_of("cancel")) == 1


def test_enter_that_ends_a_composition_sends_nothing(open_chat: OpenChat) -> None:
    """Who writes Japanese or Chinese presses Enter to choose a word."""
    chat = open_chat()
    chat.page.keyboard.insert_text("かんじ")
    composing = {"key": "Enter", "bubbles": True, "cancelable": True, "isComposing": True}
    chat.page.locator("#input").dispatch_event("keydown", composing)
    assert chat.page.input_value("#input") == "かんじ"
    assert chat.sent_of("submit") == []


def test_the_focus_goes_through_the_page_in_its_order(
    open_chat: OpenChat, server: ServerProcess
) -> None:
    chat = open_chat()
    keyboard = chat.page.keyboard
    keyboard.type("go on")
    keyboard.press("Enter")
    chat.wait_word(3)
    keyboard.type("then say 3")
    keyboard.press("Enter")
    chat.wait_for("[data-state=queued]")
    order = ["input", "busy", "stop", "send"]
    for name in order:
        assert focused(chat) == name
        keyboard.press("Tab")
    for name in reversed(order):
        keyboard.press("Shift+Tab")
        assert focused(chat) == name
    keyboard.press("Shift+Tab")
    assert focused(chat) == "button Cancel"
    keyboard.press("Shift+Tab")
    assert focused(chat) == "scroller"
    keyboard.press("Shift+Tab")
    assert focused(chat).startswith("summary Thread")
    # A button that goes away hands the focus on, and not to nothing.
    chat.page.focus("#stop")
    words.tell(server.folder, chat.thread)
    chat.wait_idle()
    assert focused(chat) == "input"


def test_the_threads_are_reached_and_left_by_keys(open_chat: OpenChat) -> None:
    elsewhere = open_chat("elsewhere")
    elsewhere.send("say 2")
    elsewhere.wait_for("[data-turn]")
    elsewhere.wait_idle()
    chat = open_chat()
    keyboard = chat.page.keyboard
    chat.page.focus("#menu > summary")
    keyboard.press("Enter")
    link = chat.page.get_by_role("link", name="elsewhere")
    link.wait_for()
    keyboard.press("Escape")
    link.wait_for(state="hidden")
    assert focused(chat).startswith("summary Thread")
    keyboard.press("Enter")
    keyboard.press("Tab")
    assert focused(chat) == "create"
    link.focus()
    keyboard.press("Enter")
    chat.wait_for("body[data-ready][data-thread=elsewhere]")
    assert chat.messages() == ["say 2"]
    chat.page.focus("#menu > summary")
    keyboard.press("Enter")
    keyboard.press("Tab")
    keyboard.press("Enter")
    chat.wait_for("body[data-ready][data-thread^=t-]")
    assert chat.messages() == []

"""What assistive technology is told, and whether everybody can read what is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from . import words

if TYPE_CHECKING:
    from .chat_page import ChatPage
    from .conftest import OpenChat
    from .server_process import ServerProcess

# Every visible text with too little contrast against what is behind it (WCAG 2, level AA: 4.5 to
# 1), and the placeholder's. Colours come as the browser has computed them.
CONTRAST = (Path(__file__).parent / "contrast.js").read_text()

# What a person can operate; each has to say what it is.
OPERABLE = {"button", "link", "textbox", "combobox", "DisclosureTriangle"}


def test_everything_has_a_role_and_a_name(open_chat: OpenChat, server: ServerProcess) -> None:
    chat = open_chat()
    page = chat.page
    assert page.get_attribute("html", "lang") == "en"
    assert page.title() == f"{chat.thread} · Holdfast"
    page.get_by_role("heading", name="Holdfast", level=1).wait_for()
    page.get_by_role("main", name="Conversation").wait_for()
    page.get_by_role("status").filter(has_text="Connected").wait_for()
    page.get_by_role("textbox", name="Message").fill("go on")
    page.get_by_role("button", name="Send").click()
    page.get_by_role("log", name="Messages").wait_for()
    chat.wait_word(3)
    assert page.inner_text("#announcer") == "Answering"
    page.get_by_role("combobox", name="Send the next message").wait_for()
    page.get_by_role("button", name="Stop").wait_for()
    page.click("#menu > summary")
    page.get_by_role("navigation", name="Threads").wait_for()
    page.get_by_role("link", name=chat.thread).wait_for()
    assert [node for node in operable(chat) if not node["name"]] == []
    assert {node["role"] for node in operable(chat)} == OPERABLE
    said, answered = page.get_by_role("article").all()
    assert said.inner_text().startswith("You said")
    assert answered.inner_text().startswith("Answer")
    words.tell(server.folder, chat.thread)
    chat.wait_idle()
    assert page.inner_text("#announcer") == "Answered"


def operable(chat: ChatPage) -> list[dict[str, Any]]:
    """Return role and name of what can be operated, as Chromium tells assistive technology."""
    session = chat.page.context.new_cdp_session(chat.page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    found = [
        {"role": node["role"]["value"], "name": node.get("name", {}).get("value", "").strip()}
        for node in nodes
        if not node["ignored"]
    ]
    return [node for node in found if node["role"] in OPERABLE]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_written_stands_out(open_chat: OpenChat, scheme: str) -> None:
    chat = open_chat(f"contrast-{scheme}")
    chat.page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
    chat.send("go on")
    chat.wait_word(45)
    chat.send("then say 2")
    chat.send("then say 3")
    chat.page.locator("[data-state=queued]").nth(1).wait_for()
    chat.page.click("#menu > summary")
    chat.wait_for("#threads a")
    assert chat.page.evaluate(CONTRAST) == []
    chat.stop()
    chat.wait_for("[data-kind=marker]")
    for state in ("reconnecting", "refused"):
        # What cannot be had all at once: an alert, and a connection that is not well.
        chat.page.evaluate("state => document.body.dataset.connection = state", state)
        chat.page.evaluate("problem.hidden = false; problem.textContent = 'What went wrong'")
        assert chat.page.evaluate(CONTRAST) == []


def test_a_narrow_window_scrolls_one_way(open_chat: OpenChat) -> None:
    """At 320 pixels, which is also 1280 at 400 per cent (WCAG 1.4.10)."""
    chat = open_chat()
    chat.page.set_viewport_size({"width": 320, "height": 500})
    chat.send("go on")
    chat.wait_word(45)
    assert chat.page.evaluate("document.documentElement.scrollWidth") <= 320
    assert chat.page.evaluate("scroller.scrollWidth - scroller.clientWidth") == 0
    for name in ("#input", "#stop", "#send", "#menu > summary"):
        box = chat.page.locator(name).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 320
    chat.page.keyboard.press("Escape")
    chat.wait_idle()

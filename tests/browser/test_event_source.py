"""A browser's own EventSource on a thread's event stream, through cuts and a killed server (I3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from . import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext, Page

    from .cable import Cable
    from .server_process import ServerProcess

THREAD: Final = "stream"
# Keeps what a page's listeners get, and how often the stream was opened.
FOLLOW = """thread => {
  window.heard = []; window.opened = 0;
  window.source = new EventSource(`/threads/${thread}/events`);
  const types = ["snapshot", "caught_up", "detached", "thread.created", "turn.submitted",
    "turn.started", "turn.delta", "turn.completed", "turn.interrupted", "thread.deleted"];
  for (const type of types) source.addEventListener(type, (event) =>
    heard.push({type, id: event.lastEventId, ...JSON.parse(event.data)}));
  source.addEventListener("open", () => window.opened++);
}"""
ASK = """async ([path, method, body]) => {
  const answer = await fetch(path, {method, body: body && JSON.stringify(body)});
  return await answer.json();
}"""


@pytest.fixture
def page(context: BrowserContext, cable: Cable) -> Iterator[Page]:
    """A page of the server's, without the chat, that reaches it through the cable."""
    page = context.new_page()
    page.goto(f"{cable.url}healthz")
    yield page
    page.close()


def heard(page: Page) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = page.evaluate("heard")
    return told


def wait_words(page: Page, count: int) -> None:
    page.wait_for_function(
        "count => heard.filter((event) => event.type === 'turn.delta').length >= count", arg=count
    )


def wait_type(page: Page, type: str) -> None:
    page.wait_for_function("type => heard.some((event) => event.type === type)", arg=type)


def assert_whole(page: Page) -> None:
    """Nothing is missing, nothing came twice, and each id is the place behind its event."""
    at = 0
    for event in heard(page):
        if "offset" in event:
            assert event["offset"] == at + 1
            at = event.get("to", event["offset"])
            assert event["id"].endswith(f".{at}")
    assert [event["type"] for event in heard(page)].count("snapshot") == 1


def test_a_browser_resumes_through_cuts_and_a_kill(
    page: Page, cable: Cable, server: ServerProcess
) -> None:
    page.evaluate(FOLLOW, THREAD)
    wait_type(page, "caught_up")
    submit = [f"/threads/{THREAD}/turns", "POST", {"content": "go on"}]
    turn = page.evaluate(ASK, submit)["turn"]
    for count in (3, 6, 9):
        wait_words(page, count)
        opened = page.evaluate("opened")
        cable.cut()
        page.wait_for_function("opened => window.opened > opened", arg=opened)
    server.kill()
    server.start()
    wait_type(page, "turn.interrupted")
    assert_whole(page)
    (ending,) = (event for event in heard(page) if event["type"] == "turn.interrupted")
    assert ending["turn"] == turn
    said = "".join(event["text"] for event in heard(page) if event["type"] == "turn.delta")
    assert words.words(words.MOST_WORDS).startswith(said)


def test_a_browser_stays_away_from_a_stream_that_is_finished(page: Page) -> None:
    page.evaluate(FOLLOW, "finished")
    wait_type(page, "caught_up")
    submit = ["/threads/finished/turns", "POST", {"content": "say 5"}]
    page.evaluate(ASK, submit)
    wait_type(page, "turn.completed")
    page.evaluate(ASK, ["/threads/finished", "DELETE", None])
    page.wait_for_function("() => source.readyState === EventSource.CLOSED")
    assert [event["type"] for event in heard(page)][-1] == "detached"
    assert_whole(page)

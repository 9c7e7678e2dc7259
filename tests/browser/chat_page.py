"""The chat page as a test uses and reads it, by the names that `index.html` promises."""

from __future__ import annotations

import json
import re
import time
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from playwright.sync_api import (
        BrowserContext,
        ConsoleMessage,
        Page,
        WebSocket,
        WebSocketRoute,
    )

    # Takes each WebSocket that the page opens.
    Peer = Callable[[WebSocketRoute], object]

# Milliseconds for anything to come about, on a busy machine.
PATIENCE = 20_000
# The browser's own words where a server is down; no page can keep it from saying them.
_UNREACHABLE = re.compile(r"^WebSocket connection to 'ws://[^']*' failed")

# Runs before the page does, and looks at everything that it ever shows: a message twice, an answer
# that loses or changes words, something that its content security policy forbids.
_WATCH = """
const shown = new Map();
const texts = (kind) => [...document.querySelectorAll(`[data-kind=${kind}] [data-text]`)];
new MutationObserver(() => {
  const messages = texts("message").map((element) => element.textContent);
  if (new Set(messages).size < messages.length) console.error(`shown twice: ${messages}`);
  for (const element of texts("answer")) {
    const id = element.parentElement.dataset.item;
    const text = element.textContent;
    if (!text.startsWith(shown.get(id) ?? "")) console.error(`taken back: ${shown.get(id)}`);
    shown.set(id, text);
  }
}).observe(document, { subtree: true, childList: true, characterData: true });
document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
  console.error(`against the policy: ${violatedDirective} ${blockedURI}`));
"""


class ChatPage:
    """One tab that shows one thread.

    Args:
        context: the profile that it is opened in.
        virtual_time: let the test move the page's clock.
        peer: is what the page talks to in place of the server.

    Attributes:
        page: Playwright's.
        thread: the thread's id.
    """

    def __init__(
        self, context: BrowserContext, *, virtual_time: bool = False, peer: Peer | None = None
    ) -> None:
        self.page: Page = context.new_page()
        self.thread = ""
        self._sent: list[dict[str, Any]] = []
        self._received: list[dict[str, Any]] = []
        self._problems: list[str] = []
        self._server_may_vanish = False
        self._websocket: WebSocket | None = None
        self.page.set_default_timeout(PATIENCE)
        if virtual_time:
            self.page.clock.install()
        if peer is not None:
            self.page.route_web_socket("**/ws", peer)
        self.page.add_init_script(_WATCH)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self._problems.append(str(error)))
        self.page.on("requestfailed", lambda request: self._problems.append(request.url))
        self.page.on("websocket", self._on_websocket)

    def open(self, url: str, thread: str) -> None:
        """Go to a thread, and wait until the page shows it."""
        self.thread = thread
        self.page.goto(f"{url}?thread={thread}")
        self.wait_ready()

    def all_problems(self) -> list[str]:
        """Return what went wrong so far: console messages, errors, failed requests."""
        self.page.evaluate("null")  # what the browser said before its answer has come by then
        return self._problems

    def _on_console(self, message: ConsoleMessage) -> None:
        if not (self._server_may_vanish and _UNREACHABLE.match(message.text)):
            self._problems.append(f"console {message.type}: {message.text}")

    def _on_websocket(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        websocket.on("framesent", partial(_keep, self._sent))
        websocket.on("framereceived", partial(_keep, self._received))

    def expect_outage(self) -> None:
        """From now on the server may be unreachable without that being a problem."""
        self._server_may_vanish = True

    # What a person does.

    def send(self, text: str) -> None:
        """Type a message, and press Enter."""
        self.page.fill("#input", text)
        self.page.press("#input", "Enter")

    def stop(self) -> None:
        """Press Stop."""
        self.page.click("#stop")

    def reload(self) -> None:
        """Reload the page, and wait until it shows the thread."""
        self.page.reload()
        self.wait_ready()

    # What a person sees.

    def messages(self) -> list[str]:
        """What was said, the messages that wait included."""
        return self._texts("message")

    def answers(self) -> list[str]:
        """What was answered, as far as it is shown."""
        return self._texts("answer")

    def markers(self) -> list[str]:
        """How turns ended that did not complete, as the page says it."""
        return self._texts("marker")

    def turns(self) -> list[str]:
        """The ids of the turns that are shown."""
        sections = self.page.locator("[data-turn]").all()
        return [section.get_attribute("data-turn") or "" for section in sections]

    def is_busy(self) -> bool:
        """Whether a turn runs."""
        return self.page.locator("body[data-busy]").count() == 1

    def _texts(self, kind: str) -> list[str]:
        return self.page.locator(f"[data-kind={kind}] [data-text]").all_text_contents()

    # What a test waits for.

    def wait_ready(self) -> None:
        """Wait until the thread has been shown up to its head."""
        self.wait_for("body[data-ready][data-connection=open]")

    def wait_busy(self) -> None:
        """Wait until a turn runs."""
        self.wait_for("body[data-busy]")

    def wait_idle(self) -> None:
        """Wait until nothing runs or waits; a message that was just sent may not be shown yet."""
        self.wait_for(
            "body[data-ready]:not([data-busy]):not(:has([data-waiting], [data-state=queued]))"
        )

    def wait_connection(self, state: str) -> None:
        """Wait until the page says that of its connection."""
        self.wait_for(f"body[data-connection={state}]")

    def wait_for(self, selector: str) -> None:
        """Wait until something on the page matches a CSS selector."""
        # Playwright's own waiting for elements looks every half second.
        self.page.wait_for_function("wanted => document.querySelector(wanted)", arg=selector)

    def wait_problem(self, text: str) -> None:
        """Wait until the page tells of a problem, in words that contain these."""
        self.page.locator("#problem").filter(has_text=text).wait_for()

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Wait until something is so that the page does not show."""
        deadline = time.monotonic() + PATIENCE / 1000
        while not condition():
            assert time.monotonic() < deadline, "it does not come about"
            self.page.wait_for_timeout(10)

    def wait_more_words(self, count: int) -> None:
        """Wait until the last answer has so many more words than now."""
        self.wait_word(self.answers()[-1].count("word") + count)

    def wait_word(self, number: int) -> None:
        """Wait until a word of the last answer is there, as `words.word` numbers them."""
        self.page.wait_for_function(
            "word => [...document.querySelectorAll('[data-kind=answer] [data-text]')]"
            ".at(-1)?.textContent.includes(word)",
            arg=f"word{number}",
        )

    def expect_sent(self, kind: str) -> AbstractContextManager[object]:
        """Return a block that ends once the page has sent a message of this type."""
        assert self._websocket is not None
        return self._websocket.expect_event(
            "framesent", lambda payload: json.loads(payload)["type"] == kind
        )

    def expect_reconnection(self) -> AbstractContextManager[object]:
        """Return a block that ends once the page tries to connect."""
        return self.page.expect_websocket()

    def sent_of(self, kind: str) -> list[dict[str, Any]]:
        """Return the messages of a type that the page has sent."""
        return [message for message in self._sent if message["type"] == kind]

    def received_of(self, kind: str) -> list[dict[str, Any]]:
        """Return the messages of a type that the page has received."""
        return [message for message in self._received if message["type"] == kind]


def _keep(messages: list[dict[str, Any]], payload: str | bytes) -> None:
    messages.append(json.loads(payload))

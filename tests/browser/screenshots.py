"""`python -m tests.browser.screenshots`: takes the pictures of the chat page for README and docs.

They show the page as it is: real conversations out of `tests/data`, answered by a real server with
the recorded answers, piece by piece.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from tests.real_input.conversations import Exchange, load, pieces

from . import chromium
from .chat_page import ChatPage
from .server_process import ROOT, ServerProcess

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ViewportSize

    from actors import Turn

PICTURES = ROOT / "docs" / "_static"
SIZE: ViewportSize = {"width": 1280, "height": 800}
# Seconds between two pieces of an answer, in a thread that is to be seen in mid-answer.
PACE = 0.03

CONVERSATIONS = {conversation.id: conversation for conversation in load()}
ANSWERS = {
    exchange.user: exchange.answer
    for conversation in CONVERSATIONS.values()
    for exchange in conversation.exchanges
}
# Threads that are only in the list, oldest first, and the two that are shown, with their sources.
LISTED = {
    "a-race": "mt-bench-101",
    "bookshop-receipt": "mt-bench-119",
    "startup-budget": "mt-bench-112",
    "top-five-words": "mt-bench-121",
}
SHOWN = {"find-the-bug": "mt-bench-124", "fibonacci": "mt-bench-122"}


async def reply(turn: Turn) -> None:
    """Answer as it was recorded."""
    for piece in pieces(ANSWERS[turn.text], turn.id):
        await turn.write(piece)
        await trio.sleep(PACE if turn.thread in SHOWN else 0)


def main() -> int:
    """Take all pictures."""
    missing = chromium.missing()
    if missing is not None:
        print(missing, file=sys.stderr)
        return 1
    handler = f"{__spec__.name}:reply"
    with (
        tempfile.TemporaryDirectory() as folder,
        ServerProcess(Path(folder), handler) as server,
        chromium.launched() as browser,
    ):
        context = browser.new_context(viewport=SIZE, device_scale_factor=1.5)
        for thread, conversation in LISTED.items():
            talk(opened(context, server, thread), conversation)
        take_stream(opened(context, server, "find-the-bug"))
        take_outage(opened(context, server, "fibonacci"), server)
    return 0


def opened(context: BrowserContext, server: ServerProcess, thread: str) -> ChatPage:
    """Open a thread in a tab of its own."""
    chat = ChatPage(context)
    chat.open(server.url, thread)
    return chat


def talk(chat: ChatPage, conversation: str) -> None:
    """Have a whole conversation."""
    for place, exchange in enumerate(CONVERSATIONS[conversation].exchanges, 1):
        chat.send(exchange.user)
        chat.wait_for(f"[data-turn]:nth-child({place})[data-state=settled]")


def take_stream(chat: ChatPage) -> None:
    """Take a picture in mid-answer, with the list of threads."""
    question, _ = CONVERSATIONS[SHOWN[chat.thread]].exchanges
    chat.send(question.user)
    wait_for_part(chat, question, 0.55)
    chat.page.click("#menu > summary")
    chat.wait_for("#threads a[aria-current]")
    save(chat, "page.png")


def take_outage(chat: ChatPage, server: ServerProcess) -> None:
    """Take a picture of a server that died in mid-answer, and of a message that waits for it."""
    question, next_question = CONVERSATIONS[SHOWN[chat.thread]].exchanges
    chat.send(question.user)
    wait_for_part(chat, question, 0.3)
    server.kill()
    chat.wait_connection("reconnecting")
    chat.send(next_question.user)
    chat.wait_for("[data-waiting]")
    chat.wait_until(lambda: chat.page.inner_text("#countdown"))
    save(chat, "page-reconnecting.png")


def wait_for_part(chat: ChatPage, exchange: Exchange, share: float) -> None:
    """Wait until so much of an answer is shown."""
    wanted = exchange.answer[: int(share * len(exchange.answer))]
    chat.wait_until(lambda: wanted in "".join(chat.answers()))


def save(chat: ChatPage, name: str) -> None:
    """Write a picture, and say how large it is."""
    size = len(chat.page.screenshot(path=PICTURES / name))
    print(f"{(PICTURES / name).relative_to(ROOT)}: {size // 1024} KiB")


if __name__ == "__main__":
    sys.exit(main())

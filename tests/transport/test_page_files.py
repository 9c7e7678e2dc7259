"""The chat page's files as the server hands them out."""

from __future__ import annotations

import re
from functools import partial
from pathlib import PurePosixPath

import pytest
import trio
from raw_peer import ask, request

from actors import Turn, open_runtime
from actors.journal.memory import MemoryJournal
from transport.server import Server, serve

CLOSING = {"Host": "127.0.0.1", "Connection": "close"}
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


async def never(turn: Turn) -> None:
    raise AssertionError("nobody says anything here")


async def get(*paths: str) -> list[tuple[int, dict[str, str], bytes]]:
    """Ask a server of its own for these paths."""
    async with (
        open_runtime(MemoryJournal(), on_turn=never) as runtime,
        trio.open_nursery() as nursery,
    ):
        server: Server = await nursery.start(partial(serve, runtime, port=0))
        port = int(server.url.rpartition(":")[2].rstrip("/"))
        answers = [await ask(port, request(path, CLOSING)) for path in paths]
        nursery.cancel_scope.cancel()
    return answers


async def test_the_page_and_all_that_it_refers_to_are_served() -> None:
    [(status, headers, page)] = await get("/")
    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    to_ask = set(re.findall(r'(?:src|href)="([^"?]+)"', page.decode()))
    asked: set[str] = set()
    while to_ask:
        names = sorted(to_ask)
        answers = await get(*(f"/{name}" for name in names))
        asked |= to_ask
        for name, (status, headers, body) in zip(names, answers, strict=True):
            assert (name, status) == (name, 200)
            assert headers["content-type"].startswith(TYPES[PurePosixPath(name).suffix])
            assert headers["content-security-policy"].startswith("default-src 'self';")
            to_ask |= set(re.findall(r'from "\./([^"]+)"', body.decode()))
        to_ask -= asked
    assert asked >= {"app.js", "client.js", "connection.js", "transcript.js", "favicon.svg"}


async def test_browsers_that_ask_for_an_icon_unasked_get_it() -> None:
    icon, unasked = await get("/favicon.svg", "/favicon.ico")
    assert icon[2] == unasked[2]
    assert unasked[1]["content-type"] == "image/svg+xml"


@pytest.mark.parametrize(
    "path",
    [
        "/index.html",
        "/web/app.js",
        "//app.js",
        "/./app.js",
        "/../server.py",
        "/..%2fserver.py",
        "/%2e%2e/server.py",
        "/__init__.py",
        "/app.js/",
        "/App.js",
        "/app%2ejs",
    ],
)
async def test_nothing_else_is_served(path: str) -> None:
    [(status, _, body)] = await get(path)
    assert (status, body) == (404, b"no such page\n")

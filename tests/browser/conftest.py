"""Fixtures of the browser tests: one browser and one server, pages per test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import pytest

from . import chromium
from .cable import Cable, plugged
from .chat_page import ChatPage
from .server_process import ServerProcess

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

    from .chat_page import Peer


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A browser. Where there is none the test is skipped, or fails where one is required."""
    missing = chromium.missing()
    if missing is not None:
        if os.environ.get("HOLDFAST_BROWSER") == "required":
            pytest.fail(f"a browser is required here, but {missing}")
        pytest.skip(missing)
    with chromium.launched() as browser:
        yield browser


@pytest.fixture(scope="package")
def shared_server(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A server process, started once there is a browser to use it."""
    with ServerProcess(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def server(shared_server: ServerProcess) -> ServerProcess:
    """A server that runs, also where the test before killed it and failed."""
    if not shared_server.alive:
        shared_server.start()
    return shared_server


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser profile of the test's own."""
    context = browser.new_context()
    try:
        yield context
    finally:
        context.close()


class OpenChat(Protocol):
    """Opens a tab on a thread, by default the test's own, at the server or at another URL."""

    def __call__(
        self,
        thread: str = ...,
        *,
        url: str | None = ...,
        virtual_time: bool = ...,
        peer: Peer | None = ...,
    ) -> ChatPage: ...


@pytest.fixture
def cable(server: ServerProcess) -> Iterator[Cable]:
    """A cable to the server."""
    with plugged(server.port) as cable:
        yield cable


@pytest.fixture
def open_chat(
    context: BrowserContext, server: ServerProcess, cable: Cable, request: pytest.FixtureRequest
) -> Iterator[OpenChat]:
    """Opens tabs; in the end, with the cable still plugged in, none may have had a problem."""
    tabs: list[ChatPage] = []

    def open_tab(
        thread: str = request.node.name,
        *,
        url: str | None = None,
        virtual_time: bool = False,
        peer: Peer | None = None,
    ) -> ChatPage:
        tab = ChatPage(context, virtual_time=virtual_time, peer=peer)
        tabs.append(tab)
        tab.open(url or server.url, thread)
        return tab

    yield open_tab
    assert [tab.all_problems() for tab in tabs] == [[]] * len(tabs)

"""The browser of the tests: Chromium as the system has it, driven by Playwright."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_NAMES = ("chromium", "chromium-browser", "google-chrome")
# No sandbox, since tests may run as root in a container; nothing that calls home.
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def missing() -> str | None:
    """Return what is missing to drive a browser, for a person to read; None where nothing is."""
    if importlib.util.find_spec("playwright") is None:
        return "Playwright for Python is not installed (it is in the dependency group `test`)"
    if _executable() is None:
        return f"no browser on the PATH (looked for {', '.join(_NAMES)})"
    return None


@contextmanager
def launched() -> Iterator[Browser]:
    """Run a browser without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_executable(), args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def _executable() -> str | None:
    return next(filter(None, map(shutil.which, _NAMES)), None)

"""Names of a contract's checks, for the ids of tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def name_of(check: Callable[..., Any]) -> str:
    """Return a check's name, for a test id."""
    return getattr(check, "__name__", "check")

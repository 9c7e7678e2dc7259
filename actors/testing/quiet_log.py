"""Keeping the runtime from logging while it is simulated."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

# Where the product logs; what is disabled is one logger, and not those below it.
LOGGERS = ("holdfast", *(f"holdfast.{each}" for each in ("client", "journal", "link", "server")))


@contextmanager
def quiet_log() -> Iterator[None]:
    """Keep the runtime from logging: handlers are meant to fail here, again and again."""
    logs = [logging.getLogger(name) for name in LOGGERS]
    were = [log.disabled for log in logs]
    for log in logs:
        log.disabled = True
    try:
        yield
    finally:
        for log, was in zip(logs, were, strict=True):
            log.disabled = was

"""How soon a thread that waits for the interpreter gets it, set for a program that is a server.

The journal commits in a worker thread, which lets go of the interpreter's lock in each step of
SQLite, four to eight times for a commit. While the event loop is busy it may wait for as long as
the switch interval to get it back, each time, and that is 5 ms by default.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# Seconds. A fifth of it won nothing more.
_INTERVAL: Final = 0.0005


@contextmanager
def prompt_switching() -> Iterator[None]:
    """Have a worker thread wait for half a millisecond at the most while the loop is busy."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_INTERVAL)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)

"""The grammar of thread ids."""

from __future__ import annotations

import re
from typing import Final

_THREAD_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:\-]{0,127}", re.ASCII)


def is_thread_id(text: object) -> bool:
    """Say whether this may name a thread: 1 to 128 of `A–Z a–z 0–9 . _ : -`, the first of them a
    letter or a digit."""
    return isinstance(text, str) and _THREAD_ID.fullmatch(text) is not None

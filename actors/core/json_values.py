"""Values from outside, taken over as plain JSON: nothing mutable is shared with who sent them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from ..errors import Rejected
from ..limits import DEFAULT_LIMITS


def taken_over(
    value: Any, name: str, limit_bytes: int, limit_depth: int = DEFAULT_LIMITS.json_depth
) -> Any:
    """Return a copy of a value as JSON has it.

    Args:
        value: what came.
        name: what to call it in a refusal.
        limit_bytes: of its JSON in UTF-8.
        limit_depth: lists and objects within each other.

    Raises:
        Rejected: `bad_request` where it has no JSON form or is nested too deep, `too_large` where
            its JSON is too long.
    """
    try:
        encoded = orjson.dumps(value)
    except TypeError as exc:
        raise Rejected("bad_request", f"{name} has no JSON form: {exc}") from exc
    if len(encoded) > limit_bytes:
        raise Rejected("too_large", f"{name} has {len(encoded)} bytes of at most {limit_bytes}")
    copy = orjson.loads(encoded)
    # So deep takes a bracket each at both ends.
    if len(encoded) > 2 * limit_depth and _is_deeper(copy, limit_depth):
        raise Rejected("bad_request", f"{name} may be nested {limit_depth} deep, not deeper")
    return copy


def copied(value: Any) -> Any:
    """Return a copy of JSON that shares nothing with it that could be changed."""
    return value if isinstance(value, str) else orjson.loads(orjson.dumps(value))


def trimmed(encoded: bytes) -> bytes:
    """Return bytes of orjson's as a copy that takes no more memory than it is long.

    What orjson returns keeps the 1 to 4 KiB that were reserved for it: nothing, where it is passed
    on, and twenty times what a bound of bytes counts, where many short ones are kept (I12).
    """
    return b"%b" % encoded


def _is_deeper(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth):
        level = [part for outer in level for part in _parts(outer) if isinstance(part, list | dict)]
    return bool(level)


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()

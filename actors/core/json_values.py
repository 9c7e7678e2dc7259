"""Values from outside, taken over as plain JSON: nothing mutable is shared with who sent them."""

from __future__ import annotations

from typing import Any

import orjson

from ..errors import Rejected


def taken_over(value: Any, name: str, limit_bytes: int) -> Any:
    """Return a copy of a value as JSON has it.

    Args:
        value: what came.
        name: what to call it in a refusal.
        limit_bytes: of its JSON in UTF-8.

    Raises:
        Rejected: `bad_request` where it has no JSON form, `too_large` where that is too long.
    """
    try:
        encoded = orjson.dumps(value)
    except TypeError as exc:
        raise Rejected("bad_request", f"{name} has no JSON form: {exc}") from exc
    if len(encoded) > limit_bytes:
        raise Rejected("too_large", f"{name} has {len(encoded)} bytes of at most {limit_bytes}")
    return orjson.loads(encoded)

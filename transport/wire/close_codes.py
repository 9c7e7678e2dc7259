"""The close codes of `holdfast.v1`: the range alone says whether to come back."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final


class CloseCode(enum.IntEnum):
    """Why the server closes a connection. A client goes by `should_reconnect`, not by the code."""

    DRAINING = 4001
    CREDENTIALS_EXPIRED = 4002
    SLOW_CONSUMER = 4003
    NO_PONG = 4004
    INTERNAL = 4005
    BAD_CREDENTIALS = 4501
    PROTOCOL_ERROR = 4502
    COMMAND_TOO_LARGE = 4503
    THREAD_LIMIT = 4504

    @property
    def reason(self) -> str:
        """What the close frame says, for a person; within the 123 bytes that one has."""
        return _REASONS[self]


_REASONS: Final[Mapping[CloseCode, str]] = {
    CloseCode.DRAINING: "draining",
    CloseCode.CREDENTIALS_EXPIRED: "credentials expired",
    CloseCode.SLOW_CONSUMER: "slow consumer",
    CloseCode.NO_PONG: "no pong",
    CloseCode.INTERNAL: "internal error",
    CloseCode.BAD_CREDENTIALS: "bad credentials",
    CloseCode.PROTOCOL_ERROR: "protocol error",
    CloseCode.COMMAND_TOO_LARGE: "command too large",
    CloseCode.THREAD_LIMIT: "attached to too many threads",
}


def should_reconnect(code: int | None) -> bool:
    """Say whether a client whose connection closed comes back with its cursors.

    Args:
        code: of the close frame; None where there was none.
    """
    return code is None or not 4500 <= code <= 4999

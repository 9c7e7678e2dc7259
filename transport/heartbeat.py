"""Finding out that a peer is gone although its connection is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from .link import LinkClosed

if TYPE_CHECKING:
    from actors.limits import Limits

    from .link import Link


async def heartbeat(link: Link, limits: Limits, on_beat: Callable[[], None] = lambda: None) -> None:
    """Ping the peer until it leaves a ping unanswered, or the link is closed; then return.

    Close with 4004 then: on a link that is closed already, that changes nothing. A dead peer is
    noticed within twice `Limits.heartbeat_seconds`. Cancellation is that of `Link.ping`.

    Args:
        link: one that is being received from, since the answers come in between the messages.
        limits: its `heartbeat_seconds` is the pause between an answer and the next ping; the link
            waits for the answer as long.
        on_beat: called before each ping.
    """
    while True:
        await trio.sleep(limits.heartbeat_seconds)
        on_beat()
        try:
            await link.ping()
        except (trio.TooSlowError, LinkClosed):
            return

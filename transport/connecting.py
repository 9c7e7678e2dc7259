"""Becoming a client: what a connection needs, put together and run as long as its user stays."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from actors.core.arguments import check_has, check_is
from actors.limits import DEFAULT_LIMITS, Limits

from .background import background_nursery
from .client import Client
from .connector import Connector
from .dial import websocket_dialler
from .dispatcher import Dispatcher
from .wire.client_messages import Hello
from .wire.client_protocol import ClientProtocol

if TYPE_CHECKING:
    import ssl

    import trio

    from .connection import OpenLink
    from .link import Link

DEFAULT_URL: Final = "http://127.0.0.1:8420/"


@asynccontextmanager
async def connect(
    url: str = DEFAULT_URL,
    *,
    token: str | Callable[[], str] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    rng: random.Random | None = None,
    ssl_context: ssl.SSLContext | None = None,
    open_link: OpenLink | None = None,
) -> AsyncIterator[Client]:
    """Be a client of a server, across connections, until the body is left.

    It yields at once and connects meanwhile; `Client.opened` waits for it. A connection that is
    lost, or cannot be had, is tried again after a drawn wait. A server that refuses the client for
    good (close codes 4500 to 4999; a handshake answered 400 to 499, but for 408, 425 and 429)
    closes it, and every call raises `ClientClosed`.

    Args:
        url: where the server is, `http`, `https`, `ws` or `wss`, with or without `/ws`.
        token: the credentials, said on every connection; or a function that gives them, called for
            every connection and by `Client.renew`, where they expire.
        limits: the bounds in force.
        rng: draws waits and keys; the system's by default. Two clients on one seed would draw the
            same keys, and get each other's receipts.
        ssl_context: for `https` and `wss`; by default the system's.
        open_link: opens connections in place of `url`, `limits` and `ssl_context`.

    Yields:
        The client.

    Raises:
        ValueError, TypeError: the URL is none; or an argument is of another sort than it has to be.

    What the body raises comes out as it is. Leaving says goodbye, for `Limits.close_seconds` at the
    most; leaving by an exception, or by cancellation, cuts the connection. Turns go on (I5).
    """
    check_is("limits", limits, Limits)
    rng = rng or random.SystemRandom()
    check_has("rng", rng, "random")
    if open_link is not None:
        check_has("open_link", open_link, "__call__")
    open_link = open_link or websocket_dialler(url, limits, ssl_context)
    protocol = ClientProtocol(limits=limits)
    credentials = partial(_say_hello, protocol, token)
    dispatcher = Dispatcher(protocol, limits, rng.random)
    connector = Connector(dispatcher, partial(_open, open_link, credentials), limits, rng.random)
    async with background_nursery() as nursery:
        nursery.start_soon(connector.run)
        try:
            yield Client(dispatcher, connector, rng, credentials)
            await connector.close()
        finally:
            connector.closed("the client was left")


def _say_hello(protocol: ClientProtocol, token: str | Callable[[], str] | None) -> None:
    """Have the protocol say hello with the credentials as they are by now."""
    present = token() if callable(token) else token
    protocol.hello = Hello(present) if present is not None else None


async def _open(
    open_link: OpenLink, credentials: Callable[[], None], nursery: trio.Nursery
) -> Link:
    link = await open_link(nursery)
    credentials()  # as late as may be: they may be short-lived
    return link

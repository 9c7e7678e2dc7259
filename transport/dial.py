"""From the address that a person types to a WebSocket link."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

from actors.core.arguments import check_is, shown

from .websocket import connect_link

if TYPE_CHECKING:
    import ssl

    from actors.limits import Limits

    from .connection import OpenLink

_SCHEMES: Final = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


def websocket_url(url: str) -> str:
    """Return the address of a server's WebSocket.

    Args:
        url: where the server is, `http`, `https`, `ws` or `wss`, with or without `/ws`.

    Raises:
        ValueError, TypeError: it is no such address.
    """
    check_is("url", url, str)
    parts = urlsplit(url)
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None or not parts.hostname:
        raise ValueError(f"a server's address is like http://127.0.0.1:8420, not {shown(url)}")
    _ = parts.port  # raises ValueError where it is none
    path = parts.path.rstrip("/").removesuffix("/ws").rstrip("/") + "/ws"
    return urlunsplit((scheme, parts.netloc, path, parts.query, ""))


def websocket_dialler(url: str, limits: Limits, ssl_context: ssl.SSLContext | None) -> OpenLink:
    """Return what opens links to a server.

    Raises:
        ValueError: as `websocket_url`.
    """
    address = websocket_url(url)
    return partial(connect_link, url=address, limits=limits, ssl_context=ssl_context)

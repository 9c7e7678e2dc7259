"""The WebSocket handshake as a pure check of the request that asks for it.

trio-websocket by itself takes any key, HTTP/1.0 and any subprotocol list, and trips over some Host
headers. So it never sees the client's request: it is given one that is written here, of what was
checked.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from .exchange import Request, Response

ENDPOINT: Final = "/ws"
SUBPROTOCOL: Final = "holdfast.v1"
_VERSION: Final = "13"
_KEY_BYTES: Final = 16


def asks_for_websocket(request: Request) -> bool:
    """Return whether this is a WebSocket handshake, however wrong."""
    return "websocket" in request.tokens("upgrade")


def refuse_upgrade(request: Request) -> Response | None:
    """Return the answer to a handshake that is not one, or None where it is in order.

    Host and Origin are the `AccessPolicy`'s business, and were checked before.
    """
    if request.path != ENDPOINT:
        return Response(404, b"no such endpoint\n")
    if request.method != "GET" or request.http_version != "1.1" or request.body:
        return Response(400, b"a WebSocket handshake is a GET of HTTP/1.1 without a body\n")
    if "upgrade" not in request.tokens("connection"):
        return Response(400, b"the Connection header lacks Upgrade\n")
    if request.header("sec-websocket-version") != _VERSION:
        headers = (("sec-websocket-version", _VERSION),)
        return Response(400, b"only WebSocket version 13 is spoken\n", headers=headers)
    if not _is_key(request.header("sec-websocket-key")):
        return Response(400, b"Sec-WebSocket-Key is not 16 bytes in base64\n")
    return None


def _is_key(key: str | None) -> bool:
    try:
        return key is not None and len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except (binascii.Error, ValueError):  # a ValueError for what is not ASCII
        return False


def chosen_subprotocol(request: Request) -> str | None:
    """Return `holdfast.v1` where it was offered, otherwise None, which selects none.

    A client that offers nothing is welcome, so that a generic one works without a setting. One that
    offers only others has to close by itself, as RFC 6455 wants where none of its own came back.
    """
    return SUBPROTOCOL if SUBPROTOCOL in request.tokens("sec-websocket-protocol") else None


def checked_handshake(request: Request) -> bytes:
    """Return the handshake to give to trio-websocket, for a request that was not refused."""
    lines = [
        f"GET {ENDPOINT} HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Version: {_VERSION}",
        f"Sec-WebSocket-Key: {request.header('sec-websocket-key')}",
    ]
    if chosen_subprotocol(request) is not None:
        lines.append(f"Sec-WebSocket-Protocol: {SUBPROTOCOL}")
    return "\r\n".join([*lines, "", ""]).encode("ascii")

"""What is refused in the handshake, by HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..check import Group, Need, holds, same
from ..watch import leak

if TYPE_CHECKING:
    from ..case import Case

GROUP = Group([])
check = GROUP.check

_UPGRADE = (
    ("Connection", "Upgrade, close"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
)


async def _status(case: Case, path: str, *headers: tuple[str, str], host: str | None = None) -> int:
    status, text = await case.site.request(path, [("Host", host or case.site.authority), *headers])
    if status >= 400:
        found = leak(text.partition("<")[0])
        holds(found is None, "an answer that says nothing of insides", text)
    return status


@check("handshake", Need.SOCKET)
async def foreign_origins(case: Case) -> None:
    """A foreign Origin is 403."""
    for origin in ("https://evil.example", "null", "https://example.org:1"):
        status = await _status(case, "/ws", *_UPGRADE, ("Origin", origin))
        same(f"the answer to the origin {origin}", status, 403)
    own = ("Origin", f"http://{case.site.authority}")
    same("the answer to its own origin", await _status(case, "/ws", *_UPGRADE, own), 101)


@check("handshake", Need.SOCKET)
async def foreign_hosts(case: Case) -> None:
    """A foreign Host on loopback is 403."""
    if case.site.authority.partition(":")[0] not in ("127.0.0.1", "localhost", "[::1]"):
        return
    for host in ("evil.example", "127.0.0.1.evil.example", "10.0.0.1"):
        same(f"the answer to {host}", await _status(case, "/ws", *_UPGRADE, host=host), 403)


@check("handshake", Need.SOCKET)
async def other_paths(case: Case) -> None:
    """Another path is 404."""
    for path in ("/wss", "/ws/x", "/nothing", "//ws"):
        same(f"the answer to {path}", await _status(case, path, *_UPGRADE), 404)


@check("handshake", Need.SOCKET)
async def broken_handshakes(case: Case) -> None:
    """What is no handshake is refused."""
    for headers in (_UPGRADE[:2], _UPGRADE[:3], (*_UPGRADE[:3], ("Sec-WebSocket-Key", "x"))):
        status = await _status(case, "/ws", *headers)
        holds(400 <= status <= 499, f"a 4xx to {headers}", status)

"""Host and Origin: ours, of this machine, or on the list."""

from __future__ import annotations

import pytest
import trio

from transport.access import AccessPolicy, listens_on_loopback
from transport.exchange import Request

LOOPBACK = AccessPolicy(loopback=True)
PUBLIC = AccessPolicy(loopback=False)
LISTED = AccessPolicy(
    loopback=True, hosts=frozenset({"chat.example"}), origins=frozenset({"https://app.example"})
)


def request(host: str | None, origin: str | None = None) -> Request:
    headers = [("host", host), ("origin", origin)]
    return Request(
        method="GET", path="/", headers=tuple((k, v) for k, v in headers if v is not None)
    )


@pytest.mark.parametrize(
    ("policy", "host", "admitted"),
    [
        (LOOPBACK, "localhost", True),
        (LOOPBACK, "LocalHost:8420", True),
        (LOOPBACK, "127.0.0.1:8420", True),
        (LOOPBACK, "127.1.2.3", True),
        (LOOPBACK, "[::1]:8420", True),
        (LOOPBACK, "[::1]", True),
        (LOOPBACK, None, True),
        (LOOPBACK, "", False),
        (LOOPBACK, "evil.example", False),
        (LOOPBACK, "localhost.evil.example:8420", False),
        (LOOPBACK, "127.0.0.1.evil.example", False),
        (LOOPBACK, "[2001:db8::1]", False),
        (LOOPBACK, "192.168.0.1", False),
        (LOOPBACK, "chat.example", False),
        (LISTED, "chat.example", True),
        (LISTED, "Chat.Example:443", True),
        (LISTED, "other.example", False),
        (PUBLIC, "evil.example", True),
    ],
)
def test_hosts(policy: AccessPolicy, host: str | None, admitted: bool) -> None:
    assert policy.admits(request(host)) is admitted


@pytest.mark.parametrize(
    ("policy", "host", "origin", "admitted"),
    [
        (PUBLIC, "chat.example", "https://chat.example", True),
        (PUBLIC, "chat.example", "http://Chat.Example", True),
        (PUBLIC, "chat.example:8420", "http://chat.example:8420", True),
        (PUBLIC, "chat.example:8420", "http://chat.example", False),
        (PUBLIC, "chat.example:8420", "http://chat.example:9999", False),
        (PUBLIC, "chat.example", "https://evil.example", False),
        (PUBLIC, "chat.example", "https://chat.example.evil.example", False),
        (PUBLIC, "chat.example", "null", False),
        (PUBLIC, "chat.example", "", False),
        (PUBLIC, "", "", False),
        (PUBLIC, None, "https://chat.example", False),
        (LOOPBACK, "localhost:8420", "http://localhost:8420", True),
        (LOOPBACK, "localhost:8420", "http://localhost:3000", False),
        (LOOPBACK, "evil.example:8420", "http://evil.example:8420", False),
        (LISTED, "localhost", "https://app.example", True),
        (LISTED, "localhost", "http://app.example", False),
        (LISTED, "localhost", "https://app.example.evil.example", False),
    ],
)
def test_origins(policy: AccessPolicy, host: str | None, origin: str, admitted: bool) -> None:
    assert policy.admits(request(host, origin)) is admitted


async def test_listeners() -> None:
    (local,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    (everywhere,) = await trio.open_tcp_listeners(0, host="0.0.0.0")
    async with local, everywhere:
        assert listens_on_loopback([local])
        assert not listens_on_loopback([everywhere])
        assert not listens_on_loopback([local, everywhere])

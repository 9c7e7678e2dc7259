"""A client that talks to nobody: what it would send, and what it is told."""

from __future__ import annotations

import json
from typing import Any

from transport.wire.client_protocol import ClientProtocol
from transport.wire.codec import encode_server
from transport.wire.messages import Attached, Snapshot, Submit

KEYED = Submit("c1", "t", "hello", key="k")


def online(client: ClientProtocol | None = None, *threads: str) -> ClientProtocol:
    client = client or ClientProtocol()
    client.connected()
    for thread in threads:
        client.attach(thread)
        attach = sent(client)[-1]
        hear(client, Attached(attach["id"], thread, "1.0", "snapshot"))
        hear(client, Snapshot(thread, "1.0", (), None, None, (), {}))
    client.frames()
    return client


def sent(client: ClientProtocol) -> list[dict[str, Any]]:
    return [json.loads(frame) for frame in client.frames()]


def types(client: ClientProtocol) -> list[str]:
    return [frame["type"] for frame in sent(client)]


def hear(client: ClientProtocol, message: Any) -> list[Any]:
    return client.receive(encode_server(message).decode())


def reconnect(client: ClientProtocol) -> list[Any]:
    events = client.connection_lost(1006)
    client.connected()
    return events

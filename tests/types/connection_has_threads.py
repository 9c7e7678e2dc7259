"""An old socket marks what its replacement has as gone (B17)."""

from __future__ import annotations

from transport import Client


async def disconnected(client: Client) -> None:
    """End what came over this connection: there is nothing of a thread on it."""
    client.connection.turn = None  # wrong: attr-defined
    client.connection.threads.clear()  # wrong: attr-defined

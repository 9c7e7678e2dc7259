"""Two messages are taken for one because they say the same (B6)."""

from __future__ import annotations

from transport import Client


async def send(client: Client) -> None:
    """Ask for de-duplication by text: there is only a key, which is the caller's own."""
    await client.submit("t", "yes", unique=True)  # wrong: call-arg

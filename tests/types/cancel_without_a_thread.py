"""Stop is pressed for whatever runs (B15)."""

from __future__ import annotations

from transport import Client


async def stop(client: Client) -> None:
    """Stop it, wherever it is."""
    await client.cancel()  # wrong: call-arg

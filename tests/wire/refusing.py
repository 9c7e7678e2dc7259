"""How a client's text is refused."""

from __future__ import annotations

from transport.wire.codec import BadMessage, decode_client


def refusal(text: str) -> BadMessage | None:
    """Decode a client's text; return how it was refused, or None."""
    try:
        decode_client(text)
    except BadMessage as exc:
        return exc
    return None

"""The idempotency keys that a live thread remembers without asking the journal (I8)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ..core.head import Receipt

# Places of a key in the filter: so many that ten thousand keys leave it wrong for one in twenty.
_PLACES: Final = struct.Struct("<4I")


class ReceiptCache:
    """The newest receipts of one thread, and a filter that knows older keys from new ones.

    The filter is never wrong about a key that it says is new; of a few others it cannot tell. Where
    the journal had more receipts than were read, nothing is known of those.

    Args:
        bound: how many receipts at most.
        filter_bytes: of the filter, which is made when there are more.
        receipts: what the journal had at activation, oldest first.
        complete: whether the journal had no others.
    """

    __slots__ = (
        "_bound",
        "_filter_bytes",
        "_older",
        "_receipts",
    )

    def __init__(
        self, bound: int, filter_bytes: int, receipts: Iterable[Receipt], *, complete: bool
    ) -> None:
        self._bound = bound
        self._filter_bytes = filter_bytes
        self._receipts: dict[tuple[str, str], Receipt] = {}
        # A Bloom filter of the keys that are not among the newest; None where not all are known.
        self._older: bytes | bytearray | None = b"" if complete else None
        for receipt in receipts:
            self.add(receipt)

    def add(self, receipt: Receipt) -> None:
        """Remember a receipt, which may not be durable yet."""
        self._receipts[(receipt.principal, receipt.key)] = receipt
        if len(self._receipts) > self._bound:
            oldest = next(iter(self._receipts))
            del self._receipts[oldest]
            self._note(*oldest)

    def find(self, principal: str, key: str) -> Receipt | None:
        """Return the receipt for a key, or None where it is not among the newest."""
        return self._receipts.get((principal, key))

    def is_in_doubt(self, principal: str, key: str) -> bool:
        """Say whether a key is not among the newest and yet may be in the journal."""
        if self.find(principal, key) is not None:
            return False
        if not self._older:
            return self._older is None
        return all(self._older[at >> 3] >> (at & 7) & 1 for at in self._places(principal, key))

    def _note(self, principal: str, key: str) -> None:
        if self._older == b"":
            self._older = bytearray(self._filter_bytes)
        if isinstance(self._older, bytearray):
            for at in self._places(principal, key):
                self._older[at >> 3] |= 1 << (at & 7)

    def _places(self, principal: str, key: str) -> list[int]:
        digest = blake2b(repr((principal, key)).encode(), digest_size=_PLACES.size).digest()
        return [place % (8 * self._filter_bytes) for place in _PLACES.unpack(digest)]

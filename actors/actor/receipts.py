"""The idempotency keys that a live thread remembers without asking the journal (I8)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..core.head import Receipt


class ReceiptCache:
    """The newest receipts of one thread.

    Args:
        bound: how many at most.
        receipts: what the journal had at activation, oldest first.
        complete: whether the journal had no others.
    """

    __slots__ = (
        "_bound",
        "_receipts",
        "complete",
    )

    def __init__(self, bound: int, receipts: Iterable[Receipt], *, complete: bool) -> None:
        self._bound = bound
        self._receipts: dict[tuple[str, str], Receipt] = {}
        self.complete = complete
        for receipt in receipts:
            self.add(receipt)

    def add(self, receipt: Receipt) -> None:
        """Remember a receipt, which may not be durable yet."""
        self._receipts[(receipt.principal, receipt.key)] = receipt
        if len(self._receipts) > self._bound:
            del self._receipts[next(iter(self._receipts))]
            self.complete = False

    def find(self, principal: str, key: str) -> Receipt | None:
        """Return the receipt for a key, or None where it is not among the newest."""
        return self._receipts.get((principal, key))

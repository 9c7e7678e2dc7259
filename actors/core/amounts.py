"""How much a caller may ask for at a time, checked where it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import Rejected
from .arguments import shown

if TYPE_CHECKING:
    from ..limits import Limits


def checked_amount(number: Any, name: str, *, usual: int, most: int, least: int = 1) -> int:
    """Return how many are to be read.

    Args:
        number: what came; None for the usual.
        name: what to call it in a refusal.
        usual: where none is named.
        most: what a larger one is taken for.
        least: what may be asked for.

    Raises:
        Rejected: `bad_request`, where it is no whole number, or a smaller one.
    """
    if number is None:
        return usual
    if type(number) is not int or number < least:
        wanted = f"a whole number of at least {least}"
        raise Rejected("bad_request", f"{name} is {wanted}, not {shown(number)}")
    return min(number, most)


def checked_page(limit: Any, limits: Limits) -> int:
    """Return how many items or threads are to be on a page; raises as `checked_amount`."""
    return checked_amount(limit, "limit", usual=limits.page_items, most=limits.page_items_max)

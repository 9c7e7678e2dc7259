"""What items take in memory, as a figure that is the same whenever it is worked out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .items import Item

# An item with its ids, and what holds it.
_ITEM: Final = 320
# A text, a list and an object without what is in them, and anything else.
_TEXT: Final = 60
_LIST: Final = 80
_OBJECT: Final = 200
_OTHER: Final = 32
# A place in a list, one in an object, and a character of a text that is not all ASCII.
_PLACE: Final = 8
_FIELD: Final = 40
_WIDE: Final = 4


def weight_of(items: Iterable[Item]) -> int:
    """Return about how many bytes items take in memory, and never many fewer than they do.

    Unlike `sys.getsizeof` it depends on nothing but their values: what is added when an item comes
    is what is taken off when it goes.
    """
    return sum([_ITEM + _weight(item.body) for item in items])


def newest(
    items: Sequence[Item], weight: int, most: int, most_bytes: int
) -> tuple[tuple[Item, ...], int]:
    """Return the newest of items, oldest first, and what they weigh.

    Args:
        items: oldest first.
        weight: of all of them.
        most: how many at the most.
        most_bytes: how much they may weigh; the newest fits always.
    """
    first = max(len(items) - most, 0)
    weight -= weight_of(items[:first])
    while weight > most_bytes and first < len(items) - 1:
        weight -= weight_of(items[first : first + 1])
        first += 1
    return tuple(items[first:]), weight


def _weight(value: Any) -> int:
    weight, parts = 0, [value]
    for part in parts:  # which grows on the way
        if isinstance(part, str):
            weight += _TEXT + len(part) * (1 if part.isascii() else _WIDE)
        elif isinstance(part, dict):
            weight += _OBJECT + _FIELD * len(part)
            parts += part.values()
        elif isinstance(part, list | tuple):
            weight += _LIST + _PLACE * len(part)
            parts += part
        else:
            weight += _OTHER
    return weight

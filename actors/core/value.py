"""Values: what is made for each piece, and never changed.

An assignment to one is refused by the type checkers, which take `value` for `attrs.frozen`, and by
nothing else: to refuse it at run time as well, attrs has to set each field of a new value by a
call, and that was half of what making the values of the core cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attrs import frozen as value
else:
    from attrs import define

    value = define(unsafe_hash=True)

__all__ = ["value"]

"""What a checker finds."""

from __future__ import annotations

from attrs import frozen


@frozen
class Broken:
    """An invariant that did not hold.

    Args:
        invariant: its number, such as `I3`.
        message: what was seen, in a sentence.
        index: the record that shows it.
    """

    invariant: str
    message: str
    index: int

"""Facts of what befalls the disk beside what is written to it."""

from __future__ import annotations

from attrs import frozen

from ..core.event_codec import Row


@frozen
class Compacted:
    """The journal was compacted, and these are all rows of a thread since."""

    thread: str
    epoch: int
    rows: tuple[Row, ...]

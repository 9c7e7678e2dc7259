"""What a message may have with it, beside its text: a client's own, which comes back untouched."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, TypeAlias

# What goes along with a message, by the names that it has everywhere.
More: TypeAlias = Mapping[str, Any]


class Along(enum.StrEnum):
    """What goes along with a message."""

    NOTHING = "nothing"
    METADATA = "metadata"
    ATTACHMENT = "an attachment"

    @property
    def more(self) -> dict[str, Any]:
        """What that is."""
        match self:
            case Along.METADATA:
                return {"metadata": {"note": "n"}}
            case Along.ATTACHMENT:
                return {"attachments": ["n"]}
            case _:
                return {}


def along_of(said: More) -> Along | None:
    """Return what went along with a message, or None where it is nothing that is ever sent."""
    names = ("metadata", "attachments")
    more = {name: said[name] for name in names if said.get(name) is not None}
    return next((along for along in Along if along.more == more), None)

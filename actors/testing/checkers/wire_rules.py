"""The rules of the protocol page that a single connection shows, as its frames were judged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ..wire_facts import Strayed
from .broken import Broken

if TYPE_CHECKING:
    from ..history import History

# Which invariant a rule is about, where it is not the stream.
_ABOUT: Final = {"6": "I18", "9": "I2", "14": "I19"}


def rules_hold(history: History) -> Iterator[Broken]:
    """Find frames that no server of the protocol may send."""
    for index, record in history.of(Strayed):
        if isinstance(record.fact, Strayed):
            fact = record.fact
            message = f"rule {fact.rule}, on connection {fact.connection}: {fact.what}"
            yield Broken(_ABOUT.get(fact.rule, "I3"), message, index)

"""What the docstrings of the message classes say, for the pages and the schemas made of them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Final

from actors.core.event_codec import TYPES
from actors.core.events import TurnEnded
from actors.core.turn_lifecycle import ENDINGS, TurnState

_ARGUMENT: Final = re.compile(r"^ {4}(\w+(?:, \w+)*): (.*)$")


def said_of(cls: type) -> str:
    """Return what a docstring says in front of its first section."""
    text = inspect.getdoc(cls) or ""
    return re.split(r"^\w+:$", text, maxsplit=1, flags=re.MULTILINE)[0].strip()


def arguments_of(cls: type) -> dict[str, str]:
    """Return what a docstring's `Args` section says of each field."""
    _, _, section = (inspect.getdoc(cls) or "").partition("\nArgs:\n")
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        if line and not line.startswith(" "):
            break
        if match := _ARGUMENT.match(line):
            names = match[1].split(", ")
            found |= dict.fromkeys(names, match[2])
        else:
            found |= {name: f"{found[name]} {line.strip()}".strip() for name in names}
    return found


def event_classes() -> Iterator[tuple[str, type]]:
    """Yield the types of events and their classes; six share one."""
    for name, cls in TYPES.items():
        if name == "record":
            yield from ((f"turn.{state}", TurnEnded) for state in TurnState if state in ENDINGS)
        yield name, cls

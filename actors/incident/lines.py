"""The lines of a recording: JSON objects, each with what it says as `line` and when as `at`.

The format is described in docs/how-to/incidents.md; `actors.testing.read_incident` reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
import orjson

from ..errors import Rejected

if TYPE_CHECKING:
    from ..core.commands import Command
    from ..core.effects import Result

# What the first line of every process says of the file.
FORMAT: Final = "holdfast-incident-1"

# What an actor finds out by itself, and nobody asked for.
_FOUND: Final = frozenset({"turn", "record", "prior", "cut", "settled", "made", "receipt"})
# A command whose turn is what was asked.
_NAMES_A_TURN: Final = "cancel"


def line(what: str, **fields: Any) -> bytes:
    """Return a line, its end included."""
    return orjson.dumps({"line": what, **fields}, option=orjson.OPT_APPEND_NEWLINE, default=str)


def command_name(command: Command) -> str:
    """Return what a command is called."""
    return type(command).__name__.lower()


def asked_fields(command: Command) -> dict[str, Any]:
    """Return what was asked: the fields of a command that came from outside."""
    name = command_name(command)
    found = _FOUND - {"turn"} if name == _NAMES_A_TURN else _FOUND
    return attrs.asdict(command, filter=lambda each, _: each.name not in found)


def answer_fields(answer: Result | Rejected) -> dict[str, Any]:
    """Return what came of it: the sort of answer and its fields, or the code of a refusal."""
    if isinstance(answer, Rejected):
        return {"refused": answer.code, "fields": dict(answer.details)}
    return {"answer": type(answer).__name__.lower(), "fields": attrs.asdict(answer)}

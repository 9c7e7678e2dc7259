"""The lines of a recording: JSON objects, each with what it says as `line` and when as `at`.

They hold no contents: of what was said there is a digest, and whoever replays it reads the rest out
of the journal. So a recording tells nothing that was refused, and nothing that was deleted since.
`docs/how-to/incidents.md` describes them; `actors.testing.read_incident` reads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
import orjson

from ..core.commands import Cancel, Delete, End, Fork, Record, Submit, Truncate
from ..core.position import Position
from ..errors import Rejected

if TYPE_CHECKING:
    from ..core.commands import Command
    from ..core.effects import Result

# What the first line of every process, and of every file, says of the format.
FORMAT: Final = "holdfast-incident-1"

# What is told of each sort of command beside its digest; of the others, nothing.
_TOLD: Final[dict[type, tuple[str, ...]]] = {
    Submit: ("turn", "key", "on_busy"),
    Record: ("record", "kind", "key"),
    Fork: ("to", "after", "key"),
    Cancel: ("turn", "rollback"),
    End: ("unless_busy",),
    Delete: ("unless_used",),
}


def line(what: str, **fields: Any) -> bytes:
    """Return a line, its end included."""
    return orjson.dumps({"line": what, **fields}, option=orjson.OPT_APPEND_NEWLINE)


def command_name(command: Command) -> str:
    """Return what a command is called."""
    return type(command).__name__.lower()


def asked_fields(command: Command) -> dict[str, Any]:
    """Return what was asked, without what was said."""
    fields = {name: getattr(command, name) for name in _TOLD.get(type(command), ())}
    if isinstance(command, Submit | Truncate):
        cut = command.truncate
        fields["cuts"], fields["after"] = cut is not None, cut and cut.after
    if isinstance(command, Submit | Record):
        fields["digest"] = command.digest()
    return fields


def answer_fields(answer: Result | Rejected) -> dict[str, Any]:
    """Return what came of it: the sort of answer and its fields, or the code of a refusal."""
    if isinstance(answer, Rejected):
        return {"refused": answer.code}
    return {"answer": type(answer).__name__.lower(), **attrs.asdict(answer, value_serializer=_told)}


def _told(_: object, __: object, value: Any) -> Any:
    return value.cursor() if isinstance(value, Position) else value

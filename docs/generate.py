"""Writes the reference pages that follow from the code: `python docs/generate.py`.

What it writes is committed, and a test fails where it differs from what the code says. So a build
of the documentation needs nothing else, and a change of the code shows in the pages' own diff.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import click

ROOT: Final = Path(__file__).resolve().parent.parent
REFERENCE: Final = ROOT / "docs" / "reference"
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

import contracts  # noqa: E402 - found by the line above
from docstrings import arguments_of, event_classes, said_of  # noqa: E402 - found by the line above
from wire_schemas import asyncapi, schemas  # noqa: E402

from actors import limits as limits_module  # noqa: E402
from actors.core.turn_lifecycle import TRANSITIONS, TurnState  # noqa: E402
from actors.limits import DEFAULT_LIMITS, KIB, MIB  # noqa: E402
from transport.cli import main as command_line  # noqa: E402
from transport.cli import thread_lines  # noqa: E402
from transport.wire.client_messages import CLIENT_MESSAGES  # noqa: E402
from transport.wire.layout import layout_of, shape_of  # noqa: E402
from transport.wire.replies import REPLIES  # noqa: E402
from transport.wire.server_messages import SERVER_MESSAGES  # noqa: E402

# Markdown.


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a bar in a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(text: object) -> str:
    """Return a word as code."""
    return f"`{text}`"


def page(*parts: str) -> str:
    """Join the parts of a page, an empty line between them."""
    return "\n\n".join(part.strip("\n") for part in parts if part.strip()) + "\n"


# Messages as tables.


def message_section(name: str, cls: type) -> str:
    """Return a message: what it is, and its fields."""
    return page(f"### {code(name)}", said_of(cls), fields_table(cls))


def fields_table(cls: type) -> str:
    """Return the fields of a message class; nothing where it has none."""
    rows = [_field_row(cls, each) for each in layout_of(cls).fields]
    return table(("field", "holds", "meaning"), rows) if rows else ""


def _field_row(cls: type, field: attrs.Attribute[Any]) -> tuple[str, str, str]:
    meaning = arguments_of(cls)[field.name]
    if field.metadata.get("flat"):
        return "…", "further members", meaning
    optional = "" if field.name in layout_of(cls).required else ", optional"
    return code(field.name), _holds(field) + optional, meaning


def _holds(field: attrs.Attribute[Any]) -> str:
    shape = shape_of(field)
    return shape.expected if shape else "an object, or null"


def client_messages() -> str:
    """Return the sections of what a client says."""
    return page(*(message_section(name, cls) for name, cls in CLIENT_MESSAGES.items()))


def server_messages() -> str:
    """Return the sections of what a server says."""
    own = {name: cls for name, cls in SERVER_MESSAGES.items() if name not in ("ping", "pong")}
    return page(*(message_section(name, cls) for name, cls in own.items()))


def replies() -> str:
    """Return a table of what each command's reply carries."""
    rows = []
    for command, body in REPLIES.items():
        told = arguments_of(body)
        fields = "; ".join(f"{code(name)}: {told[name].rstrip('.')}" for name in told)
        rows.append((code(command.__name__.lower()), said_of(body), fields or "nothing"))
    return page(table(("reply to", "says", "carries"), rows))


def events() -> str:
    """Return a table of the types of events."""
    sharing: dict[type, list[str]] = {}
    for name, cls in event_classes():
        sharing.setdefault(cls, []).append(code(name))
    rows = [(" ".join(names), _event_fields(cls), said_of(cls)) for cls, names in sharing.items()]
    told = [row for cls, names in sharing.items() for row in _event_rows(cls, names)]
    return page(
        table(("type", "fields", "meaning"), rows), table(("type", "field", "meaning"), told)
    )


def _event_rows(cls: type, names: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield what each field of an event means; of those that share a class, once."""
    shown = names[0] if len(names) == 1 else "a terminal event"
    for field, meaning in arguments_of(cls).items():
        if field != "state":
            yield shown, code(field), meaning


def _event_fields(cls: type) -> str:
    return ", ".join(_event_field(each) for each in attrs.fields(cls) if each.name != "state")


def _event_field(field: attrs.Attribute[Any]) -> str:
    return code(field.name if field.default is attrs.NOTHING else f"{field.name}?")


# The command line.


def command_pages() -> str:
    """Return the `holdfast` command and all that it can do, as its own help has it."""
    commands = command_line.commands
    sections = [command_section(f"holdfast {name}", commands[name]) for name in sorted(commands)]
    return page(_paragraphs(command_line.help), *sections, _paragraphs(command_line.epilog))


def command_section(name: str, command: click.Command) -> str:
    """Return one command: usage, text and options."""
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    options = [each for each in command.params if isinstance(each, click.Option)]
    words = " ".join(["[OPTIONS]", *map(_argument, arguments)])
    rows = [(_names(each), _default(each), _help(each)) for each in options]
    return page(
        f"## {name}",
        f"```text\n{name} {words}\n```",
        _paragraphs(command.help),
        table(("option", "default", "meaning"), rows) if rows else "",
    )


def _argument(argument: click.Argument) -> str:
    return argument.metavar or str(argument.name).upper()


def _names(option: click.Option) -> str:
    value = "" if option.is_flag else f" {_value(option)}"
    return code(", ".join(option.opts) + value)


def _value(option: click.Option) -> str:
    kind = option.type
    if isinstance(kind, click.Choice):
        return "|".join(map(str, kind.choices))
    if option.metavar:
        return option.metavar
    return "FILE" if isinstance(kind, click.Path) else kind.name.partition(" ")[0].upper()


def _help(option: click.Option) -> str:
    text = option.help or ""
    if not isinstance(option.type, click.IntRange | click.FloatRange):
        return text
    least, most = option.type.min, option.type.max
    return f"{text} From {least:g}{'' if most is None else f' to {most:g}'}."


def _default(option: click.Option) -> str:
    return code(option.default) if option.show_default else ""


def _paragraphs(text: str | None) -> str:
    return inspect.cleandoc(text or "").replace("\b\n", "")


# Limits.


def limits() -> str:
    """Return every figure of `actors.limits.Limits`."""
    reasons = dict(limit_reasons())
    rows = [
        (
            code(each.name),
            *_figure(each.name, getattr(DEFAULT_LIMITS, each.name)),
            reasons[each.name],
        )
        for each in attrs.fields(type(DEFAULT_LIMITS))
    ]
    return page(table(("name", "default", "unit", "what, and why"), rows))


def limit_reasons() -> Iterator[tuple[str, str]]:
    """Yield each figure's name and the comment in front of it, or of the one that shares it."""
    lines = inspect.getsource(limits_module).splitlines()
    tree = ast.parse("\n".join(lines))
    cls = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Limits")
    reason = ""
    for node in cls.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            reason = _comment_above(lines, node.lineno - 1) or reason
            yield node.target.id, reason


def _comment_above(lines: Sequence[str], at: int) -> str:
    first = at
    while lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return " ".join(line.lstrip().removeprefix("# ") for line in lines[first:at])


_UNITS: Final = {"bytes": "bytes", "seconds": "seconds", "chars": "characters"}


def _figure(name: str, value: float) -> tuple[str, str]:
    words = name.split("_")
    unit = next((unit for word, unit in _UNITS.items() if word in words), "count")
    if unit == "bytes" and value % MIB == 0:
        return f"{value / MIB:g}", "MiB"
    if unit == "bytes" and value % KIB == 0:
        return f"{value / KIB:g}", "KiB"
    return f"{value:,g}" if value < 1e6 else f"{value:,.0f}", unit


# The life of a turn.


def turn_lifecycle() -> str:
    """Return the diagram of `turn_lifecycle.TRANSITIONS`."""
    lines = ["stateDiagram-v2", "[*] --> queued"]
    for old in TurnState:
        following = [new for new in TurnState if new in TRANSITIONS[old]]
        lines += [f"{old} --> {new}{_arrow(old, new)}" for new in following]
        if not following:
            lines.append(f"{old} --> [*]")
    diagram = "\n    ".join(lines)
    return f"```{{mermaid}}\n{diagram}\n```\n"


def _arrow(old: TurnState, new: TurnState) -> str:
    return " : the next attempt, after a crash" if old is new else ""


def export_format() -> str:
    """Return what `transport.cli.thread_lines` says of the file."""
    text = inspect.getdoc(thread_lines) or ""
    _, _, rest = text.partition("\n\n")
    return page(rest)


GENERATED: Final[Mapping[str, Callable[[], str]]] = {
    "client-messages.generated.md": client_messages,
    "server-messages.generated.md": server_messages,
    "replies.generated.md": replies,
    "events.generated.md": events,
    "schemas.json": schemas,
    "asyncapi.json": asyncapi,
    "command-line.generated.md": command_pages,
    "limits.generated.md": limits,
    "turn-lifecycle.generated.md": turn_lifecycle,
    "export-format.generated.md": export_format,
    "contracts.generated.md": contracts.table,
}
"""What makes each generated file of `docs/reference`."""


def main() -> None:
    """Write all of them."""
    REFERENCE.mkdir(exist_ok=True)
    for name, make in GENERATED.items():
        (REFERENCE / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()

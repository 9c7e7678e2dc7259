"""How a message class lies on the wire, read off its attrs fields once, and carried out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import attrs
import orjson
from attrs import frozen

from actors.core.items import Item
from actors.core.json_values import trimmed
from actors.errors import RemoteProtocolError

from .shapes import Shape

T = TypeVar("T")


@frozen
class Layout:
    """The fields of a message class, and what the codec asks about them.

    Args:
        fields: in the order of the class.
        names: of all of them.
        required: those that must be there.
        nullable: those that may be null.
        flat: the one whose members stand beside the message's own fields, if there is one.
    """

    fields: tuple[attrs.Attribute[Any], ...]
    names: frozenset[str]
    required: frozenset[str]
    nullable: frozenset[str]
    flat: str | None


# One for each message class: a few dozen.
_layouts: Final[dict[type, Layout]] = {}


def layout_of(cls: type) -> Layout:
    """Return the layout of an attrs class."""
    layout = _layouts.get(cls)
    if layout is None:
        layout = _layouts[cls] = _lay_out(cls)
    return layout


def _lay_out(cls: type) -> Layout:
    fields = attrs.fields(cls)
    flat = [a.name for a in fields if a.metadata.get("flat")]
    return Layout(
        fields,
        names=frozenset(a.name for a in fields),
        required=frozenset(a.name for a in fields if a.default is attrs.NOTHING),
        nullable=frozenset(a.name for a in fields if _takes_null(a)),
        flat=flat[0] if flat else None,
    )


def shape_of(attribute: attrs.Attribute[Any]) -> Shape | None:
    """Return the shape that a field was declared with; None where its class is its shape."""
    return attribute.validator if isinstance(attribute.validator, Shape) else None


def to_bytes(tag: str, message: object) -> bytes:
    """Return a message as one JSON object in UTF-8, `type` first.

    Raises:
        TypeError: where data that a user brought has no JSON form.
    """
    return trimmed(orjson.dumps(_to_json({"type": tag}, message), default=_plain))


def read(cls: type[T], raw: Mapping[str, Any]) -> T:
    """Make a message of decoded JSON, leniently: what is not known is left out.

    Raises:
        RemoteProtocolError: where a field that is needed is missing, or one that is known is wrong.
    """
    layout = layout_of(cls)
    try:
        return cls(**{a.name: _read_field(a, raw, layout.names) for a in layout.fields})
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise RemoteProtocolError(f"the server sent no valid {cls.__name__}: {exc!r:.200}") from exc


def _read_field(a: attrs.Attribute[Any], raw: Mapping[str, Any], known: frozenset[str]) -> Any:
    if a.metadata.get("flat"):
        return {name: value for name, value in raw.items() if name not in known and name != "type"}
    optional = a.default is not attrs.NOTHING
    if optional and raw.get(a.name) is None:
        return a.default
    read_value = a.metadata.get("read")
    return read_value(raw[a.name]) if read_value else raw[a.name]


def _to_json(head: dict[str, Any], message: object) -> dict[str, Any]:
    """Lay the fields that a message sets behind `head`; one that has its default is left out."""
    layout = layout_of(type(message))
    for a in layout.fields:
        value = getattr(message, a.name)
        if value is not a.default:
            head[a.name] = value
    if layout.flat is None:
        return head
    members = head.pop(layout.flat)
    return {**head, **(members if isinstance(members, Mapping) else _to_json({}, members)), **head}


def _plain(value: object) -> Any:
    match value:
        case Item():
            return value.to_json()
        case Mapping():
            return dict(value)
        case Sequence() if not isinstance(value, bytes | bytearray | memoryview):
            return list(value)
    if attrs.has(type(value)):
        return _to_json({}, value)
    raise TypeError(f"a {type(value).__name__} has no JSON form")


def _takes_null(attribute: attrs.Attribute[Any]) -> bool:
    shape = shape_of(attribute)
    return shape is None or shape.accepts(None)

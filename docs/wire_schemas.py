"""The messages of `holdfast.v1` as JSON Schemas, and the endpoint as an AsyncAPI document."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import attrs
from docstrings import arguments_of, event_classes, said_of

from actors.core.items import Content
from transport.upgrade import ENDPOINT
from transport.wire.client_messages import CLIENT_MESSAGES
from transport.wire.layout import layout_of, shape_of
from transport.wire.replies import REPLIES, ThreadSummary
from transport.wire.server_messages import PROTOCOL, SERVER_MESSAGES
from transport.wire.shapes import CONTENT

Schema = dict[str, Any]

NUMBER: Final[Schema] = {"type": "number"}
STRING: Final[Schema] = {"type": "string"}
COUNTED: Final[Schema] = {"type": "integer", "minimum": 1}


def reference(name: str) -> Schema:
    """Return a reference to a definition of the same document."""
    return {"$ref": f"#/$defs/{name}"}


def _object(properties: Mapping[str, Any], required: Iterable[str], **more: Any) -> Schema:
    names = [name for name in properties if name in set(required)]
    return {"type": "object", "properties": dict(properties), "required": names, **more}


def message_schema(name: str, cls: type, *, closed: bool) -> Schema:
    """Return a message's schema.

    Args:
        name: its `type`; empty where it has none.
        cls: its class.
        closed: whether it may have no further members.
    """
    layout = layout_of(cls)
    tag: Schema = {"type": {"const": name}} if name else {}
    own = {
        each.name: _field_schema(cls, each) for each in layout.fields if each.name != layout.flat
    }
    required = {*tag, *(layout.required - {layout.flat})}
    open_or_not = {"additionalProperties": False} if closed else {}
    return {"description": said_of(cls), **_object({**tag, **own}, required, **open_or_not)}


def _field_schema(cls: type, field: attrs.Attribute[Any]) -> Schema:
    shape = shape_of(field)
    schema = shape.schema if shape else {"anyOf": [reference("turn"), {"type": "null"}]}
    return {"description": arguments_of(cls)[field.name], **schema}


def event_schema(name: str, cls: type) -> Schema:
    """Return the schema of an event's own fields."""
    hints = typing.get_type_hints(cls)
    fields = [each for each in attrs.fields(cls) if each.name != "state"]
    properties = {each.name: _schema_of(hints[each.name], each) for each in fields}
    required = [each.name for each in fields if each.default is attrs.NOTHING]
    tag = {"type": {"const": name}}
    return {"description": said_of(cls), **_object({**tag, **properties}, [*tag, *required])}


def _schema_of(hint: Any, field: attrs.Attribute[Any]) -> Schema:
    if hint == Content:
        return dict(CONTENT.schema)
    if hint is Any:
        return {}
    plain = _SCHEMAS.get(_without_none(hint), {})
    if hint != _without_none(hint) and field.default is attrs.NOTHING:
        return {"anyOf": [plain, {"type": "null"}]}
    return plain


def _without_none(hint: Any) -> Any:
    arguments = [each for each in typing.get_args(hint) if each is not types.NoneType]
    optional = len(arguments) < len(typing.get_args(hint))
    return arguments[0] if optional and len(arguments) == 1 else hint


_SCHEMAS: Final[Mapping[Any, Schema]] = {
    str: STRING,
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    Mapping[str, Any]: {"type": "object"},
    Sequence[Any]: {"type": "array"},
}


def shared_schemas() -> dict[str, Schema]:
    """Return what the messages refer to."""
    items: Schema = {"type": "array", "items": reference("item")}
    turn = _object({"turn": STRING, "attempt": {"type": "integer"}, "items": items}, ["turn"])
    place = {"offset": COUNTED, "to": COUNTED, "type": STRING, "at": NUMBER}
    known = [
        {
            "if": {"properties": {"type": {"const": name}}},
            "then": reference(f"event.{name}"),
        }
        for name, _ in event_classes()
    ]
    return {
        "item": _object(
            {"item": STRING, "turn": STRING, "kind": STRING, "at": NUMBER}, ["item", "kind", "at"]
        ),
        "turn": {**turn, "required": ["turn", "attempt", "items"]},
        "attached": _object({"principal": STRING, "count": COUNTED}, ["principal", "count"]),
        "queued": _object({"turn": STRING, "items": items}, ["turn", "items"]),
        "summary": message_schema("", ThreadSummary, closed=False),
        "event": _object(place, ["offset", "type", "at"], allOf=known),
        **{f"event.{name}": event_schema(name, cls) for name, cls in event_classes()},
    }


def schemas() -> str:
    """Return the JSON Schemas of every message."""
    client = {
        f"client.{name}": message_schema(name, cls, closed=True)
        for name, cls in CLIENT_MESSAGES.items()
    }
    server = {
        f"server.{name}": message_schema(name, cls, closed=False)
        for name, cls in SERVER_MESSAGES.items()
    }
    bodies = {
        f"reply.{command.__name__.lower()}": message_schema("", body, closed=False)
        for command, body in REPLIES.items()
    }
    return _json(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": PROTOCOL,
            "$defs": {
                "client": {"oneOf": [reference(name) for name in client]},
                "server": {"oneOf": [reference(name) for name in server]},
                **client,
                **server,
                **bodies,
                **shared_schemas(),
            },
        }
    )


def asyncapi() -> str:
    """Return the AsyncAPI document of the endpoint."""
    sides = {"client": CLIENT_MESSAGES, "server": SERVER_MESSAGES}
    messages = {
        f"{side}.{name}": {
            "name": name,
            "summary": said_of(cls).partition("\n")[0],
            "contentType": "application/json",
            "payload": {"$ref": f"schemas.json#/$defs/{side}.{name}"},
        }
        for side, known in sides.items()
        for name, cls in known.items()
    }
    return _json(
        {
            "asyncapi": "3.0.0",
            "info": {
                "title": "Holdfast",
                "version": PROTOCOL.rpartition(".v")[2],
                "description": "One JSON object in each WebSocket text message.",
            },
            "servers": {"local": {"host": "127.0.0.1:8420", "protocol": "ws"}},
            "channels": {
                "connection": {
                    "address": ENDPOINT,
                    "messages": {n: {"$ref": f"#/components/messages/{n}"} for n in messages},
                    "bindings": {"ws": {"method": "GET"}},
                }
            },
            "operations": {
                "hear": _operation("receive", "client", messages),
                "tell": _operation("send", "server", messages),
            },
            "components": {"messages": messages},
        }
    )


def _operation(action: str, side: str, messages: Iterable[str]) -> Schema:
    own = [name for name in messages if name.startswith(f"{side}.")]
    channel = "#/channels/connection"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{name}"} for name in own],
    }


def _json(document: Schema) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"

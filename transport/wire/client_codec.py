"""The client's half of the codec: client messages written, server messages read leniently."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from attrs import frozen

from actors.errors import RemoteProtocolError
from actors.limits import DEFAULT_LIMITS, Limits

from .client_messages import CLIENT_MESSAGES, Cast, ClientMessage, Command
from .layout import read, to_bytes
from .replies import REPLIES, ReplyBody
from .server_messages import SERVER_MESSAGES, ServerMessage

_TAGS: Final[Mapping[type, str]] = {cls: tag for tag, cls in CLIENT_MESSAGES.items()}


@frozen
class UnknownMessage:
    """A server's message of a type that this version does not know; to be ignored."""

    type: str


def encode_client(message: ClientMessage, limits: Limits = DEFAULT_LIMITS) -> str | bytes:
    """Return a client's message as its frame: a string is a text frame, bytes a binary one.

    Raises:
        TypeError: where the caller's own data has no JSON form.
        ValueError: where the header of a cast of bytes is over `cast_header_bytes`.
    """
    if not isinstance(message, Cast) or not isinstance(message.data, bytes):
        return to_bytes(_TAGS[type(message)], message).decode()
    header = orjson.dumps({"type": "cast", "thread": message.thread, "kind": message.kind})
    if len(header) > limits.cast_header_bytes:
        raise ValueError(f"the header of a cast has at most {limits.cast_header_bytes} bytes")
    return header + b"\n" + message.data


def decode_server(text: str) -> ServerMessage | UnknownMessage:
    """Read a server's text frame; what this version does not know is left out.

    Raises:
        RemoteProtocolError: where it is no object with a type, a field that this version needs is
            missing, or one that it knows is wrong.
    """
    try:
        raw = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise RemoteProtocolError("the server sent no JSON") from exc
    tag = raw.get("type") if isinstance(raw, dict) else None
    if not isinstance(tag, str):
        raise RemoteProtocolError("the server sent no object with a type")
    cls = SERVER_MESSAGES.get(tag)
    if cls is None:
        return UnknownMessage(tag)
    message: ServerMessage = read(cls, raw)
    return message


def read_reply(command: type[Command], body: Mapping[str, Any]) -> ReplyBody:
    """Read the body of the reply to a command of that class, one of those in `REPLIES`.

    Raises:
        RemoteProtocolError: where a field that this version needs is missing or wrong.
    """
    reply: ReplyBody = read(REPLIES[command], body)
    return reply

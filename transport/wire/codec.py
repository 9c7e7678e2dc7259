"""The server's half of the codec: client messages read strictly, server messages written.

Whatever is not understood is refused in one way: `BadMessage`. JSON is orjson's: no NaN, no
infinity, no lone surrogate. Of a key given twice the last counts, as in JavaScript; a number beyond
64 bits arrives as a float, so what needs more digits is sent as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, Final

import attrs
import orjson

from actors.core.event_codec import encode
from actors.errors import RETRYABLE_CODES, RemoteProtocolError
from actors.limits import DEFAULT_LIMITS, Limits

from .client_messages import CLIENT_MESSAGES, Cast, ClientMessage
from .layout import layout_of, shape_of, to_bytes
from .server_messages import SERVER_MESSAGES, Events, ServerMessage
from .shapes import LABEL, WrongField, describe

_CONTAINERS: Final = (dict, list)
_TAGS: Final[Mapping[type, str]] = {cls: tag for tag, cls in SERVER_MESSAGES.items()}


class BadMessage(RemoteProtocolError):
    """A client's message is no valid one; the text says what was expected and what came.

    Args:
        id: the message's own, wherever one could be read.
        code: `bad_request`, or `too_large`.
        message: one sentence of bounded length, fit for the client.
    """

    def __init__(self, id: str | None, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.id = id
        self.code = code
        self.message = message
        self.retryable = code in RETRYABLE_CODES


def decode_client(text: str, limits: Limits = DEFAULT_LIMITS) -> ClientMessage:
    """Read a client's text frame.

    Args:
        text: the frame's text, of any content.
        limits: `command_bytes` and `json_depth` bound it.

    Raises:
        BadMessage: `too_large` (unread, so without its id), otherwise `bad_request`.
    """
    if utf8_length(text) > limits.command_bytes:
        raise BadMessage(None, "too_large", f"a command has at most {limits.command_bytes} bytes")
    return client_message(_parse(text, limits))


def decode_cast(frame: bytes, limits: Limits = DEFAULT_LIMITS) -> Cast:
    r"""Read a client's binary frame: a JSON header with `type`, `\n`, and the bytes of a cast.

    Raises:
        BadMessage: `bad_request`.
    """
    end = frame.find(b"\n", 0, limits.cast_header_bytes + 1)
    if end < 0:
        most = limits.cast_header_bytes
        raise _bad(None, f"a binary frame begins with a line of JSON of at most {most} bytes")
    header = _parse(frame[:end], limits)
    if not isinstance(header, dict) or header.get("type") != "cast" or "data" in header:
        raise _bad(_label(header), "the header of a binary frame is a cast without data")
    message = client_message({**header, "data": frame[end + 1 :]})
    assert isinstance(message, Cast)  # by the header's type
    return message


def client_message(raw: object) -> ClientMessage:
    """Read a client's message from decoded JSON.

    Raises:
        BadMessage: `bad_request`.
    """
    if not isinstance(raw, dict):
        raise _bad(None, f"a message is an object, not {describe(raw)}")
    label = _label(raw)
    tag = raw.get("type")
    cls = CLIENT_MESSAGES.get(tag) if isinstance(tag, str) else None
    if cls is None:
        known = ", ".join(CLIENT_MESSAGES)
        came = describe(tag) if "type" in raw else "nothing"
        raise _bad(label, f"type: expected one of {known}, got {came}")
    fields = {name: value for name, value in raw.items() if name != "type"}
    _check_names(cls, fields, label)
    try:
        return cls(**fields)
    except WrongField as exc:
        raise _bad(label, str(exc)) from None


def encode_server(message: ServerMessage) -> bytes:
    """Return a server's message as the UTF-8 of its text frame.

    Raises:
        TypeError: where the application's own data has no JSON form.
    """
    if isinstance(message, Events):
        bodies = [encode(entry).body for entry in message.events]
        return events_frame(message.thread, bodies, message.cursor)
    return to_bytes(_TAGS[type(message)], message)


def events_frame(thread: str, bodies: Iterable[bytes], cursor: str) -> bytes:
    """Return an `events` message as the UTF-8 of its text frame, of events encoded before.

    Args:
        thread: the thread's id.
        bodies: `Row.body` of each event, in order.
        cursor: the place after the last of them.
    """
    head = b'{"type":"events","thread":%b,"events":[' % orjson.dumps(thread)
    return b'%b%b],"cursor":%b}' % (head, b",".join(bodies), orjson.dumps(cursor))


def utf8_length(text: str) -> int:
    """Return how many bytes a text has on the wire."""
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def _parse(data: str | bytes, limits: Limits) -> Any:
    try:
        raw = orjson.loads(data)
    except orjson.JSONDecodeError as exc:
        raise _bad(None, f"this is not JSON: {exc!s:.200}") from None
    # So deep takes a bracket each at both ends.
    if len(data) > 2 * limits.json_depth and _is_deeper(raw, limits.json_depth):
        raise _bad(_label(raw), f"JSON may be nested {limits.json_depth} deep, not deeper")
    return raw


def _is_deeper(raw: object, depth: int) -> bool:
    level = [raw] if isinstance(raw, _CONTAINERS) else []
    for _ in range(depth):
        parts = chain.from_iterable(v.values() if isinstance(v, dict) else v for v in level)
        level = [part for part in parts if part and isinstance(part, _CONTAINERS)]
        if not level:
            return False
    return True


def _label(raw: object) -> str | None:
    label = raw.get("id") if isinstance(raw, dict) else None
    return label if LABEL.accepts(label) else None


def _check_names(cls: type[ClientMessage], fields: Mapping[str, Any], label: str | None) -> None:
    layout = layout_of(cls)
    if unknown := fields.keys() - layout.names:
        raise _bad(label, f"there is no such field: {describe(min(unknown))}")
    if missing := layout.required - fields.keys():
        raise _bad(label, f"{min(missing)}: expected {_expected(cls, min(missing))}, got nothing")
    if None in fields.values():
        for name in sorted(fields.keys() - layout.nullable):
            if fields[name] is None:
                raise _bad(label, f"{name}: expected {_expected(cls, name)}, got null")


def _expected(cls: type[ClientMessage], name: str) -> str:
    shape = shape_of(attrs.fields_dict(cls)[name])
    return shape.expected if shape else "a value"


def _bad(label: str | None, message: str) -> BadMessage:
    return BadMessage(label, "bad_request", message)

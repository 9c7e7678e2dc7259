"""Which kinds of record and of cast a thread takes, and what each has to look like: checked at the
edge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias, get_origin

import attrs
from cattrs import ClassValidationError, Converter, transform_error
from cattrs.cols import list_structure_factory
from cattrs.errors import BaseValidationError
from cattrs.strategies import configure_union_passthrough

from ..errors import Rejected
from .arguments import shown
from .commands import Record, check_key
from .json_values import taken_over

if TYPE_CHECKING:
    from ..limits import Limits

# An attrs class, whose fields the data has to have; or a function that returns the data, as it is
# to be kept, or raises ValueError.
RecordSchema: TypeAlias = type | Callable[[Any], Any]
RecordKinds: TypeAlias = Mapping[str, RecordSchema]

# What of a schema's complaints is told to the client.
_COMPLAINTS: Final = 3
_COMPLAINT_CHARS: Final = 300


def check_schemas(name: str, kinds: RecordKinds | None) -> None:
    """Refuse, as a programming error, what can be no schema.

    Args:
        name: the field's, `records` or `casts`.
        kinds: what came.

    Raises:
        TypeError: naming the field and the kind.
    """
    if kinds is None:
        return
    if not isinstance(kinds, Mapping):
        raise TypeError(f"{name} takes kinds with a schema each, not {shown(kinds)}")
    for kind, schema in kinds.items():
        if not isinstance(kind, str) or not kind:
            raise TypeError(f"{name} takes a word for each kind, not {shown(kind)}")
        if not (attrs.has(schema) if isinstance(schema, type) else callable(schema)):
            wanted = "an attrs class or a function"
            raise TypeError(f"{name}: {shown(kind)} takes {wanted}, not {shown(schema)}")


def checked_record(
    kinds: RecordKinds | None,
    *,
    record: str,
    principal: str,
    kind: Any,
    data: Any,
    key: Any = None,
    limits: Limits,
) -> Record:
    """Make a record of values from outside, which stay as they are whatever becomes of those.

    Args:
        kinds: what the thread takes; None where any kind and any JSON will do.
        record: a fresh id for it.
        principal: who says so.
        kind, data, key: what came.
        limits: `item_bytes` bounds kind and data together, as JSON.

    Raises:
        Rejected: `bad_request`, naming the known kinds or what is wrong with a value; `too_large`.
    """
    kind, data = checked_fact(kinds, kind, data, limits)
    key = taken_over(key, "the key", limits.command_bytes)
    check_key(key)
    return Record(record=record, principal=principal, kind=kind, data=data, key=key)


def checked_fact(
    kinds: RecordKinds | None, kind: Any, data: Any, limits: Limits
) -> tuple[str, Any]:
    """Take over a record's kind and data; arguments and errors as of `checked_record`."""
    kind, data = taken_over([kind, data], "the record", limits.item_bytes, limits.json_depth)
    if not isinstance(kind, str) or not kind:
        raise Rejected("bad_request", f"a record's kind is a word, not {shown(kind)}")
    if kinds is not None:
        kept = checked_data(kinds, "record", kind, data)
        data = taken_over(kept, "the record", limits.item_bytes, limits.json_depth)
    return kind, data


def checked_data(kinds: RecordKinds, what: str, kind: str, data: Any) -> Any:
    """Return the data as it is to be kept.

    Args:
        kinds: those that the thread takes.
        what: what this is, in a word, for the refusal.
        kind, data: what came.

    Raises:
        Rejected: `bad_request`, naming the known kinds or what is wrong with the data.
    """
    if kind not in kinds:
        known = ", ".join(sorted(kinds)) or "none"
        raise Rejected("bad_request", f"no {what} {shown(kind)} here; the kinds are: {known}")
    schema = kinds[kind]
    try:
        if isinstance(schema, type):
            _strict.structure(data, schema)
            return data
        return schema(data)
    except (ValueError, BaseValidationError) as exc:
        raise Rejected("bad_request", f"{what} {kind}: {_complaint(exc)}") from exc
    except Exception as exc:  # the application's own function tripped over what a client sent
        raise Rejected("bad_request", f"{what} {kind}: this is not its data") from exc


def _complaint(exc: Exception) -> str:
    if isinstance(exc, ClassValidationError):
        found = transform_error(exc, path="data", format_exception=_told)
        return "; ".join(found[:_COMPLAINTS])[:_COMPLAINT_CHARS]
    return str(exc)[:_COMPLAINT_CHARS]


def _told(exc: BaseException, type_: type | None) -> str:
    if isinstance(exc, KeyError):
        return "a field is missing"
    return str(exc)


def _strict_scalar(sort: type) -> Callable[[Any, Any], Any]:
    def structure(value: Any, _: Any) -> Any:
        # What is read back as JSON has no difference between 1 and 1.0 worth refusing.
        if type(value) is sort or (sort is float and type(value) is int):
            return value
        raise ValueError(f"expected {sort.__name__}, got {_shown(value)}")

    return structure


def _shown(value: Any) -> str:
    return f"{type(value).__name__} {value!r:.40}"


def _only(sort: type, structure: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Have nothing but JSON's own sort taken: cattrs by itself would iterate over a text."""

    def checked(value: Any, type_: Any) -> Any:
        if not isinstance(value, sort):
            name = "an object" if sort is dict else "a list"
            raise ValueError(f"expected {name}, got {_shown(value)}")
        return structure(value, type_)

    return checked


def _list_hook(type_: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    return _only(list, list_structure_factory(type_, converter))


def _object_hook(type_: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    if attrs.has(get_origin(type_) or type_):
        return _only(dict, converter.gen_structure_attrs_fromdict(type_))
    return _only(dict, converter.gen_structure_mapping(type_))


def _is_list(type_: Any) -> bool:
    return (get_origin(type_) or type_) in (list, Sequence)


def _is_object(type_: Any) -> bool:
    origin = get_origin(type_) or type_
    return origin in (dict, Mapping) or attrs.has(origin)


def _strict_converter() -> Converter:
    converter = Converter(forbid_extra_keys=True)
    for sort in (str, int, float, bool):
        converter.register_structure_hook(sort, _strict_scalar(sort))
    configure_union_passthrough(str | int | float | bool | None, converter)
    converter.register_structure_hook_factory(_is_list, _list_hook)
    converter.register_structure_hook_factory(_is_object, _object_hook)
    return converter


_strict: Final = _strict_converter()

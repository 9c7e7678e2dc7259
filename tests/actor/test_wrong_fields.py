"""A field that is filled in by mistake is refused by name, whichever it is and whatever came."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, Final

import attrs
import pytest
from wrong_values import WRONG

from actors import (
    Capacity,
    EndAfter,
    Lease,
    Limits,
    OnExit,
    Overflow,
    Passivate,
    Projection,
    ThreadKind,
)
from actors.core.arguments import shown
from transport import Identity


async def nothing(_: object) -> None:
    raise NotImplementedError


def counts(state: int, _: object) -> int:
    raise NotImplementedError


# Each with what it cannot be made without.
CLASSES: Final[Mapping[type, Mapping[str, Any]]] = {
    Limits: {},
    ThreadKind: {},
    Passivate: {},
    EndAfter: {},
    Capacity: {"name": "desk", "most": 1},
    Projection: {"initial": 0, "fold": counts},
    Lease: {"allocate": nothing, "release": nothing, "renew": nothing, "lasts": 5},
    Identity: {"principal": "ann"},
}
# Any value will do, and what comes of it is seen where it is used.
ANYTHING: Final = {(Lease, "static"), (Projection, "initial")}


def fields_of(made: type) -> Iterator[attrs.Attribute[Any]]:
    """Yield the fields that are held to something."""
    return (field for field in attrs.fields(made) if (made, field.name) not in ANYTHING)


def refusal_of(made: type, field: str, value: Any) -> TypeError | ValueError | None:
    """Make one with that value in that field; return what it was refused with."""
    try:
        made(**{**CLASSES[made], field: value})
    except (TypeError, ValueError) as refusal:
        return refusal
    return None


@pytest.mark.parametrize("made", CLASSES)
def test_a_refusal_names_the_field_and_what_came(made: type) -> None:
    """It is one sentence, and not what some library says of the value."""
    for field, (what, wrong) in product(fields_of(made), WRONG.items()):
        value = wrong()
        refusal = refusal_of(made, field.name, value)
        if refusal is None or "or neither" in str(refusal):  # a lease that lacks one of a pair
            continue
        name = "a principal" if field.name == "principal" else field.name
        assert len(refusal.args) == 1, (field.name, what)
        assert str(refusal).startswith(name), (field.name, what)
        # Of one that holds others, the one that is wrong.
        shows = f"not {shown(value)}" in str(refusal) or isinstance(value, Mapping)
        assert shows, (field.name, what)


# What may be nought: a wait, and a share of history; a count and a deadline are above it.
NOUGHT: Final = {(ThreadKind, "context_items"), (Identity, "expires_in")} | {
    (Limits, field.name) for field in attrs.fields(Limits) if field.name.endswith("_seconds")
}


def fits(made: type, field: attrs.Attribute[Any], value: Any) -> bool:
    """Say whether a figure or flag takes a value, by what is written of its type."""
    sort = str(field.type)
    if value is None:
        return sort.endswith("| None")
    if sort == "bool" or isinstance(value, bool):
        return sort == "bool" and isinstance(value, bool)
    if not isinstance(value, int if sort.startswith("int") else int | float):
        return False
    most = math.inf if made is Identity or sort.startswith("int") else 999_999_999
    return 0 < value <= most or (value == 0 and (made, field.name) in NOUGHT)


@pytest.mark.parametrize("made", CLASSES)
def test_a_figure_is_of_its_sort_and_within_its_bounds(made: type) -> None:
    for field, (what, wrong) in product(fields_of(made), WRONG.items()):
        if not str(field.type).startswith(("int", "float", "bool")) or field.name == "version":
            continue
        value = wrong()
        refusal = refusal_of(made, field.name, value)
        if "or neither" not in str(refusal):
            assert (refusal is None) is fits(made, field, value), (field.name, what)


@pytest.mark.parametrize("word", ["restart", "end_thread", "leave"])
def test_words_and_members_are_the_same(word: str) -> None:
    kind = ThreadKind(on_exit=word, overflow="refuse")  # type: ignore[arg-type]  # as from a file
    assert (kind.on_exit, kind.overflow) == (OnExit(word), Overflow.REFUSE)


@pytest.mark.parametrize(
    ("made", "fields", "sort", "words"),
    [
        (Limits, {"frame_bytes": "5"}, TypeError, "frame_bytes takes a whole number of at least 1"),
        (Limits, {"frame_bytes": 0}, ValueError, "a whole number of at least 1, not 0"),
        (Limits, {"drain_seconds": "5"}, TypeError, "drain_seconds takes seconds, at least 0 and"),
        (Limits, {"drain_seconds": 1e9}, ValueError, "below 1,000,000,000, not 1000000000.0"),
        (ThreadKind, {"deadline": 0}, ValueError, "deadline takes seconds, above 0 and below .* 0"),
        (ThreadKind, {"retry": "no"}, TypeError, "retry takes bool, not 'no'"),
        (ThreadKind, {"on_exit": 5}, ValueError, "on_exit is one of restart, .*, leave, not 5"),
        (ThreadKind, {"casts": 5}, TypeError, "casts takes kinds with a schema each, not 5"),
        (Lease, {"allocate": 5}, TypeError, "allocate takes a function, not 5"),
    ],
)
def test_a_refusal_says_what_is_expected(
    made: type, fields: Mapping[str, Any], sort: type[Exception], words: str
) -> None:
    with pytest.raises(sort, match=words):
        made(**fields)

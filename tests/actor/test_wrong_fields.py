"""A field that is filled in by mistake is refused by name, whichever it is and whatever came."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wrong_values import WRONG, values

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
FIELDS: Final = [
    (made, field.name)
    for made in CLASSES
    for field in attrs.fields(made)
    if (made, field.name) not in ANYTHING
]


def refusal_of(made: type, field: str, value: Any) -> TypeError | ValueError | None:
    """Make one with that value in that field; return what it was refused with."""
    try:
        made(**{**CLASSES[made], field: value})
    except (TypeError, ValueError) as refusal:
        return refusal
    return None


@settings(max_examples=500)
@given(where=st.sampled_from(FIELDS), what=values)
def test_a_refusal_names_the_field_and_what_came(where: tuple[type, str], what: str) -> None:
    """It is one sentence, and not what some library says of the value."""
    value = WRONG[what]()
    refusal = refusal_of(*where, value)
    if refusal is None or "or neither" in str(refusal):  # a lease that lacks one of a pair
        return
    assert len(refusal.args) == 1
    assert str(refusal).startswith(where[1]) or where == (Identity, "principal")
    assert f"not {shown(value)}" in str(refusal) or isinstance(value, Mapping | list)


FIGURES: Final = [
    (made, field.name, getattr(made(**CLASSES[made]), field.name))
    for made in CLASSES
    for field in attrs.fields(made)
    if str(field.type).startswith(("int", "float", "bool")) and field.name != "version"
]


@settings(max_examples=500)
@given(where=st.sampled_from(FIGURES), what=values)
def test_a_figure_is_of_its_sort_and_within_its_bounds(
    where: tuple[type, str, Any], what: str
) -> None:
    made, name, right = where
    value = WRONG[what]()
    flag, whole = isinstance(right, bool), isinstance(right, int)
    if flag or isinstance(value, bool):
        fits = flag and isinstance(value, bool)
    elif isinstance(value, int if whole or name == "context_items" else int | float):
        endless = made is Identity
        fits = 0 <= value <= math.inf if endless else 0 <= value < (math.inf if whole else 1e9)
    else:
        fits = value is None and right is None
    refused = refusal_of(made, name, value) is not None
    if value == 0 and not flag:  # a wait may be none, a count or a deadline is above nought
        assert refused or made in (Limits, Identity) or name == "context_items"
    else:
        assert refused is not fits


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

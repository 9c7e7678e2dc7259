"""Projections: one value at each position, however it came about."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from actors.core.folds import (
    Fact,
    Folded,
    Projection,
    attributes,
    begin,
    fold_in,
    from_kept,
    keep,
)

PLENTY = 1 << 20


def last_by_id(state: dict[str, Any], fact: Fact) -> dict[str, Any]:
    """Omi's: what was processed, by segment; without an id a segment is passed over."""
    if "id" not in fact.data:
        return state
    return {**state, fact.data["id"]: fact.data.get("processed", True)}


PROJECTIONS = {
    "processed": Projection({}, last_by_id, public=True),
    "count": Projection(0, lambda count, _: count + 1),
}
DATA = st.fixed_dictionaries(
    {}, optional={"id": st.sampled_from("abc"), "processed": st.booleans()}
)


def facts(*data: Any) -> list[tuple[int, Fact]]:
    return [(n, Fact(f"r{n}.0", "segment", each, 1.0)) for n, each in enumerate(data, 1)]


@given(st.lists(DATA), st.data())
def test_a_fold_that_is_gone_on_with_is_the_fold_of_all(
    records: list[Any], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(records)))
    every = facts(*records)
    whole = fold_in(PROJECTIONS, begin(PROJECTIONS), every)
    part = fold_in(PROJECTIONS, begin(PROJECTIONS), every[:cut])
    again = from_kept(PROJECTIONS, keep(PROJECTIONS, part, PLENTY))
    assert again == part
    assert fold_in(PROJECTIONS, again, every[cut:]) == whole


def test_what_omi_rehydrated_by_hand_is_there() -> None:
    folded = fold_in(
        PROJECTIONS,
        begin(PROJECTIONS),
        facts({"id": "a", "processed": False}, {"id": "b"}, {"processed": True}),
    )
    assert folded.copy_of("processed") == {"a": False, "b": True}
    assert folded.offset == 3


@pytest.mark.parametrize(
    "changed",
    [
        {"processed": evolve(PROJECTIONS["processed"], version=2), "count": PROJECTIONS["count"]},
        {"count": PROJECTIONS["count"]},
        {**PROJECTIONS, "more": PROJECTIONS["count"]},
        {},
    ],
)
def test_other_projections_begin_anew(changed: dict[str, Projection]) -> None:
    folded = fold_in(PROJECTIONS, begin(PROJECTIONS), facts({"id": "a"}))
    assert from_kept(changed, keep(PROJECTIONS, folded, PLENTY)) == begin(changed)
    assert from_kept(changed, None) == begin(changed)


def test_a_fold_that_raises_passes_over_its_record(caplog: pytest.LogCaptureFixture) -> None:
    folded = fold_in(PROJECTIONS, begin(PROJECTIONS), facts({"id": "a"}, 5, {"id": "b"}))
    assert folded.states == {"processed": {"a": True, "b": True}, "count": 3}
    assert "projection processed passed over record r2.0" in caplog.text


def test_copies_are_the_callers_own() -> None:
    folded = fold_in(PROJECTIONS, begin(PROJECTIONS), facts({"id": "a"}))
    folded.copy_of("processed").clear()
    shown: Any = attributes(PROJECTIONS, folded, PLENTY)
    shown["processed"].clear()
    assert folded.states["processed"] == {"a": True}
    with pytest.raises(ValueError, match="there are: count, processed"):
        folded.copy_of("prcessed")


def test_only_public_ones_of_a_bounded_size_are_attributes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    folded = fold_in(PROJECTIONS, begin(PROJECTIONS), facts({"id": "a"}))
    assert attributes(PROJECTIONS, folded, PLENTY) == {"processed": {"a": True}}
    assert attributes(PROJECTIONS, folded, 5) == {}
    assert "projection processed has" in caplog.text


def test_what_is_too_large_or_no_json_is_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    odd = {"odd": Projection({}, lambda state, fact: object())}
    assert keep(PROJECTIONS, begin(PROJECTIONS), 5) is None
    assert keep(odd, Folded(1, {"odd": object()}), PLENTY) is None
    assert "cannot be kept" in caplog.text

"""Records are checked at the edge: strictly, and with words that help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import pytest

from actors.core.record_kinds import check_schemas, checked_record
from actors.errors import Rejected
from actors.limits import Limits


@attrs.frozen
class Word:
    text: str
    weight: float = 1.0


@attrs.frozen
class Segment:
    id: str
    speaker: int
    final: bool = True
    tags: list[str] = attrs.field(factory=list)
    words: Sequence[Word] = ()
    counts: Mapping[str, int] = attrs.field(factory=dict)
    note: str | None = None
    either: int | str = 0
    anything: Any = None
    level: int = attrs.field(default=1, validator=attrs.validators.ge(1))


def even(data: Any) -> Any:
    """Keep half of an even number."""
    if data % 2:
        raise ValueError("an even number is wanted")
    return {"half": data // 2}


KINDS = {"segment": Segment, "even": even}


def record(kind: Any, data: Any, kinds: Any = KINDS, **more: Any) -> Any:
    limits = more.pop("limits", Limits())
    made = checked_record(
        kinds, record="r1", principal="ann", kind=kind, data=data, limits=limits, **more
    )
    return made.data


def refusal(kind: Any, data: Any, kinds: Any = KINDS, **more: Any) -> Rejected:
    with pytest.raises(Rejected) as caught:
        record(kind, data, kinds, **more)
    return caught.value


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"words": [{"text": "hi", "weight": 2}], "tags": ["a"], "counts": {"b": 1}},
        {"note": None, "either": "x", "anything": {"deep": [1, "2"]}},
    ],
)
def test_what_fits_is_kept_as_it_came(more: dict[str, Any]) -> None:
    data = {"id": "s1", "speaker": 3, **more}
    assert record("segment", data) == data


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"speaker": "42"}, "expected int, got str '42' @ data.speaker"),
        ({"speaker": True}, "expected int, got bool True @ data.speaker"),
        ({"speaker": 1.0}, "expected int, got float 1.0 @ data.speaker"),
        ({"final": 1}, "expected bool, got int 1 @ data.final"),
        ({"id": None}, "expected str, got NoneType None @ data.id"),
        ({"spekaer": 1}, "spekaer @ data"),
        ({"tags": "abc"}, "expected a list, got str 'abc' @ data.tags"),
        ({"words": [{"text": 1}]}, "expected str, got int 1 @ data.words[0].text"),
        ({"words": [7]}, "expected an object, got int 7 @ data.words[0]"),
        ({"counts": [1]}, "expected an object, got list [1] @ data.counts"),
        ({"counts": {"a": "1"}}, "expected int, got str '1' @ data.counts['a']"),
        ({"either": 1.5}, "@ data.either"),
        ({"level": 0}, "'level' must be >= 1"),
    ],
)
def test_what_does_not_fit_is_refused_and_told(more: dict[str, Any], told: str) -> None:
    caught = refusal("segment", {"id": "s1", "speaker": 3, **more})
    assert (caught.code, caught.retryable) == ("bad_request", False)
    assert caught.message.startswith("record segment: ")
    assert told in caught.message


@pytest.mark.parametrize("data", [None, 3, "text", [1], {}])
def test_a_class_takes_an_object_with_its_fields(data: Any) -> None:
    assert refusal("segment", data).code == "bad_request"


def test_a_function_says_what_is_kept() -> None:
    assert record("even", 4) == {"half": 2}
    assert refusal("even", 3).message == "record even: an even number is wanted"
    # Neither its words nor its class leave where it tripped over what it did not expect.
    assert refusal("even", {"no": "number"}).message == "record even: this is not its data"
    assert refusal("any", 1, {"any": lambda _: object()}).code == "bad_request"


def test_unknown_kinds_are_refused_where_any_is_named() -> None:
    assert refusal("segmnet", {}).message.endswith("the kinds are: even, segment")
    assert refusal("note", {}, {}).message.endswith("the kinds are: none")
    assert record("note", [1], None) == [1]


@pytest.mark.parametrize("kind", ["", 5, None, ["a"]])
def test_a_kind_is_a_word(kind: Any) -> None:
    assert refusal(kind, 1, None).code == "bad_request"


def test_values_are_bounded_and_plain() -> None:
    assert refusal("note", "x" * 100, None, limits=Limits(item_bytes=100)).code == "too_large"
    grown = {"grow": lambda data: data * 100}
    assert refusal("grow", "x", grown, limits=Limits(item_bytes=100)).code == "too_large"
    assert refusal("note", object(), None).code == "bad_request"
    assert refusal("note", 1, None, key=5).code == "bad_request"
    theirs = {"a": [1]}
    mine = record("note", theirs, None)
    theirs["a"].append(2)
    assert mine == {"a": [1]}


@pytest.mark.parametrize("schema", [int, "Segment", None, 3])
def test_a_schema_is_an_attrs_class_or_a_function(schema: Any) -> None:
    with pytest.raises(TypeError, match="records: 'odd'"):
        check_schemas("records", {"odd": schema})

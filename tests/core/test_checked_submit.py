"""Values from outside: refused where they are of the wrong sort, copied where they are not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.core.commands import OnBusy, checked_fork, checked_submit
from actors.core.items import item_id, item_owner
from actors.core.json_values import taken_over
from actors.core.record_kinds import checked_record
from actors.core.thread_id import is_thread_id
from actors.errors import Rejected
from actors.limits import Limits


def check(**values: Any) -> Any:
    defaults = {"turn": "t", "principal": "ann", "content": "hi", "limit_bytes": 1000}
    return checked_submit(**{**defaults, **values})


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


class Opaque:
    pass


REFUSED = {
    "blank": ({"content": " \n\t"}, "bad_request"),
    "empty": ({"content": ""}, "bad_request"),
    "no parts": ({"content": []}, "bad_request"),
    "blank parts": ({"content": [{"type": "text", "text": "  "}]}, "bad_request"),
    "a number": ({"content": 5}, "bad_request"),
    "nothing": ({"content": None}, "bad_request"),
    "a part without a type": ({"content": [{"text": "x"}]}, "bad_request"),
    "a part that is none": ({"content": ["x"]}, "bad_request"),
    "a type that is no text": ({"content": [{"type": 5}]}, "bad_request"),
    "no JSON form": ({"metadata": {"x": Opaque()}}, "bad_request"),
    "a lone surrogate": ({"content": "\ud800"}, "bad_request"),
    "a lone surrogate in a key": ({"key": "\udfff"}, "bad_request"),
    "a key that is no text": ({"key": 5}, "bad_request"),
    "an empty key": ({"key": ""}, "bad_request"),
    "a key that is too long": ({"key": "k" * 129}, "bad_request"),
    "metadata that is no object": ({"metadata": [1]}, "bad_request"),
    "attachments that are no list": ({"attachments": {"a": 1}}, "bad_request"),
    "nested too deep": ({"metadata": {"x": nested(100)}}, "bad_request"),
    "nested deeper than can be written": ({"metadata": {"x": nested(300)}}, "bad_request"),
    "too large": ({"content": "x" * 1001}, "too_large"),
    "too large together": ({"content": "x" * 600, "metadata": {"x": "y" * 600}}, "too_large"),
    "an unknown policy": ({"on_busy": "shout"}, "bad_request"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    values, code = REFUSED[name]
    with pytest.raises(Rejected) as caught:
        check(**values)
    assert caught.value.code == code


def test_what_was_taken_over_is_nobody_elses() -> None:
    metadata = {"tags": ["a"]}
    parts = [{"type": "text", "text": "hi"}]
    command = check(metadata=metadata, content=parts)
    metadata["tags"].append("b")
    parts[0]["text"] = "ho"
    assert command.metadata == {"tags": ["a"]}
    assert command.content == [{"type": "text", "text": "hi"}]


@pytest.mark.parametrize("policy", OnBusy)
def test_policies_may_be_texts(policy: OnBusy) -> None:
    assert check(on_busy=policy.value).on_busy is policy


def test_a_part_of_another_type_is_not_blank() -> None:
    assert check(content=[{"type": "image", "url": "x"}]).content


@pytest.mark.parametrize(("depth", "fits"), [(1, True), (10, True), (11, False), (200, False)])
def test_nesting(depth: int, fits: bool) -> None:
    if fits:
        assert taken_over(nested(depth), "it", 1000, limit_depth=10) == nested(depth)
    else:
        with pytest.raises(Rejected, match="nested 10 deep"):
            taken_over(nested(depth), "it", 1000, limit_depth=10)


@pytest.mark.parametrize("key", ["", "k" * 129, "\ud800", 5, b"k"])
def test_what_is_no_key_is_none_for_a_fork_or_a_record_either(key: Any) -> None:
    with pytest.raises(Rejected, match="bad_request"):
        checked_fork("t", to="u", after=None, principal="ann", key=key)
    with pytest.raises(Rejected, match="bad_request"):
        checked_record(
            None, record="r", principal="ann", kind="k", data=1, key=key, limits=Limits()
        )


def test_keys_at_their_bounds() -> None:
    for key in (None, "k", "\n" * 128, "\U0001f511" * 128):
        assert checked_fork("t", to="u", after=None, principal="ann", key=key).key == key


@given(st.text(max_size=8), st.integers(0, 10**17))
def test_item_ids_split_into_what_made_them(owner: str, number: int) -> None:
    assert item_owner(item_id(owner, number)) == (owner, number)


@pytest.mark.parametrize("text", ["", "a", "a.", "a.x", "a.-1", "a.1 ", "a.٣", "a." + "9" * 19])
def test_no_item_ids(text: str) -> None:
    with pytest.raises(ValueError, match="not an item id"):
        item_owner(text)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("t-1", True),
        ("A.b_c:d-e", True),
        ("7", True),
        ("x" * 128, True),
        ("", False),
        ("x" * 129, False),
        ("-x", False),
        (".x", False),
        ("ä", False),
        ("a b", False),
        ("a/b", False),
        ("a\n", False),
    ],
)
def test_thread_ids(text: str, good: bool) -> None:
    assert is_thread_id(text) is good

"""Items: the parts that a thread's history is made of, as people and models see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from attrs import field, frozen

from .arguments import shown

# What a person or a program says: plain text, or a list of parts, each an object with a "type".
Content: TypeAlias = str | Sequence[Mapping[str, Any]]

# The kinds that the runtime itself gives a meaning to; any other kind is the application's own.
ITEM_KINDS: Final = frozenset(
    {"message", "answer", "reasoning", "tool_call", "tool_result", "marker", "record"}
)
# Those that no handler adds by name.
RESERVED_KINDS: Final = ITEM_KINDS - {"tool_call", "tool_result"}


@frozen
class Item:
    """One part of history.

    Args:
        item: its id, unique in the thread's life; see `item_id`.
        kind: one of `ITEM_KINDS`, or the application's own word.
        at: when it began, Unix seconds.
        turn: the turn it belongs to; None for a record.
        body: the fields of its kind, such as `{"text": …}` of an answer.
    """

    item: str
    kind: str
    at: float
    turn: str | None = None
    body: Mapping[str, Any] = field(factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the item as the flat object that the wire and the journal carry."""
        head: dict[str, Any] = {"item": self.item}
        if self.turn is not None:
            head["turn"] = self.turn
        return {**head, "kind": self.kind, "at": self.at, **self.body}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Item:
        """Read an item back from `to_json`'s object.

        Raises:
            KeyError: where a field that every item has is missing.
        """
        body = {k: v for k, v in raw.items() if k not in ("item", "turn", "kind", "at")}
        return cls(raw["item"], raw["kind"], raw["at"], raw.get("turn"), body)


def item_id(owner: str, number: int) -> str:
    """Name the `number`-th item of a turn (0 is the user's message) or of a record."""
    return f"{owner}.{number}"


def item_owner(item: str) -> tuple[str, int]:
    """Split an item's id into its turn (or record) and its number there.

    Raises:
        ValueError: where `item_id` never made such an id.
    """
    owner, dot, number = item.rpartition(".")
    if not dot or not number.isascii() or not number.isdigit() or len(number) > 18:
        raise ValueError(f"not an item id: {item!r}")
    return owner, int(number)


# What the items that tools leave have to have, by kind; the first is a text.
_TOOL_FIELDS: Final[Mapping[str, tuple[str, str]]] = {
    "tool_call": ("name", "arguments"),
    "tool_result": ("call", "data"),
}


def check_tool_item(kind: str, data: Any) -> None:
    """Refuse an item of a tool that is none: its fields stand beside those that every item has.

    Args:
        kind: of the item; what is no tool's may hold anything.
        data: as JSON.

    Raises:
        ValueError: naming what it has to have.
    """
    fields = _TOOL_FIELDS.get(kind)
    if fields is None:
        return
    if not isinstance(data, dict) or set(data) != set(fields):
        raise ValueError(f"a {kind} has {' and '.join(fields)}, and nothing else")
    if not isinstance(data[fields[0]], str):
        raise ValueError(f"the {fields[0]} of a {kind} is a text, not {shown(data[fields[0]])}")


def is_content(value: Any) -> bool:
    """Say whether a JSON value is what a submit may say: text, or a list of typed objects."""
    if isinstance(value, list):
        return all(isinstance(part, dict) and isinstance(part.get("type"), str) for part in value)
    return isinstance(value, str)


def is_blank(content: Content) -> bool:
    """Say whether there is nothing in it to answer: no part, or only white space."""
    if isinstance(content, str):
        return not content.strip()
    return all(
        part.get("type") == "text" and not str(part.get("text", "")).strip() for part in content
    )

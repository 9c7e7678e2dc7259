"""What a thread shows after some events: a second opinion, by another way than the runtime's.

It takes whatever comes: whether events may follow each other is for others to say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from attrs import define, field

from ..history import ENDINGS, Logged

# (id, kind, text) of an item; the text only where it has one.
Shown: TypeAlias = tuple[str, str, Any]


def message_text(content: Any, attachments: Sequence[Any] | None) -> Any:
    """Return the text of a message's item: what was said, and what was attached to it if anything.

    Two of them are equal where both are.
    """
    return content if attachments is None else (content, tuple(attachments))


@define
class Model:
    """A thread, read event by event."""

    live: str | None = None
    queue: list[str] = field(factory=list)
    settled: list[str] = field(factory=list)
    items: defaultdict[str, list[Shown]] = field(factory=lambda: defaultdict(list))
    places: dict[str, int] = field(factory=dict)
    records: set[str] = field(factory=set)
    calls: dict[str, str] = field(factory=dict)  # of a tool's result: the call that it is for

    def history(self) -> list[Shown]:
        """Return the settled items, records among them, in turn order."""
        return [item for turn in self.settled for item in self.items[turn]]

    def take(self, event: Logged) -> None:
        """Read one more event."""
        raw, turn = event.raw, event.raw.get("turn", "")
        match event.type:
            case "turn.submitted":
                said = message_text(raw["content"], raw.get("attachments"))
                self.items[turn] = [(raw["item"], "message", said)]
                self.queue.insert(0 if raw.get("supersedes") else len(self.queue), turn)
            case "turn.started":
                self._start(turn, event.row.offset)
            case "turn.delta":
                self._say(turn, raw)
            case "turn.item":
                self.items[turn].append((raw["item"], raw["kind"], None))
                if raw["kind"] == "tool_result":
                    self.calls[raw["item"]] = raw["data"]["call"]
            case "record":
                self._record(raw["item"], event.row.offset)
            case "thread.truncated":
                self._truncate(raw["after"])
            case ending if ending in ENDINGS:
                self._end(turn, event)

    def _record(self, item: str, place: int) -> None:
        owner = item.rpartition(".")[0]
        self.records.add(owner)
        self.places[owner] = place
        self.items[owner] = [(item, "record", None)]
        self._settle(owner)

    def _settle(self, owner: str) -> None:
        self.settled.append(owner)
        self.settled.sort(key=self.places.__getitem__)

    def _start(self, turn: str, place: int) -> None:
        if turn in self.queue:
            self.queue.remove(turn)
        self.live = turn
        self.places.setdefault(turn, place)
        del self.items[turn][1:]

    def _say(self, turn: str, raw: dict[str, Any]) -> None:
        kind = "reasoning" if raw.get("channel") == "reasoning" else "answer"
        items = self.items[turn]
        goes_on = bool(items) and items[-1][0] == raw["item"]
        before = items.pop()[2] if goes_on else ""
        items.append((raw["item"], kind, before + raw["text"]))

    def _end(self, turn: str, event: Logged) -> None:
        if turn == self.live:
            self.live = None
        elif turn in self.queue:
            self.queue.remove(turn)
        self.places.setdefault(turn, event.row.offset)
        if event.raw.get("item"):
            self.items[turn].append((event.raw["item"], "marker", None))
        if not event.raw.get("rolled_back"):
            self._settle(turn)

    def _truncate(self, after: str | None) -> None:
        owner, _, number = (after or "").rpartition(".")
        place = self.places[owner] if owner in self.settled else 0
        behind = {each for each in self.settled if self.places[each] > place} - self.records
        self.settled = [each for each in self.settled if each not in behind]
        if owner not in self.settled:
            return
        kept = [
            item for item in self.items[owner] if int(item[0].rpartition(".")[2]) <= int(number)
        ]
        self.items[owner] = kept


def model_of(events: Iterable[Logged]) -> Model:
    """Return what events of one life of a thread lead to."""
    model = Model()
    for event in events:
        model.take(event)
    return model

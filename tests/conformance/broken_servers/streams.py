"""Servers that are wrong about what they say of a thread."""

from __future__ import annotations

from collections import Counter

from .lying_link import Lie, Message

ENDINGS = ("turn.completed", "turn.cancelled", "turn.failed", "turn.superseded")


def moved(cursor: str, by: int) -> str:
    """Return a cursor some offsets further on."""
    epoch, _, offset = cursor.partition(".")
    return f"{epoch}.{int(offset) + by}"


def shifted(event: Message, by: int) -> Message:
    """Return an event some offsets further on."""
    places = {name: event[name] + by for name in ("offset", "to") if name in event}
    return {**event, **places}


class OffsetsSkip(Lie):
    """Every end of a turn leaves an offset out."""

    def __init__(self) -> None:
        self.skipped: Counter[str] = Counter()

    def said(self, message: Message) -> list[Message]:
        if message["type"] != "events":
            return [message]
        thread, events = message["thread"], []
        for event in message["events"]:
            self.skipped[thread] += event["type"] in ENDINGS
            events.append(shifted(event, self.skipped[thread]))
        cursor = moved(message["cursor"], self.skipped[thread])
        return [{**message, "events": events, "cursor": cursor}]


class CursorGoesBack(Lie):
    """The cursor of some events is the place before the first of them."""

    def said(self, message: Message) -> list[Message]:
        if message["type"] != "events":
            return [message]
        epoch = message["cursor"].partition(".")[0]
        return [{**message, "cursor": f"{epoch}.{message['events'][0]['offset'] - 1}"}]


class SnapshotThenGap(Lie):
    """What happens between a snapshot and the subscription to what follows it is lost."""

    def __init__(self) -> None:
        self.fresh: set[str] = set()

    def said(self, message: Message) -> list[Message]:
        thread = message.get("thread", "")
        if message["type"] == "snapshot" and message["turn"] is not None:
            self.fresh.add(thread)
        if message["type"] == "events" and thread in self.fresh:
            self.fresh.remove(thread)
            return []
        return [message]


class NeverResumes(Lie):
    """Every attach gets a snapshot, whatever the cursor."""

    def heard(self, message: Message) -> list[Message]:
        if message.get("type") == "attach" and isinstance(message.get("cursor"), str):
            del message["cursor"]
        return [message]


class EndsTwice(Lie):
    """Every terminal event comes twice, each with an offset of its own."""

    def __init__(self) -> None:
        self.more: Counter[str] = Counter()

    def said(self, message: Message) -> list[Message]:
        if message["type"] != "events":
            return [message]
        thread, events = message["thread"], []
        for event in message["events"]:
            events.append(shifted(event, self.more[thread]))
            if event["type"] in ENDINGS:
                self.more[thread] += 1
                events.append(shifted(event, self.more[thread]))
        cursor = moved(message["cursor"], self.more[thread])
        return [{**message, "events": events, "cursor": cursor}]


class DeliversTwice(Lie):
    """A second attach is served beside the first."""

    def __init__(self) -> None:
        self.attachments: Counter[str] = Counter()

    def said(self, message: Message) -> list[Message]:
        thread = message.get("thread", "")
        if message["type"] == "attached":
            self.attachments[thread] += 1
        if message["type"] == "detached":
            del self.attachments[thread]
        return [message] * (self.attachments[thread] if message["type"] == "events" else 1)


class DetachedTooLate(Lie):
    """The reply to detach comes before `detached`."""

    def __init__(self) -> None:
        self.kept: list[Message] = []

    def said(self, message: Message) -> list[Message]:
        if message["type"] == "detached" and message["reason"] == "requested":
            self.kept.append(message)
            return []
        kept, self.kept = self.kept, []
        return [message, *kept]

"""Servers that are wrong about what they are asked."""

from __future__ import annotations

from transport.testing.conformance.fields import FIELDS

from .lying_link import Lie, Message


class CancelAnsweredAtOnce(Lie):
    """A cancel is answered when it is heard, while the handler is still at it."""

    def __init__(self) -> None:
        self.hidden: set[str] = set()

    def answered(self, message: Message) -> list[Message]:
        if not _names_a_turn(message):
            return []
        body = {"turn": message["turn"], "outcome": "cancelled", "cursor": "1.7"}
        return [{"type": "reply", "id": message["id"], **body}]

    def heard(self, message: Message) -> list[Message]:
        if _names_a_turn(message):
            self.hidden.add(message["id"])
        return [message]

    def said(self, message: Message) -> list[Message]:
        return [] if message.get("id") in self.hidden else [message]


def _names_a_turn(message: Message) -> bool:
    named = [isinstance(message.get(name), str) for name in ("id", "turn")]
    return message.get("type") == "cancel" and all(named)


class ForgetsKeys(Lie):
    """A submit sent again under its key makes another turn."""

    def heard(self, message: Message) -> list[Message]:
        if message.get("type") == "submit" and isinstance(message.get("key"), str):
            message.pop("key")
        return [message]


class CancelHitsTheNext(Lie):
    """A cancel ends whatever is running when it comes."""

    def heard(self, message: Message) -> list[Message]:
        if message.get("type") == "cancel" and isinstance(message.get("turn"), str):
            message.pop("turn")
        return [message]


class InterruptWaits(Lie):
    """A submit that is to interrupt waits in line instead."""

    def heard(self, message: Message) -> list[Message]:
        if message.get("type") == "submit" and message.get("on_busy") == "interrupt":
            message["on_busy"] = "queue"
        return [message]


class CancelOvertaken(Lie):
    """A cancel without a turn is decided behind the command that follows it."""

    def __init__(self) -> None:
        self.kept: list[Message] = []

    def heard(self, message: Message) -> list[Message]:
        if message.get("type") == "cancel" and "turn" not in message:
            self.kept.append(message)
            return []
        kept, self.kept = self.kept, []
        return [message, *kept]


class DeleteOnlyEnds(Lie):
    """A deleted thread shows its old items under its old epoch."""

    def heard(self, message: Message) -> list[Message]:
        if message.get("type") == "delete":
            message["type"] = "end"
        return [message]


class EndDeletes(Lie):
    """The end of a thread takes its history with it."""

    def heard(self, message: Message) -> list[Message]:
        if message.get("type") == "end":
            message["type"] = "delete"
        return [message]


class TruncateForgotten(Lie):
    """A truncation is answered, and not done."""

    def answered(self, message: Message) -> list[Message]:
        if message.get("type") != "truncate" or not isinstance(message.get("id"), str):
            return []
        return [{"type": "reply", "id": message["id"], "cursor": "1.1"}]

    def heard(self, message: Message) -> list[Message]:
        return [] if message.get("type") == "truncate" else [message]


class UnknownFieldsTaken(Lie):
    """A field that does not exist is ignored instead of refused."""

    def heard(self, message: Message) -> list[Message]:
        known = FIELDS.get(message["type"]) if isinstance(message.get("type"), str) else None
        if known is None:
            return [message]
        return [{name: value for name, value in message.items() if name in {"type", *known}}]


class TextTakenForNumbers(Lie):
    """`"42"` is taken for 42."""

    def heard(self, message: Message) -> list[Message]:
        for name in ("window", "limit"):
            value = message.get(name)
            if isinstance(value, str) and value.isdigit():
                message[name] = int(value)
        return [message]


class PingsUnanswered(Lie):
    """A ping is not answered."""

    def heard(self, message: Message) -> list[Message]:
        return [] if message.get("type") == "ping" else [message]


class ErrorsTellAll(Lie):
    """An error says where in the source it was raised."""

    def said(self, message: Message) -> list[Message]:
        if message["type"] == "error":
            message["message"] += ' (File "/srv/chat/server.py", line 7, in decide)'
        return [message]


class ClosesWithAnotherCode(Lie):
    """What breaks the protocol is closed as if it were an internal error: come back."""

    def closes(self, code: int) -> int:
        return 4005 if code == 4502 else code

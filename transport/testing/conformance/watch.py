"""What holds whatever is being checked: no gap, no cursor that goes back, one ending a turn.

Every connection of the runner is watched, so a server that breaks one of these rules is found out
by whichever check makes it do so, and the report names the rule.
"""

from __future__ import annotations

import re
from typing import Final

from attrs import define, field

from .check import Violation
from .stream import Message, is_ending, last_of, split_cursor

# What would tell a client about a server's insides, in whatever language it is written.
_INSIDES: Final = re.compile(
    r'Traceback|File "|\.(py|js|ts|go|rs|rb|java)\b(:\d+)?|goroutine \d|panicked at'
    r"|/(srv|tmp|home|usr|var|opt|etc)/|[A-Z]:\\|site-packages|node_modules|\.db\b"
    r"|sqlite|SELECT |INSERT |UPDATE |DELETE FROM",
    re.IGNORECASE,
)


def leak(text: str) -> str | None:
    """Return what in a text tells of a server's insides."""
    found = _INSIDES.search(text)
    return found.group() if found else None


@define
class _Place:
    """Where a thread's stream stands.

    Attributes:
        cursor: the last one that the stream gave.
        ended: the turns whose terminal event came on this connection.
    """

    cursor: str
    ended: set[str] = field(factory=set)


@define
class Watch:
    """Watches one connection.

    Attributes:
        found: what no server may do, in the order in which it did.
    """

    found: list[Violation] = field(factory=list)
    _attaching: dict[str, tuple[str, str | None]] = field(factory=dict)
    _places: dict[str, _Place] = field(factory=dict)

    def sent(self, message: Message) -> None:
        """Take note of what the client said."""
        if message.get("type") == "attach":
            label, thread = message.get("id"), message.get("thread")
            if isinstance(label, str) and isinstance(thread, str):
                self._attaching[label] = (thread, message.get("cursor"))

    def take(self, message: Message) -> None:
        """Look at what the server said."""
        try:
            self._look(message)
        except Violation as violation:
            self.found.append(violation)
        except (KeyError, TypeError, AttributeError) as exc:
            self.found.append(Violation(f"a message that is whole ({exc!r})", message, "messages"))

    def _look(self, message: Message) -> None:
        match message["type"]:
            case "error":
                self._be_discreet(message, message["message"])
            case "attached":
                self._attached(message)
            case "snapshot":
                place = self._place(message)
                place.cursor = self._forward(place, message["cursor"])
                place.ended.clear()
            case "events":
                self._events(message)
            case "caught_up":
                self._not_behind(self._place(message), message["cursor"])
            case "detached":
                place = self._place(message)
                self._forward(place, message["cursor"])
                del self._places[message["thread"]]

    def _be_discreet(self, message: Message, text: str) -> None:
        if found := leak(text):
            raise Violation(f"an error that says nothing like {found!r}", message, "14")

    def _attached(self, message: Message) -> None:
        thread, asked = self._attaching.pop(message["id"])
        if message["mode"] == "resume" and message["cursor"] != asked:
            raise Violation(f"attached at the client's own cursor, {asked}", message, "2")
        split_cursor(message["cursor"])
        self._places[thread] = _Place(message["cursor"])

    def _place(self, message: Message) -> _Place:
        place = self._places.get(message["thread"])
        if place is None:
            raise Violation("nothing of a thread that is not attached", message, "13")
        return place

    def _forward(self, place: _Place, cursor: str) -> str:
        """Return the cursor, unless it moves back."""
        old, new = split_cursor(place.cursor), split_cursor(cursor)
        if old[0] == new[0] and new[1] < old[1]:
            raise Violation(f"a cursor not before {place.cursor}", cursor, "2")
        return cursor

    def _not_behind(self, place: _Place, cursor: str) -> None:
        if split_cursor(cursor)[1] > split_cursor(place.cursor)[1]:
            expected = f"caught_up at what was delivered, {place.cursor}, or before"
            raise Violation(expected, cursor, "3")

    def _events(self, message: Message) -> None:
        place = self._place(message)
        epoch, at = split_cursor(place.cursor)
        place.cursor = message["cursor"]
        for event in message["events"]:
            if event["offset"] != at + 1 or last_of(event) < event["offset"]:
                raise Violation(f"an event at offset {at + 1}", event, "1")
            at = last_of(event)
            self._end_once(place, event)
        if split_cursor(message["cursor"]) != (epoch, at):
            raise Violation(f"the cursor {epoch}.{at} behind these events", message, "2")

    def _end_once(self, place: _Place, event: Message) -> None:
        if is_ending(event):
            if event["turn"] in place.ended:
                raise Violation("one terminal event of a turn", event, "9")
            place.ended.add(event["turn"])
        if event["type"] == "turn.failed":
            self._be_discreet(event, f"{event.get('error')} {event.get('message')}")

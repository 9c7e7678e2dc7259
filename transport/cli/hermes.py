"""Session files of Hermes WebUI, read as threads: `holdfast import --format hermes`.

A session is one JSON object with its `messages`, in the shape of a model's interface. Each message
of the user begins a turn; what follows is that turn's. Nothing that can be read is lost: what is no
part of a conversation here (system messages, the session's own fields, messages of an unknown
shape) comes in as records. A time that cannot be read is that of what stands before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

import orjson
from attrs import define, evolve, field

from actors.core.arguments import shown
from actors.core.events import Recorded, ThreadCreated, TurnEnded, TurnSubmitted
from actors.core.items import Item, is_content, item_id
from actors.core.telling import Told, place_events, tell_turn
from actors.core.thread_id import is_thread_id
from actors.core.turn_lifecycle import TurnState
from actors.handles import LOCAL
from actors.limits import DEFAULT_LIMITS, Limits
from actors.transfer import Restoration

from .hermes_json import read_json
from .thread_lines import Complete, Refused

# Fields of a session that its messages tell, or that said what was going on when it was written.
_TOLD: Final = frozenset(
    {"session_id", "messages", "active_stream_id", "pending_user_message"}
    | {"pending_attachments", "pending_started_at", "pending_user_source"}
)
# Fields of a message that its items tell; the others go into the turn's metadata.
_IN_ITEMS: Final = frozenset(
    {"role", "content", "timestamp", "_ts", "attachments", "tool_calls", "tool_call_id", "name"}
    | {"reasoning", "reasoning_content", "_error", "type"}
)
_YEAR_10000: Final = 253_402_300_800
_ENDINGS: Final = {
    "cancelled": TurnState.CANCELLED,
    "interrupted": TurnState.INTERRUPTED,
}


def read_session(
    data: bytes, name: str, written: float, limits: Limits = DEFAULT_LIMITS
) -> Complete | Refused:
    """Read one session file.

    Args:
        data: what is in it.
        name: of the file, for what is said of it.
        written: when the file was, Unix seconds: the time of a session that says none.
        limits: as `Restoration`.

    Returns:
        The thread, with a line in `unread` for each message that had to be kept as it is, and for
        what had to be changed; or why the file cannot be imported.
    """
    try:
        session, changed = read_json(data)
    except orjson.JSONDecodeError as exc:
        return Refused(exc.lineno, None, f"{name} is no JSON: {exc.msg}")
    if not isinstance(session, dict) or not isinstance(session.get("messages"), list):
        return Refused(1, None, f"{name} is no session: expected an object with `messages`")
    thread = session.get("session_id")
    if not isinstance(thread, str) or not is_thread_id(thread):
        return Refused(1, None, f"{name}: the session_id {shown(thread)} is no thread id")
    return _restored(_Session(session, thread, name, written, changed), limits)


def _restored(session: _Session, limits: Limits) -> Complete | Refused:
    restoration = Restoration(limits)
    try:
        for entry in place_events(session.told(limits), 1):
            restoration.add(entry)
    except ValueError as exc:
        return Refused(1, session.thread, f"{session.name}: {exc}")
    except RecursionError:
        return Refused(1, session.thread, f"{session.name} is nested too deep")
    return Complete(1, session.thread, restoration, tuple(session.unread))


@define
class _Turn:
    """A message of the user and what followed it, as items."""

    turn: str
    items: list[Item] = field(factory=list)
    calls: dict[str, str] = field(factory=dict)
    fields: list[Mapping[str, Any]] = field(factory=list)
    error: Mapping[str, Any] | None = None
    open: bool = False

    def add(self, kind: str, at: float, **body: Any) -> str:
        item = item_id(self.turn, len(self.items))
        self.items.append(Item(item, kind, at, self.turn, body))
        return item

    def keep_fields(self, message: Mapping[str, Any]) -> None:
        """Keep what a message has beside what its items tell."""
        rest = {name: value for name, value in message.items() if name not in _IN_ITEMS}
        if rest:
            self.fields.append(rest)

    def told(self, limits: Limits) -> Iterator[Told]:
        """Yield its events; one that was running when it was written has no ending."""
        at = self.items[-1].at
        for event, when in tell_turn(self.items, limits, started=True):
            if isinstance(event, TurnSubmitted) and self.fields:
                event = evolve(event, metadata={"hermes": self.fields})
            yield event, when
        if not self.open:
            yield self._ended(), at

    def _ended(self) -> TurnEnded:
        answered = any(item.kind == "answer" for item in self.items)
        if self.error is None and answered:
            return TurnEnded(self.turn, TurnState.COMPLETED)
        marker = item_id(self.turn, len(self.items))
        if self.error is None:
            return TurnEnded(self.turn, TurnState.INTERRUPTED, marker, reason="import")
        state = _ENDINGS.get(str(self.error.get("type")), TurnState.FAILED)
        reason = "import" if state is not TurnState.FAILED else None
        said = _text(self.error.get("content")) or None
        error = "hermes" if state is TurnState.FAILED else None
        return TurnEnded(self.turn, state, marker, reason=reason, error=error, message=said)


class _Session:
    """One session, told message by message.

    Args:
        raw: the file's object.
        thread, name, written: its id, and the file's name and time.
        changed: what reading the file changed, in a sentence each.

    Attributes:
        unread: what was kept as it is or changed, in a sentence each.
    """

    def __init__(
        self,
        raw: Mapping[str, Any],
        thread: str,
        name: str,
        written: float,
        changed: list[str],
    ) -> None:
        self.thread = thread
        self.name = name
        self.unread = [*_missing(raw, name), *(f"{name}: {each}" for each in changed)]
        self._raw = raw
        self._records = self._turns = 0
        self._pending = _pending_of(raw)
        self._at = self._began(written)

    def told(self, limits: Limits) -> Iterator[Told]:
        """Yield its events, oldest first."""
        yield ThreadCreated(), self._at
        about = {name: value for name, value in self._raw.items() if name not in _TOLD}
        yield self._record("hermes.session", about)
        turn: _Turn | None = None
        for number, message in enumerate(self._messages()):
            read = isinstance(message, dict)
            if read:
                said = self._read_time(_said_time(message), f"the time of message {number}")
                self._at = max(self._at, said or self._at)
            if read and message.get("role") == "user" and _says(message):
                if turn is not None:
                    yield from turn.told(limits)
                turn = self._begun(message)
            elif turn is None or not read or not self._take(turn, message):
                yield self._kept(number, message)
        if turn is not None:
            yield from turn.told(limits)

    def _began(self, written: float) -> float:
        """Return when it began: as it says, or its first message, or at the latest the file."""
        created = self._read_time(self._raw.get("created_at"), "created_at")
        if created is not None:
            return created
        said = (_said_time(each) for each in self._messages() if isinstance(each, dict))
        for each in (*said, self._raw.get("updated_at")):
            if each is not None and _is_time(each):
                return float(each)
        self.unread.append(f"{self.name} says no time that can be read; the file's own is used")
        return written

    def _read_time(self, value: Any, what: str) -> float | None:
        """Return a time; None where it is not there, or cannot be read, which is noted."""
        if _is_time(value):
            return float(value)
        if value is not None:
            why = f"{what} cannot be read ({value!r:.40})"
            self.unread.append(f"{self.name}: {why}; the nearest one that can is used")
        return None

    def _messages(self) -> Iterator[Any]:
        """Yield the messages, and behind them the one that was being answered."""
        messages = self._raw["messages"]
        yield from messages
        if self._pending is not None and not any(map(self._is_pending, messages[-2:])):
            yield self._pending

    def _is_pending(self, message: Any) -> bool:
        pending = self._pending or {}
        return isinstance(message, dict) and all(
            message.get(name) == pending.get(name) for name in ("role", "content")
        )

    def _begun(self, message: Mapping[str, Any]) -> _Turn:
        self._turns += 1
        turn = _Turn(f"h{self._turns}")
        body: dict[str, Any] = {"content": message["content"], "author": LOCAL}
        if isinstance(message.get("attachments"), list) and message["attachments"]:
            body["attachments"] = message["attachments"]
        turn.add("message", self._at, **body)
        turn.keep_fields(message)
        turn.open = self._is_pending(message)
        return turn

    def _take(self, turn: _Turn, message: Mapping[str, Any]) -> bool:
        """Add a model's or a tool's message to its turn; False where it cannot be read."""
        text = _text(message.get("content"))
        if text is None or message.get("role") not in ("assistant", "tool"):
            return False
        if turn.error is not None:  # more came after it, so it did not end the turn
            turn.add("hermes.error", self._at, data=dict(turn.error))
            turn.error = None
        if message.get("role") == "tool":
            call = turn.calls.get(str(message.get("tool_call_id")), "")
            turn.add("tool_result", self._at, call=call, data=text)
        elif message.get("_error"):
            turn.error = message
        else:
            self._answer(turn, message, text)
        turn.keep_fields(message)
        return True

    def _answer(self, turn: _Turn, message: Mapping[str, Any], text: str) -> None:
        reasoning = message.get("reasoning") or message.get("reasoning_content")
        if isinstance(reasoning, str):
            turn.add("reasoning", self._at, text=reasoning)
        if text:
            turn.add("answer", self._at, text=text)
        for call in _list(message.get("tool_calls")):
            name, arguments = _called(call)
            item = turn.add("tool_call", self._at, name=name, arguments=arguments)
            if isinstance(call, dict) and isinstance(call.get("id"), str):
                turn.calls[call["id"]] = item

    def _kept(self, number: int, message: Any) -> Told:
        role = message.get("role") if isinstance(message, dict) else None
        if role != "system":
            why = f"message {number} is no part of a turn (role {role!r:.40})"
            self.unread.append(f"{self.name}: {why}; kept as a record")
        return self._record("hermes.message", message)

    def _record(self, kind: str, data: Any) -> Told:
        self._records += 1
        return Recorded(item_id(f"hr{self._records}", 0), kind, data), self._at


def _missing(raw: Mapping[str, Any], name: str) -> Iterator[str]:
    """Say so where a stub was saved over a session: it counts messages that it does not hold."""
    count, held = raw.get("message_count"), len(raw["messages"])
    if isinstance(count, int) and count > held:
        yield f"{name} counts {count} messages and holds {held}: the others are not in it"


def _pending_of(raw: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the message that was being answered when the file was written."""
    text = raw.get("pending_user_message")
    if not isinstance(text, str) or not text:
        return None
    at, attached = raw.get("pending_started_at"), raw.get("pending_attachments")
    return {"role": "user", "content": text, "timestamp": at, "attachments": attached}


def _says(message: Mapping[str, Any]) -> bool:
    return is_content(message.get("content"))


def _text(content: Any) -> str | None:
    """Return what a message says as text; None where it is no content at all."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not is_content(content):
        return None
    return "".join(str(part.get("text", "")) for part in content)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _called(call: Any) -> tuple[str, Any]:
    """Return a tool call's name and arguments, parsed where they are JSON."""
    function = call.get("function", call) if isinstance(call, dict) else {}
    function = function if isinstance(function, dict) else {}
    arguments = function.get("arguments", {})
    if isinstance(arguments, str):
        with suppress(orjson.JSONDecodeError):
            arguments = orjson.loads(arguments)
    return str(function.get("name", "")), arguments


def _said_time(message: Mapping[str, Any]) -> Any:
    stamp = message.get("timestamp")
    return message.get("_ts") if stamp is None else stamp


def _is_time(value: Any) -> bool:
    """Say whether it is Unix seconds: none of those is 0 or NaN, or in milliseconds."""
    return type(value) in (int, float) and 0 < value < _YEAR_10000

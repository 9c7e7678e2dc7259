"""The turn as its handler holds it: what was asked, and the way to answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson
import trio

from ..core.arguments import shown
from ..core.events import Recorded, TurnItem
from ..core.items import RESERVED_KINDS, Content, Item, check_tool_item, item_id
from ..core.json_values import copied, taken_over
from ..core.projections import context
from ..core.record_kinds import RecordKinds, checked_fact
from ..errors import Rejected

if TYPE_CHECKING:
    from ..delivery.folding import Folding
    from ..limits import Limits
    from ..runtime import Runtime
    from .pieces import PieceBuffer


class Turn:
    """One exchange, handed to the handler that answers it.

    Every method that says something raises `TurnOver` once the turn has ended, however it did, and
    delivers a pending cancellation first, every time (I7).

    Attributes:
        runtime: where it runs, and so the way to other threads.
        thread: the thread's id.
        id: the turn's own id.
        attempt: 1, or more where a crash cut an earlier attempt short and the kind retries.
        metadata: what the client sent along, untouched; empty where it sent nothing.
    """

    def __init__(
        self,
        *,
        runtime: Runtime,
        thread: str,
        id: str,
        attempt: int,
        history: Sequence[Item],
        message: Item,
        metadata: Mapping[str, Any] | None,
        numbered: int,
        buffer: PieceBuffer,
        announce: Callable[[], None],
        limits: Limits,
        records: RecordKinds | None,
        folding: Folding,
    ) -> None:
        self.runtime = runtime
        self.thread = thread
        self.id = id
        self.attempt = attempt
        self.metadata = metadata or {}
        self._message = message
        self._history = history
        self._numbered = self._first = numbered
        self._text: tuple[str | None, str] | None = None  # channel and id of the text in progress
        self._buffer = buffer
        self._announce = announce
        self._limits = limits
        self._records = records
        self._folding = folding
        self._recorded = 0
        self._output = 0
        self._burst = 0
        self._burst_began = 0.0

    @property
    def content(self) -> Content:
        """What was said: text, or a list of parts, which is the caller's own."""
        content: Content = copied(self._message.body["content"])
        return content

    @property
    def text(self) -> str:
        """The plain text of `content`: its text parts, joined by newlines."""
        if isinstance(self.content, str):
            return self.content
        parts = (part.get("text", "") for part in self.content if part.get("type") == "text")
        return "\n".join(map(str, parts))

    def messages(self) -> list[dict[str, Any]]:
        """Return the conversation for a model: the turns that ended before, and this message.

        Returns:
            Fresh objects with `role` and `content`, oldest first; see `core.projections.context`.
            At most `ThreadKind.context_items` items of history, and `limits.context_items`.
        """
        return context(self._history, self._message)

    def projection(self, name: str) -> Any:
        """Return what a projection of `ThreadKind.projections` comes to: all durable records.

        Returns:
            A copy, which is the caller's own.

        Raises:
            ValueError: where there is none of that name.
        """
        return self._folding.folded.copy_of(name)

    async def write(self, text: str) -> None:
        """Add a piece to the answer.

        Args:
            text: at most `limits.piece_bytes` in UTF-8; an empty one adds nothing.

        Raises:
            TurnOver: where the turn has ended.
            Rejected: `too_large`, for a larger piece, or where the turn says more than it may.
            TypeError: for anything but text.
            UnicodeEncodeError: for text with a lone surrogate, which no peer could read.

        Returns once the piece is in the turn's buffer; waits only while that is full. A cancelled
        call added nothing.
        """
        await self._say(text, None)

    async def think(self, text: str) -> None:
        """Add a piece of reasoning: people may see it, a later model context never has it.

        Arguments as of `write`, which says what it raises and what cancellation does.
        """
        await self._say(text, "reasoning")

    async def tool_call(self, name: str, arguments: Any) -> str:
        """Note a tool call, and return its id once it is durable: call the tool after that.

        Args:
            name: the tool's name.
            arguments: anything with a JSON form.

        Raises as `item`. A cancelled call may have noted it.
        """
        return await self.item("tool_call", {"name": name, "arguments": arguments})

    async def tool_result(self, call: str, data: Any) -> str:
        """Note what a tool returned; `call` is what `tool_call` returned.

        Raises as `item`. A cancelled call may have noted it.
        """
        return await self.item("tool_result", {"call": call, "data": data})

    async def item(self, kind: str, data: Any) -> str:
        """Add a whole item, and return its id once it is durable.

        Args:
            kind: `tool_call`, `tool_result`, or the application's own word.
            data: anything with a JSON form, of at most `limits.item_bytes` together with the kind.

        Raises:
            TurnOver: where the turn has ended.
            Rejected: `too_large`, or `bad_request` where `data` has no JSON form, or is not what a
                tool's call or result has.
            ValueError: for a kind that the runtime keeps to itself.

        A cancelled call may have added it.
        """
        if not isinstance(kind, str) or not kind:
            raise Rejected("bad_request", f"an item's kind is a word, not {shown(kind)}")
        if kind in RESERVED_KINDS:
            raise ValueError(f"{kind!r} items are made by the runtime, not by a handler")
        limits = self._limits
        kind, data = taken_over([kind, data], "the item", limits.item_bytes, limits.json_depth)
        try:
            check_tool_item(kind, data)
        except ValueError as exc:
            raise Rejected("bad_request", str(exc)) from exc
        size = len(orjson.dumps(data))
        self._buffer.spoke_at = await self._ready(size)
        self._text = None
        item = self._next_item()
        self._buffer.add_item(TurnItem(self.id, item, kind, data), size)
        self._announce()
        await self._buffer.flushed()
        return item

    async def record(self, kind: str, data: Any) -> str:
        """Put the application's own fact into the history, and return its item once it is durable.

        It belongs to the thread and not to the turn: it stays where the turn is rolled back, run
        again or truncated, and no model context has it.

        Args:
            kind: the application's own word, one of `ThreadKind.records` where that names any.
            data: anything with a JSON form, of at most `limits.item_bytes` together with the kind.

        Raises:
            TurnOver: where the turn has ended (I7).
            Rejected: `too_large`, or `bad_request` for what the thread does not take.

        A cancelled call may have recorded it.
        """
        kind, data = checked_fact(self._records, kind, data, self._limits)
        size = len(orjson.dumps(data))
        self._buffer.spoke_at = await self._ready(size)
        self._recorded += 1
        # Another attempt of the turn counts anew, and what this one records stays.
        item = item_id(f"{self.id}-{self.attempt}-{self._recorded}", 0)
        self._buffer.add_item(Recorded(item, kind, data), size)
        self._announce()
        await self._buffer.flushed()
        return item

    async def flush(self) -> None:
        """Wait until everything said so far is durable.

        Raises:
            TurnOver: where the turn has ended, or ends first.

        A cancelled call changes nothing: what was said still becomes durable.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        self._buffer.check_open()
        await self._buffer.flushed()

    async def _say(self, text: str, channel: str | None) -> None:
        if not isinstance(text, str):
            raise TypeError(f"a piece is text: expected str, got {type(text).__name__}")
        size = len(text.encode())
        if size > self._limits.piece_bytes:
            raise Rejected("too_large", f"a piece has at most {self._limits.piece_bytes} bytes")
        now = await self._ready(size)
        if not text:
            return
        self._buffer.spoke_at = now
        if self._text is None or self._text[0] != channel:
            self._text = (channel, self._next_item())
        self._buffer.add_text(self._text[1], channel, text, size)
        self._announce()

    async def _ready(self, size: int) -> float:
        """Wait until so many bytes may be said, and return the time."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._buffer.closed:
            self._buffer.check_open()
        if self._output + size > self._limits.turn_output_bytes:
            raise Rejected(
                "too_large", f"a turn says at most {self._limits.turn_output_bytes} bytes"
            )
        self._output += size
        now = trio.current_time()
        if not self._buffer.pieces:  # what it said was taken, by another task: so it has waited
            self._burst, self._burst_began = 1, now
        elif self._buffer.full:
            await self._buffer.room()
            now = trio.current_time()
        else:
            now = await self._yield_now_and_then(now)
        return now

    async def _yield_now_and_then(self, now: float) -> float:
        # A checkpoint for each piece is what costs most with many viewers; none at all would let
        # a handler that never waits starve everybody else.
        self._burst += 1
        long_held = now - self._burst_began > self._limits.write_burst_seconds
        if long_held or self._burst >= self._limits.write_burst_pieces:
            await trio.lowlevel.checkpoint()
            self._burst = 0
            self._burst_began = now = trio.current_time()
        return now

    def _next_item(self) -> str:
        if self._numbered - self._first >= self._limits.turn_items:
            raise Rejected("too_large", f"a turn has at most {self._limits.turn_items} items")
        item = item_id(self.id, self._numbered)
        self._numbered += 1
        return item

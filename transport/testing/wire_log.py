"""What goes over the simulated wire, noted as calls, answers and batches: what a raw client sees.

The notes are those of the embedded simulation, so the same checkers read them. A client library's
retry is a call of its own here, under the same key.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import orjson
from attrs import define, field

from actors.core.commands import OnBusy
from actors.core.effects import ForkReceipt, Submitted
from actors.core.position import parse_cursor
from actors.core.resume import Mode
from actors.delivery.batches import Detached
from actors.testing import operations as do
from actors.testing.along import Along, along_of
from actors.testing.facts import (
    Answered,
    Attached,
    Called,
    Left,
    Lost,
    Refused,
    Saw,
)
from actors.testing.recorder import Recorder
from actors.testing.wire_facts import Connected, Delivered, Disconnected, Sent, Strayed

from ..link import LinkClosed
from ..remote_batches import as_batch
from ..wire import server_messages as wire
from ..wire.client_codec import decode_server
from .frames import Frames
from .wire_answers import answer_of

if TYPE_CHECKING:
    from actors.testing.facts import Answer, Fact
    from actors.testing.process import Process
    from actors.testing.wire_facts import WireFact

    from ..link import Link
    from .simulated_link import SimulatedLink


@define(eq=False)
class WireLog:
    """What is known of a run beyond its single connections.

    Attributes:
        cursors: what each (client, thread) was given, oldest first.
        turns: those of a thread that somebody was told of.
    """

    recorder: Recorder
    cursors: defaultdict[tuple[int, str], list[str]] = field(factory=lambda: defaultdict(list))
    turns: defaultdict[str, list[str]] = field(factory=lambda: defaultdict(list))
    _uncertain: dict[int, float | None] = field(factory=dict)
    # Connections where nothing arrives any more, though no side knows it.
    _unheard: list[WatchedLink] = field(factory=list)

    def doubt(self, call: int) -> None:
        """Note that a call has lost its connection; it may still be carried out."""
        self._uncertain[call] = None

    def settle(self, now: float, grace: float) -> None:
        """Note calls that lost their connections as lost, once what they do has been done.

        Args:
            now: when everything is quiet.
            grace: seconds that a turn has to stop in, which is all that the calls wait for then.
        """
        for call, since in list(self._uncertain.items()):
            if since is None:
                self._uncertain[call] = now
            elif now > since + grace:
                self._lose(call)

    def settle_all(self) -> None:
        """Note all that lost their connections as lost: the server they went to is gone."""
        for link in self._unheard:
            link.doubt()
        for call in list(self._uncertain):
            self._lose(call)

    def vanish(self, link: WatchedLink) -> None:
        """Note that a connection broke, and that its client is not told."""
        self._unheard.append(link)

    def answer(self, called: Called, body: Any) -> Answer:
        """Return what a reply's body says to a call; the turns that it tells of are known then.

        Raises:
            KeyError, TypeError, ValueError: where it is an answer to another command, or none.
        """
        answer = answer_of(called.operation, body)
        match answer, called.operation:
            case Submitted(turn=turn, duplicate=False), _:
                self.turns[called.thread].append(turn)
            case ForkReceipt(), do.Fork(to=to):
                self.turns[to] += self.turns[called.thread]
            case _:
                pass
        return answer

    def operation(self, raw: dict[str, Any]) -> tuple[do.Operation | None, str | None]:
        """Return what a message asks for, and which turn, item or cursor it names."""
        match raw["type"]:
            case "submit":
                on_busy = OnBusy(raw.get("on_busy") or OnBusy.REJECT)
                along = along_of(raw) or Along.NOTHING
                after = raw.get("after")
                first = do.Truncate(clear=after is None) if "after" in raw else None
                submit = do.Submit(raw["content"], raw.get("key"), on_busy, True, along, first)
                return submit, after
            case "cancel":
                turn = raw.get("turn")
                target = do.Target.RUNNING if turn is None else do.Target.NEWEST
                return do.Cancel(target, raw.get("mode") == "rollback"), turn
            case "attach":
                return do.Attach(self._cursor(raw)), raw.get("cursor")
            case "detach":
                return do.Detach(), None
            case "record":
                return do.Record(raw["data"], raw.get("key"), raw["kind"]), None
            case "fork":
                return do.Fork(raw["to"], key=raw.get("key")), raw["after"]
            case "history":
                before = raw.get("before")
                return do.ReadPage(raw.get("limit"), before is not None), before
            case "threads":
                return do.ListThreads(), None
            case "truncate":
                return do.Truncate(clear=raw["after"] is None), raw["after"]
            case "end":
                return do.End(), None
            case "delete":
                return do.Delete(), None
        return None, None

    def _cursor(self, raw: dict[str, Any]) -> do.Cursor:
        cursor, thread = raw.get("cursor"), raw["thread"]
        if cursor is None:
            return do.Cursor.NONE
        given = (held for (_, of), held in self.cursors.items() if of == thread)
        return do.Cursor.HELD if any(cursor in held for held in given) else do.Cursor.FOREIGN

    def _lose(self, call: int) -> None:
        del self._uncertain[call]
        if call in self.recorder.open_calls:
            self.recorder.note(self.recorder.open_calls[call][0], Lost(call))


class WatchedLink:
    """A client's end of a connection; notes what goes out and what comes in.

    Args:
        link: the end.
        number: of the connection.
        client, principal: whose it is.
        process: the life of the server that is at the other end.
        log: where it is noted.
    """

    def __init__(
        self, link: Link, number: int, client: int, principal: str, process: Process, log: WireLog
    ) -> None:
        self._link = link
        self._number = number
        self._client = client
        self._process = process
        self._log = log
        self._calls: dict[str, Called] = {}
        self._attached: dict[str, int] = {}
        self._announced: dict[str, wire.Attached] = {}
        self._at: dict[str, str] = {}
        self._over = False
        self._frames = Frames()
        self._note(Connected(number, client, principal))

    @property
    def peer(self) -> str:
        """See `Link.peer`."""
        return self._link.peer

    async def receive(self) -> str | bytes:
        """See `Link.receive`."""
        try:
            message = await self._link.receive()
        except LinkClosed as closed:
            self._end(closed.code)
            raise
        assert isinstance(message, str)  # a server of this version sends no bytes
        for rule, what in self._frames.take(orjson.loads(message)):
            self._note(Strayed(self._number, rule, what))
        self._received(message)
        return message

    async def send_text(self, text: bytes | str) -> None:
        """See `Link.send_text`."""
        if not self._over:
            raw = orjson.loads(text)
            self._frames.sent(raw)
            self._sent(raw)
        await self._link.send_text(text)

    async def send_binary(self, data: bytes) -> None:
        """See `Link.send_binary`."""
        await self._link.send_binary(data)

    async def ping(self) -> None:
        """See `Link.ping`."""
        await self._link.ping()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """See `Link.aclose`."""
        await self._link.aclose(code, reason)
        self._end(code)

    def abort(self) -> None:
        """See `Link.abort`."""
        self._link.abort()
        self._end(1006)

    def doubt(self) -> None:
        """Note that what is unanswered has lost its connection."""
        for called in self._calls.values():
            self._log.doubt(called.call)

    def _note(self, fact: Fact | WireFact) -> None:
        self._process.note(fact)

    def _end(self, code: int) -> None:
        if self._over:
            return
        self._over = True
        self._note(Disconnected(self._number, code))
        for call in self._attached.values():
            self._note(Left(call))
        self.doubt()

    # What goes out

    def _sent(self, raw: dict[str, Any]) -> None:
        operation, argument = self._log.operation(raw)
        if operation is None:
            return
        call = self._log.recorder.next_call()
        called = Called(call, self._client, raw.get("thread", ""), operation, argument)
        self._calls[raw["id"]] = called
        self._note(called)
        self._note(Sent(self._number, call))

    # What comes in

    def _received(self, text: str) -> None:
        match decode_server(text):
            case wire.Reply(id=label, body=body):
                self._answer(label, body)
            case wire.ErrorMessage(id=str(label), code=code, details=details):
                called = self._calls.pop(label, None)
                if called is not None:
                    self._note(Answered(called.call, Refused(code, details.get("turn"))))
            case wire.Attached() as attached:
                self._begin(attached)
            case wire.Presence() as message:
                self._present(message)
            case wire.Snapshot() | wire.Events() | wire.CaughtUp() | wire.Detached() as message:
                self._stream(message)
            case _:
                pass

    def _answer(self, label: str, body: Any) -> None:
        called = self._calls.pop(label, None)
        if called is not None:
            try:
                answer = self._log.answer(called, body)
            except (KeyError, TypeError, ValueError):  # it answers another command, or none
                what = f"{body} answers call {called.call}, {called.operation}"
                self._note(Strayed(self._number, "6", what))
                return
            self._note(Answered(called.call, answer))

    def _begin(self, message: wire.Attached) -> None:
        called = self._calls.pop(message.id, None)
        if called is None:  # `Frames` has noted that nobody asked
            return
        self._leave(message.thread)
        position = parse_cursor(message.cursor)
        self._note(Answered(called.call, Attached(Mode(message.mode), message.reason, position)))
        self._attached[message.thread] = called.call
        self._announced[message.thread] = message
        self._at[message.thread] = message.cursor

    def _stream(self, message: wire.Snapshot | wire.Events | wire.CaughtUp | wire.Detached) -> None:
        call = self._attached.get(message.thread)
        if call is None:
            what = f"{type(message).__name__} of {message.thread}, which is not attached"
            self._note(Strayed(self._number, "1", what))
            return
        announced = self._announced.get(message.thread)
        held = self._log.cursors[self._client, message.thread]
        batch = as_batch(message, announced, held[-1] if held else "")
        if isinstance(message, wire.Snapshot):
            self._announced.pop(message.thread, None)
        if isinstance(batch, Detached) and batch.reason == "requested":
            self._leave(message.thread)
            return
        self._note(Saw(call, batch))
        self._at[message.thread] = message.cursor
        held.append(batch.cursor)
        if isinstance(batch, Detached):
            self._leave(message.thread)

    def _present(self, message: wire.Presence) -> None:
        call, at = self._attached.get(message.thread), self._at.get(message.thread, "")
        if call is not None:
            self._note(Saw(call, as_batch(message, None, at)))

    def _leave(self, thread: str) -> None:
        call = self._attached.pop(thread, None)
        if call is not None:
            self._note(Left(call))


# What tells a connection of a thread: `detached` also says that it may see it no more.
_SHOWS: Final = frozenset({"attached", "events", "snapshot", "caught_up", "presence"})
_ANSWERS: Final = frozenset({"reply", "error"})


class DeliveringLink:
    """A server's end of a connection; notes what of a thread is put on it, when it is."""

    def __init__(self, link: SimulatedLink, number: int, process: Process) -> None:
        self._link = link
        self._number = number
        self._process = process
        self._asked: dict[str, str] = {}  # by the command's id: what a page is asked of
        self.peer = link.peer
        self.send_binary = link.send_binary
        self.ping = link.ping
        self.aclose = link.aclose
        self.abort = link.abort
        self.flush = link.flush

    async def receive(self) -> str | bytes:
        """See `Link.receive`."""
        message = await self._link.receive()
        self._took(message)
        return message

    def hear(self, listener: Callable[[str], bool]) -> None:
        """See `HearsNow`."""

        def heard(message: str) -> bool:
            self._took(message)
            return listener(message)

        self._link.hear(heard)

    async def send_text(self, text: bytes | str) -> None:
        """See `Link.send_text`."""
        self._note(text)
        await self._link.send_text(text)

    def send_text_now(self, text: bytes) -> bool:
        """See `SendsNow`."""
        self._note(text)
        return self._link.send_text_now(text)

    def _note(self, text: bytes | str) -> None:
        raw = orjson.loads(text if isinstance(text, str) else bytes(text))
        thread = raw.get("thread") if raw["type"] in _SHOWS else None
        if raw["type"] in _ANSWERS:
            thread = self._asked.pop(raw.get("id"), None)
        if thread is not None and raw["type"] != "error":
            self._process.note(Delivered(self._number, thread, raw["type"]))

    def _took(self, message: str | bytes) -> None:
        """Note of which thread a page is asked for."""
        if isinstance(message, str) and '"history"' in message:
            raw = orjson.loads(message)
            if raw["type"] == "history":
                self._asked[raw["id"]] = raw["thread"]

"""One connection: what the client says goes to the threads, what they say goes to the client.

The connection owns cursors and nothing else. When it goes, no thread notices (I5).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import trio

from actors import (
    Cancelled,
    JournalError,
    Life,
    RecordReceipt,
    Rejected,
    Runtime,
    Submitted,
    Summary,
    Truncated,
    Truncation,
)
from actors.core import commands
from actors.core.effects import Closed, Result
from actors.core.record_kinds import checked_record
from actors.handles import LOCAL

from .heartbeat import heartbeat
from .link import Link, LinkClosed
from .outgoing import Outgoing, as_rejected
from .wire import client_messages as client
from .wire import replies
from .wire import server_messages as wire
from .wire.close_codes import CloseCode
from .wire.protocol import Close, Output, Received, Send, ServerProtocol
from .wire.shapes import Absent

if TYPE_CHECKING:
    from actors.limits import Limits


# What is answered by a thread's actor.
Commands: TypeAlias = (
    client.Submit | client.Record | client.Cancel | client.Truncate | client.End | client.Delete
)


class Session:
    """Serves one link.

    Args:
        link: the connection.
        runtime: where the threads are.
        instance: names this run of the server.
    """

    def __init__(self, link: Link, runtime: Runtime, instance: str) -> None:
        self.link = link
        self.runtime = runtime
        registry = runtime.registry
        self._limits: Limits = runtime.limits
        self._principal = LOCAL
        self._protocol = ServerProtocol(instance, self._limits)
        self._outgoing = Outgoing(
            self.link, registry.subscribe, self._protocol.detached, self._limits
        )
        self._unanswered = 0
        self._answered = trio.lowlevel.ParkingLot()
        self._cast_refused_at = float("-inf")

    async def run(self) -> None:
        """Serve until the peer leaves, or has to go.

        Raises:
            LinkClosed: the link ended.

        Cancellation leaves every thread; the turns that the connection started go on (I5).
        """
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._outgoing.run)
                nursery.start_soon(self._watch_heartbeat)
                nursery.start_soon(self._show_life)
                await self._obey(self._protocol.authenticated(self._principal))
                await self._receive()
        finally:
            self._protocol.connection_lost()
            self._outgoing.close()

    def goaway(self, retry_after_seconds: float) -> None:
        """Tell the client that the server is about to stop."""
        self._outgoing.say(wire.Goaway(retry_after_seconds))

    async def leave(self) -> None:
        """Send what there is to send, for a moment, and close as draining."""
        await self._say_goodbye(CloseCode.DRAINING)

    async def _receive(self) -> None:
        while True:
            await self._room()
            message = await self.link.receive()
            if isinstance(message, str):
                await self._obey(self._protocol.receive_text(message))
            else:
                await self._obey(self._protocol.receive_bytes(message))

    async def _room(self) -> None:
        await self._outgoing.room()
        while self._unanswered >= self._limits.unanswered_commands:
            await self._answered.park()

    async def _watch_heartbeat(self) -> None:
        await heartbeat(self.link, self._limits)
        await self._close(CloseCode.NO_PONG)

    async def _show_life(self) -> None:
        # A page never sees the socket's own pings, and has to notice a dead server as well.
        while True:
            await trio.sleep(self._limits.heartbeat_seconds)
            self._outgoing.say(client.Ping())

    async def _obey(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Send(message=message):
                    self._outgoing.say(message)
                case Received(message=message):
                    await self._heed(message)
                case Close(code=code):
                    await self._close(code)

    async def _close(self, code: CloseCode) -> None:
        await self._say_goodbye(code)
        raise LinkClosed(code, code.reason)

    async def _say_goodbye(self, code: CloseCode) -> None:
        with trio.move_on_after(self._limits.close_seconds):
            await self._outgoing.idle()
        await self.link.aclose(code, code.reason)

    # Commands

    async def _heed(self, message: client.ClientMessage) -> None:
        match message:
            case client.Hello():
                await self._obey(self._protocol.authenticated(self._principal))
            case client.Attach() | client.Detach():
                self._outgoing.do(message)
            case client.History():
                self._read(message.id, self._history, message)
            case client.Threads():
                self._read(message.id, self._threads, message)
            case client.Cast():
                self._refuse_cast()
            case client.Fork():
                self._refuse(message.id, _unsupported("fork"))
            case client.Submit() | client.Record() | client.Cancel() | client.Truncate():
                self._command(message.id, message.thread, message)
            case client.End() | client.Delete():
                self._command(message.id, message.thread, message)

    def _command(
        self,
        id: str,
        thread: str,
        message: Commands,
    ) -> None:
        try:
            command = self._translate(message)
        except Rejected as refusal:
            self._refuse(id, refusal)
            return
        self._unanswered += 1

        def reply(answer: Result | Rejected) -> None:
            self._unanswered -= 1
            self._answered.unpark_all()
            self._answer(id, message, answer)

        self.runtime.registry.post(thread, command, reply)

    def _translate(
        self,
        message: Commands,
    ) -> commands.Command:
        match message:
            case client.Submit():
                after = message.after
                truncate = None if isinstance(after, Absent) else Truncation(after)
                return commands.checked_submit(
                    turn=self.runtime.ids.fresh("t"),
                    principal=self._principal,
                    content=message.content,
                    key=message.key,
                    on_busy=message.on_busy,
                    metadata=message.metadata,
                    attachments=message.attachments,
                    truncate=truncate,
                    limit_bytes=self._limits.command_bytes,
                )
            case client.Record():
                return checked_record(
                    self.runtime.registry.kind(message.thread).records,
                    record=self.runtime.ids.fresh("r"),
                    principal=self._principal,
                    kind=message.kind,
                    data=message.data,
                    key=message.key,
                    limits=self._limits,
                )
            case client.Cancel(turn=turn, mode=mode):
                return commands.Cancel(turn=turn, rollback=mode == "rollback")
            case client.Truncate(after=after):
                return commands.Truncate(truncate=Truncation(after))
            case client.End():
                return commands.End()
            case client.Delete():
                return commands.Delete()

    def _answer(self, id: str, message: object, answer: Result | Rejected) -> None:
        if isinstance(answer, Rejected):
            self._refuse(id, answer)
            return
        self._outgoing.say(wire.Reply(id, _reply_body(message, answer)))

    def _refuse(self, id: str | None, refusal: Rejected) -> None:
        self._outgoing.say(
            wire.ErrorMessage(refusal.code, refusal.message, refusal.retryable, id, refusal.details)
        )

    def _refuse_cast(self) -> None:
        # No cast is answered, so a flood of them must not become a flood of errors.
        now = trio.current_time()
        if now - self._cast_refused_at >= self._limits.cast_error_seconds:
            self._cast_refused_at = now
            self._refuse(None, _unsupported("cast"))

    # Reads

    def _read(self, id: str, read: Callable[[Any], Awaitable[replies.ReplyBody]], of: Any) -> None:
        self._unanswered += 1
        self._nursery.start_soon(self._answer_read, id, read, of)

    async def _answer_read(
        self, id: str, read: Callable[[Any], Awaitable[replies.ReplyBody]], of: Any
    ) -> None:
        try:
            body = await read(of)
        except (Rejected, JournalError) as exc:
            self._refuse(id, as_rejected(exc))
        else:
            self._outgoing.say(wire.Reply(id, body))
        finally:
            self._unanswered -= 1
            self._answered.unpark_all()

    async def _history(self, message: client.History) -> replies.ReplyBody:
        thread = self.runtime.thread(message.thread, self._principal)
        page = await thread.history(message.before, message.limit)
        if page.head.life is Life.ABSENT:
            raise Rejected("thread_not_found", "there is no such thread")
        return replies.HistoryReply(page.items, page.before)

    async def _threads(self, message: client.Threads) -> replies.ReplyBody:
        page = await self.runtime.threads(message.after, message.limit)
        summaries = tuple(map(self._summary, page.summaries))
        return replies.ThreadsReply(summaries, page.after)

    def _summary(self, summary: Summary) -> replies.ThreadSummary:
        head = summary.head
        state = "running" if head.live else "queued" if head.queued else "idle"
        if self.runtime.registry.is_failed(summary.thread):
            state = "failed"
        return replies.ThreadSummary(
            thread=summary.thread,
            state=state,
            created_at=head.created_at,
            active_at=head.active_at,
            cursor=head.position.cursor(),
            items=head.items,
        )


def _reply_body(message: object, result: Result) -> replies.ReplyBody:
    match result:
        case Submitted(turn=turn, position=position, duplicate=duplicate):
            return replies.SubmitReply(turn, position.cursor(), duplicate)
        case RecordReceipt(position=position, duplicate=duplicate):
            return replies.RecordReply(position.cursor(), duplicate)
        case Cancelled(turn=turn_or_none, outcome=outcome, position=position):
            return replies.CancelReply(turn_or_none, outcome, position.cursor())
        case Truncated(position=position):
            return replies.TruncateReply(position.cursor())
        case Closed(existed=existed):
            ended = isinstance(message, client.End)
            return replies.EndReply(existed) if ended else replies.DeleteReply(existed)


def _unsupported(what: str) -> Rejected:
    return Rejected("unsupported", f"this server does not support {what} yet")

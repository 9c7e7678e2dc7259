"""One connection: what the client says goes to the threads, what they say goes to the client.

The connection owns cursors and nothing else. When it goes, no thread notices (I5).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import trio

from actors import (
    JournalError,
    Life,
    Rejected,
    Runtime,
    Subscription,
)
from actors.core.casting import checked_cast
from actors.core.refusals import no_such_thread
from actors.handles import LOCAL
from actors.incident.caller import Caller, speak_as
from actors.sleeper import Sleeper

from .auth import Auth, forbidden
from .heartbeat import Heartbeat
from .link import ABNORMAL, GOODBYES, HearsNow, Link, LinkClosed
from .outgoing import SendingHalf
from .showing import as_rejected
from .translating import Commands, reply_body, summary_of, translate
from .wire import client_messages as client
from .wire import replies
from .wire import server_messages as wire
from .wire.close_codes import CloseCode, should_reconnect
from .wire.protocol import Close, Output, Received, Send, ServerProtocol, State

if TYPE_CHECKING:
    from actors import HistoryPage, SummaryPage
    from actors.core.effects import Result
    from actors.limits import Limits

    from .courier import Courier

# Returns what may be seen, at the instant of the call, of what was read; raises what refuses it.
_Show: TypeAlias = Callable[[], replies.ReplyBody]


class Session:
    """Serves one link.

    Args:
        link: the connection.
        runtime: where the threads are.
        instance: names this run of the server.
        auth: whom connections speak for, and which threads are theirs.
        courier: sends for the connection while that waits for nothing; None where there is none.
    """

    def __init__(
        self,
        link: Link,
        runtime: Runtime,
        instance: str,
        auth: Auth | None = None,
        courier: Courier | None = None,
    ) -> None:
        self.link = link
        self._runtime = runtime
        self._gateway = runtime.gateway
        self._limits: Limits = runtime.limits
        self._auth = auth or Auth()
        self._principal = LOCAL
        # Until a hello that is due has come, and then until its credentials are over.
        self._credentials = trio.CancelScope()
        self._protocol = ServerProtocol(instance, self._limits)
        self._outgoing = SendingHalf(
            self.link, self._subscribe, self._may, self._protocol.detached, self._limits, courier
        )
        timers = self._gateway.timers
        self._heartbeat = Heartbeat(link, self._limits, timers, self._show_life, self._miss)
        self._unanswered = 0
        self._answered = Sleeper()
        self._cast_refused_at = float("-inf")
        self._broken = True

    async def run(self) -> None:
        """Serve until the peer leaves, or has to go.

        Raises:
            LinkClosed: the link ended.

        Cancellation leaves every thread; the turns that the connection started go on (I5).
        """
        self._caller = Caller()
        speak_as(self._caller)
        if isinstance(self.link, HearsNow):
            self.link.hear(self._hear)
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                self._outgoing.begin(nursery)
                self._heartbeat.begin(nursery)
                try:
                    await self._greet()
                    await self._receive()
                finally:
                    # While tasks may still be started: a nursery that is closing takes none.
                    self._heartbeat.end()
                    self._outgoing.end()
        except* LinkClosed as ended:  # a sender may have met it, before the receiver did
            self._broken = not any(map(_is_goodbye, ended.exceptions))
            raise
        finally:
            self._protocol.connection_lost()
            self._outgoing.close(broken=self._broken)

    async def _greet(self) -> None:
        if self._auth.authenticate is None:
            await self._obey(self._protocol.authenticated(self._principal))
        else:
            self._credentials.deadline = trio.current_time() + self._limits.handshake_seconds
            self._nursery.start_soon(self._watch_credentials)

    def _subscribe(self, thread: str, on_ready: Callable[[Subscription], None]) -> Subscription:
        return self._gateway.subscribe(thread, self._principal, on_ready)

    def goaway(self, retry_after_seconds: float) -> None:
        """Tell the client that the server is about to stop."""
        self._outgoing.say(wire.Goaway(retry_after_seconds))

    async def leave(self) -> None:
        """Send what there is to send, for a moment, and close as draining.

        Cancellation cuts the connection.
        """
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
            await self._answered.sleep()

    def _hear(self, text: str) -> bool:
        """Take what a thread is asked, where it is read; see `HearsNow`."""
        if self._unanswered + 1 >= self._limits.unanswered_commands or self._outgoing.full:
            return False
        message = self._protocol.take_text(text)
        if message is None:
            return False
        speak_as(self._caller)  # in the reader's task, which is the connection's own
        try:
            self._heed_command(message)
        except Exception as exc:  # the application's own code, or a bug: it ends the session
            self._nursery.start_soon(_raise, exc)
        return True

    async def _miss(self) -> None:
        await self._close(CloseCode.NO_PONG)

    def _show_life(self) -> None:
        # A page never sees the socket's own pings, and has to notice a dead server as well.
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

    # Whose connection it is

    async def _authenticate(self, token: str | None) -> list[Output]:
        authenticate = self._auth.authenticate
        if authenticate is None:
            return self._protocol.authenticated(self._principal)
        identity = await authenticate(token) if token is not None else None
        if identity is None:
            return self._protocol.refused()
        outputs = self._protocol.authenticated(identity.principal)
        if self._protocol.state is State.OPEN:
            self._principal = identity.principal
            self._credentials.deadline = trio.current_time() + identity.expires_in
        return outputs

    async def _watch_credentials(self) -> None:
        with self._credentials:
            await trio.sleep_forever()
        # Who is late with its hello may come back as well: perhaps the network was slow.
        await self._obey(self._protocol.close(CloseCode.CREDENTIALS_EXPIRED))

    def _check(self, thread: str) -> None:
        if not self._may(thread):
            raise forbidden()

    def _may(self, thread: str) -> bool:
        """Say whether the connection may see and change a thread at this instant (I19)."""
        # Asked for each frame; who needs no credentials does not outlast them.
        good = self._auth.authenticate is None or trio.current_time() < self._credentials.deadline
        return good and self._auth.authorise(self._principal, thread)

    # Commands

    async def _heed(self, message: client.ClientMessage) -> None:
        if isinstance(message, client.Hello):
            await self._obey(await self._authenticate(message.token))
        else:
            self._heed_command(message)

    def _heed_command(self, message: client.ClientMessage) -> None:
        if not all(map(self._may, _changed_by(message))):
            self._forbid(message)
            return
        match message:
            case client.Attach() | client.Detach():
                self._outgoing.do(message)
            case client.History():
                self._read(message.id, self._history, message)
            case client.Threads():
                self._read(message.id, self._threads, message)
            case client.Cast():
                self._cast(message)
            case client.Submit() | client.Record() | client.Cancel() | client.Truncate():
                self._command(message.id, message.thread, message)
            case client.Fork() | client.End() | client.Delete():
                self._command(message.id, message.thread, message)

    def _command(
        self,
        id: str,
        thread: str,
        message: Commands,
    ) -> None:
        try:
            command = translate(message, self._principal, self._runtime)
        except Rejected as refusal:
            self._refuse(id, refusal)
            return
        self._unanswered += 1

        def reply(answer: Result | Rejected) -> None:
            self._unanswered -= 1
            self._answered.wake()
            self._answer(id, message, answer)

        self._gateway.post(thread, command, reply, self._principal)

    def _answer(self, id: str, message: object, answer: Result | Rejected) -> None:
        if isinstance(answer, Rejected):
            self._refuse(id, answer)
            return
        self._outgoing.answer(wire.Reply(id, reply_body(message, answer)))

    def _refuse(self, id: str | None, refusal: Rejected) -> None:
        self._outgoing.answer(_error(id, refusal))

    def _forbid(self, message: client.ClientMessage) -> None:
        if isinstance(message, client.Cast):
            self._refuse_cast(forbidden())
        else:
            self._refuse(getattr(message, "id", None), forbidden())

    def _cast(self, message: client.Cast) -> None:
        try:
            kind, data, author = message.kind, message.data, self._principal
            kinds = self._gateway.kind(message.thread).casts
            waiting = checked_cast(kind, data, author, self._limits, self._refuse_cast, kinds)
            self._gateway.cast(message.thread, waiting)
        except Rejected as refusal:
            self._refuse_cast(refusal)

    def _refuse_cast(self, refusal: Rejected) -> None:
        # No cast is answered, so a flood of them must not become a flood of errors.
        now = trio.current_time()
        if now - self._cast_refused_at >= self._limits.cast_error_seconds:
            self._cast_refused_at = now
            self._refuse(None, refusal)

    # Reads

    def _read(self, id: str, read: Callable[[Any], Awaitable[_Show]], of: Any) -> None:
        self._unanswered += 1
        self._nursery.start_soon(self._answer_read, id, read, of)

    async def _answer_read(self, id: str, read: Callable[[Any], Awaitable[_Show]], of: Any) -> None:
        try:
            show = await read(of)
        except (Rejected, JournalError) as exc:
            self._refuse(id, as_rejected(exc))
        else:
            compose = partial(_shown, id, show)
            self._outgoing.answer(compose(), compose)
        finally:
            self._unanswered -= 1
            self._answered.wake()

    async def _history(self, message: client.History) -> _Show:
        self._check(message.thread)
        thread = self._runtime.thread(message.thread, self._principal)
        page = await thread.history(message.before, message.limit)
        return partial(self._show_page, message.thread, page)

    def _show_page(self, thread: str, page: HistoryPage) -> replies.ReplyBody:
        self._check(thread)
        if page.head.life is Life.ABSENT:
            raise no_such_thread()
        return replies.HistoryReply(page.items, page.before)

    async def _threads(self, message: client.Threads) -> _Show:
        page = await self._runtime.threads(message.after, message.limit)
        return partial(self._show_threads, page)

    def _show_threads(self, page: SummaryPage) -> replies.ReplyBody:
        shown = (summary for summary in page.summaries if self._may(summary.thread))
        summaries = tuple(summary_of(summary, self._runtime) for summary in shown)
        return replies.ThreadsReply(summaries, page.after)


def _shown(id: str, show: _Show) -> wire.ServerMessage:
    """Return what a read is answered with at this instant."""
    try:
        return wire.Reply(id, show())
    except Rejected as refusal:
        return _error(id, refusal)


def _error(id: str | None, refusal: Rejected) -> wire.ErrorMessage:
    return wire.ErrorMessage(refusal.code, refusal.message, refusal.retryable, id, refusal.details)


async def _raise(exc: Exception) -> None:
    raise exc


def _is_goodbye(ended: BaseException) -> bool:
    code = ended.code if isinstance(ended, LinkClosed) else ABNORMAL
    return code in GOODBYES or not should_reconnect(code)


def _changed_by(message: client.ClientMessage) -> tuple[str, ...]:
    """Return the threads that a command may change; who may read is asked where that is shown."""
    match message:
        case client.Fork(thread=thread, to=to):
            return (thread, to)
        case client.Submit() | client.Record() | client.Cast() | client.Cancel():
            return (message.thread,)
        case client.Truncate() | client.End() | client.Delete():
            return (message.thread,)
    return ()

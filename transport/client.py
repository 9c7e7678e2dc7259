"""The client: threads on a server, as if there were no network in between.

    async with connect() as client:
        async with client.ask("t-1", "Hello") as answer:
            async for text in answer:
                print(text, end="")

Connections come and go under it. Calls wait for the next one, readers go on where they stood.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

from actors.answer import Answer
from actors.core.commands import OnBusy
from actors.core.effects import Submitted
from actors.core.position import parse_cursor
from actors.errors import Rejected

from .wire import client_messages as commands
from .wire import replies
from .wire.shapes import ABSENT, Absent

if TYPE_CHECKING:
    import random

    from actors.core.items import Content

    from .connector import ConnectionStatus, Connector
    from .dispatcher import Dispatcher
    from .remote_subscription import RemoteSubscription


class Client:
    """A server's threads. Made by `connect`.

    Every call waits for a connection where there is none, and goes on across connections: bound it
    with `trio.fail_after` where it must not wait. One that is cancelled leaves the client as it is;
    what it asked for may have happened or not.

    What every call raises, besides what its server refuses (`Rejected`):

    - `ClientClosed`: there is no connection and there will be none; what was asked was not sent.
    - `OutcomeUnknown`: it was sent, the connection was lost over it, and it must not be sent again.
    - `Rejected`, code `thread_deleted`: the thread was deleted before the answer, and is not to be
      brought back; code `overloaded`: `Limits.unanswered_commands` calls are waiting; code
      `too_large`.
    - `ValueError`, `TypeError`: an argument is none that the protocol knows, or has no JSON form.

    A refusal with code `draining` is not raised: the server does nothing and stops, and the next
    connection carries the command again.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        connector: Connector,
        rng: random.Random,
        credentials: Callable[[], None],
    ) -> None:
        self._dispatcher = dispatcher
        self._credentials = credentials
        self._connector = connector
        self._rng = rng
        self._ask = dispatcher.calls.ask

    # The connection.

    @property
    def connection(self) -> ConnectionStatus:
        """How the client stands with its server at this instant."""
        return self._connector.status

    def on_connection(self, callback: Callable[[ConnectionStatus], None]) -> None:
        """Have a function called with the connection's status, now and whenever it changes.

        Args:
            callback: must return at once. What it raises comes out of `connect`, and ends it.
        """
        self._connector.watch(callback)

    async def opened(self) -> None:
        """Wait until a connection is open; return at once where one is.

        Raises:
            ClientClosed: there is none and there will be none.

        Cancellation changes nothing.
        """
        await self._connector.opened()

    async def ping(self) -> None:
        """Ask the server for a sign of life, and return when it came.

        Raises:
            ClientClosed: there is no connection and there will be none.

        Cancellation changes nothing.
        """
        self._dispatcher.check_open()
        await self._dispatcher.calls.ping()

    def renew(self) -> None:
        """Say hello again, so that the connection lives on when its credentials would expire.

        They are those that the function given to `connect` as `token` returns by now, of the same
        principal. Without a connection, nothing needs to be said: the next one says hello anyhow.
        """
        self._credentials()
        hello = self._dispatcher.protocol.hello
        if hello is not None:
            self._dispatcher.cast(hello)

    # Turns.

    async def submit(
        self,
        thread: str,
        content: Content,
        *,
        key: str | None = None,
        on_busy: OnBusy | str = OnBusy.REJECT,
        after: str | Literal[Absent.ABSENT] | None = ABSENT,
        metadata: Mapping[str, Any] | None = None,
        attachments: Sequence[Any] | None = None,
    ) -> replies.SubmitReply:
        """Say something, and return the receipt once it is durable (I4).

        It is sent again under its key until it is answered, so it makes one turn (I8).

        Args:
            thread: the thread's id; the first submit creates it.
            content: text or parts; not blank.
            key: 1 to 128 characters; drawn where there is none. Bring your own to repeat a call
                that was cancelled, or that an earlier run of the program made.
            on_busy: what to do where a turn runs: reject, queue, interrupt or rollback.
            after: truncate after this item first, or clear with None; leave it out for neither.
            metadata, attachments: the caller's own, with a JSON form.

        Raises:
            Rejected: `bad_request`, `too_large`, `turn_in_progress`, `queue_full`,
                `idempotency_conflict`, `item_not_found`, `overloaded`, `journal_unavailable`,
                `thread_failed`, `thread_deleted`; and what every call raises, see `Client`.

        A cancelled call may have been accepted: repeat it under its key.
        """
        command = commands.Submit(
            id=self._label(),
            thread=thread,
            content=content,
            key=self._key(key),
            on_busy=str(on_busy),
            after=after,
            attachments=attachments,
            metadata=metadata,
        )
        return await self._ask(command, replies.SubmitReply)

    async def cancel(
        self, thread: str, turn: str | None = None, *, rollback: bool = False
    ) -> replies.CancelReply:
        """End a turn, and return once it is settled: scope exited, partial answer durable (I6).

        Args:
            thread: the thread's id.
            turn: which one; None for the one that runs, whichever it is.
            rollback: take its items out of transcript and context.

        Raises:
            Rejected: `thread_not_found`, `turn_not_found`.
            OutcomeUnknown: only where it names no turn; and what every call raises, see `Client`.

        A cancelled call may still end the turn; to repeat it with the turn's id is safe.
        """
        mode = "rollback" if rollback else "keep"
        command = commands.Cancel(self._label(), thread, turn, mode)
        return await self._ask(command, replies.CancelReply)

    @asynccontextmanager
    async def ask(
        self,
        thread: str,
        content: Content,
        *,
        key: str | None = None,
        on_busy: OnBusy | str = OnBusy.REJECT,
    ) -> AsyncIterator[Answer]:
        """Submit, and read the answer as it is written; leaving does not cancel.

        Under a key that was used before, it yields the same turn's answer from its beginning.

        Raises:
            LocalProtocolError: as `attach`; nothing was submitted then.
            Rejected: as `submit`; and what every call raises, see `Client`.
        """
        self._dispatcher.following.check_free(thread)
        receipt = await self.submit(thread, content, key=key, on_busy=on_busy)
        async with self.attach(thread, receipt.cursor) as subscription:
            position = parse_cursor(receipt.cursor)
            yield Answer(Submitted(receipt.turn, position, receipt.duplicate), subscription)

    # Reading.

    @asynccontextmanager
    async def attach(
        self, thread: str, cursor: str | None = None, *, window: int | None = None
    ) -> AsyncIterator[RemoteSubscription]:
        """Watch a thread, across connections; it changes nothing (I5).

        It yields the batches that an embedded subscription does, each event once and in order
        (I3), a snapshot where the server has to show one, and `CaughtUp` after every time that the
        client had to attach anew. It ends after `Detached`, reason `ended` or `deleted`; the others
        are not the end of it here.

        A reader that lags behind is left for a while once `Limits.client_buffer_chars` are kept for
        it, and then goes on at its cursor; the client's other threads do not wait for it.

        Args:
            thread: the thread's id; it may be absent.
            cursor: where to go on from; None, or one that is no good, begins with a snapshot.
            window: items in a snapshot, 1 to 500.

        Yields:
            A subscription: iterate over its batches, and keep the last one's `cursor`. What the
            iteration raises, its `__anext__` says.

        Raises:
            LocalProtocolError: this client follows the thread already (another client may), or
                `Limits.attachments` threads.
            ClientClosed: there is no connection and there will be none.
            ValueError: an argument is none that the protocol knows.

        Cancellation detaches, and changes nothing else.
        """
        self._dispatcher.check_open()
        subscription = self._dispatcher.following.attach(thread, cursor, window)
        try:
            yield subscription
        finally:
            self._dispatcher.following.detach(subscription)

    async def history(
        self, thread: str, before: str | None = None, limit: int | None = None
    ) -> replies.HistoryReply:
        """Return a page of settled items, oldest first.

        Args:
            thread: the thread's id.
            before: only items older than this one; None for the newest.
            limit: items, 1 to 500.

        Raises:
            Rejected: `thread_not_found`, `item_not_found`, `thread_failed`; as every call.

        Cancellation changes nothing.
        """
        command = commands.History(self._label(), thread, before, limit)
        return await self._ask(command, replies.HistoryReply)

    async def threads(
        self, after: str | None = None, limit: int | None = None
    ) -> replies.ThreadsReply:
        """Return a page of the threads that are there, last activity first.

        Args:
            after: what the page before gave; None for the first.
            limit: threads, 1 to 500.

        Raises:
            Rejected: `bad_request`, for an `after` that no page gave; as every call, see `Client`.

        Cancellation changes nothing.
        """
        command = commands.Threads(self._label(), after, limit)
        return await self._ask(command, replies.ThreadsReply)

    # The thread's service.

    def cast(self, thread: str, kind: str, data: Any) -> bool:
        """Hand something ephemeral to the thread's service, and return at once.

        It goes out in the order of the calls, once, and is neither answered nor sent again. Where
        nobody takes it, the server says so at most once a second, and the log has it.

        Args:
            thread: the thread's id.
            kind: the application's own word.
            data: bytes, or anything with a JSON form.

        Returns:
            Whether it will be sent; False where there is no connection, and where casts of
            `Limits.client_cast_bytes` wait to be sent.

        Raises:
            ClientClosed: there is no connection and there will be none.
            Rejected: `too_large`: JSON above the server's `command_bytes`, bytes above
                `Limits.frame_bytes`.
            ValueError, TypeError: an argument is none that the protocol knows.
        """
        self._dispatcher.check_open()
        return self._dispatcher.cast(commands.Cast(thread, kind, data))

    # Changing the history.

    async def truncate(self, thread: str, after: str | None) -> replies.TruncateReply:
        """Cut the history after an item, or all of it where `after` is None (I13).

        Raises:
            Rejected: `thread_not_found`, `item_not_found`, `turn_in_progress`.
            OutcomeUnknown, Rejected: as every call, see `Client`.

        A cancelled call may have cut it.
        """
        command = commands.Truncate(self._label(), thread, after)
        return await self._ask(command, replies.TruncateReply)

    async def record(
        self, thread: str, kind: str, data: Any, *, key: str | None = None
    ) -> replies.RecordReply:
        """Put an application's own fact into the log, and return once it is durable.

        It is sent again under its key until it is answered, so it is recorded once (I8).

        Args:
            thread: the thread's id; the first record creates it.
            kind: the application's own word.
            data: anything with a JSON form.
            key: as in `submit`.

        Raises:
            Rejected: `bad_request` for a kind or data that the thread does not take, `too_large`,
                `idempotency_conflict`; and what every call raises, see `Client`.

        A cancelled call may have been accepted: repeat it under its key.
        """
        if kind == "":  # as the server would: no thread takes it, though it is a text
            raise Rejected("bad_request", "the kind of a record is not empty")
        command = commands.Record(self._label(), thread, kind, data, self._key(key))
        return await self._ask(command, replies.RecordReply)

    async def fork(
        self, thread: str, to: str, after: str | None, *, key: str | None = None
    ) -> replies.ForkReply:
        """Copy a thread's history into a new thread, and return once it is durable (I13).

        Args:
            thread: the thread's id.
            to: the new thread's id.
            after: the last item that is copied; None for none.
            key: as in `submit`.

        Raises:
            Rejected: `thread_not_found`, `item_not_found`, `turn_in_progress`, `bad_request` where
                the new thread is there already; and what every call raises, see `Client`.

        A cancelled call may have been accepted: repeat it under its key.
        """
        command = commands.Fork(self._label(), thread, to, after, self._key(key))
        return await self._ask(command, replies.ForkReply)

    async def end(self, thread: str) -> bool:
        """Cancel what runs and waits and close the activation; False where there was none.

        Raises:
            OutcomeUnknown, Rejected: as every call, see `Client`.

        A cancelled call may have ended it.
        """
        command = commands.End(self._label(), thread)
        return (await self._ask(command, replies.EndReply)).existed

    async def delete(self, thread: str) -> bool:
        """End the thread and remove it; False where it was not there (I13).

        Raises:
            OutcomeUnknown, Rejected: as every call, see `Client`.

        A cancelled call may have deleted it.
        """
        command = commands.Delete(self._label(), thread)
        return (await self._ask(command, replies.DeleteReply)).existed

    def _label(self) -> str:
        self._dispatcher.check_open()
        return self._dispatcher.protocol.label()

    def _key(self, key: str | None) -> str:
        return f"k{self._rng.getrandbits(80):020x}" if key is None else key

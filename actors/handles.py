"""A thread as its users hold it: submit, cancel, attach, read. Handles own nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from .answer import Answer
from .core.amounts import checked_page
from .core.arguments import check_principal, shown
from .core.casting import checked_cast
from .core.commands import (
    FINALISING,
    Cancel,
    Command,
    Delete,
    End,
    Finalise,
    OnBusy,
    Open,
    Truncate,
    Truncation,
    checked_fork,
    checked_submit,
)
from .core.effects import (
    Cancelled,
    Closed,
    ForkReceipt,
    Opened,
    RecordReceipt,
    Result,
    Submitted,
    Truncated,
)
from .core.progress import Progress, progress_of
from .core.record_kinds import checked_record
from .core.refusals import no_such_item
from .core.thread_id import is_thread_id
from .errors import InternalError
from .outcome import wait_outcome

if TYPE_CHECKING:
    from .actor.registry import Registry
    from .core.head import Settled
    from .core.items import Content
    from .delivery.subscription import Subscription
    from .journal.contract import HistoryPage
    from .ports import Ids

R = TypeVar("R", Submitted, RecordReceipt, ForkReceipt, Cancelled, Truncated, Opened, Closed)

# The principal of code that embeds a runtime, and of connections that show no credentials.
LOCAL = "local"


class Thread:
    """A thread by its id. Making one costs nothing and touches nothing.

    Args:
        id: the thread's id.
        registry: where its actor is found.
        ids: where fresh turn ids come from.
        principal: who speaks through this handle.

    Raises:
        ValueError: for an id that no thread can have, or a principal that is no text.
    """

    def __init__(self, id: str, registry: Registry, ids: Ids, principal: str = LOCAL) -> None:
        if not is_thread_id(id):
            raise ValueError(f"not a thread id (1 to 128 of A-Z a-z 0-9 . _ : -): {shown(id)}")
        check_principal(principal)
        self.id = id
        self.principal = principal
        self._registry = registry
        self._ids = ids

    async def submit(
        self,
        content: Content,
        *,
        key: str | None = None,
        on_busy: OnBusy | str = OnBusy.REJECT,
        metadata: Mapping[str, Any] | None = None,
        attachments: Sequence[Any] | None = None,
        truncate: Truncation | None = None,
    ) -> Submitted:
        """Say something, and return the receipt once it is durable (I4).

        Args:
            content: text or parts; not blank.
            key: makes a retry safe: the same key and body give the same receipt (I8).
            on_busy: what to do where a turn runs: reject, queue, interrupt or rollback.
            metadata, attachments: the caller's own, with a JSON form.
            truncate: cut the history first, in the same append.

        Raises:
            Rejected: `bad_request`, `too_large`, `turn_in_progress`, `queue_full`,
                `idempotency_conflict`, `item_not_found`, `overloaded`, `draining`,
                `journal_unavailable`, `thread_failed`.

        A cancelled call may have been accepted: retry it under its key.
        """
        command = checked_submit(
            turn=self._ids.fresh("t"),
            principal=self.principal,
            content=content,
            key=key,
            on_busy=on_busy,
            metadata=metadata,
            attachments=attachments,
            truncate=truncate,
            limit_bytes=self._registry.limits.command_bytes,
        )
        return _expect(Submitted, await self._ask(command))

    async def record(self, kind: str, data: Any, *, key: str | None = None) -> RecordReceipt:
        """Put an application's own fact into the history, and return once it is durable (I4).

        It is a part of the log like any other and belongs to no turn: it is taken while one runs,
        makes the thread where it is not there, opens it again where it was ended, and is never
        truncated. No model context has it.

        Args:
            kind: the application's own word, one of `ThreadKind.records` where that names any.
            data: anything with a JSON form, of at most `limits.item_bytes` together with the kind.
            key: as in `submit`.

        Raises:
            Rejected: `bad_request`, `too_large`, `idempotency_conflict`, and what every command may
                raise.

        A cancelled call may have been accepted: repeat it under its key.
        """
        command = checked_record(
            self._registry.kind(self.id).records,
            record=self._ids.fresh("r"),
            principal=self.principal,
            kind=kind,
            data=data,
            key=key,
            limits=self._registry.limits,
        )
        return _expect(RecordReceipt, await self._ask(command))

    def cast(self, kind: str, data: Any) -> bool:
        """Hand something ephemeral to the thread's service, and return at once.

        It is never written down. It activates the thread where it is passive; where it turns out
        that the thread is not there, or has ended, it is dropped.

        Args:
            kind: the application's own word, one of `ThreadKind.casts` where that names any.
            data: bytes, or JSON of at most `limits.command_bytes`; together with what waits, at
                most `limits.inbox_bytes`.

        Returns:
            Whether it waits for the service; False where the kind's overflow policy dropped it.

        Raises:
            Rejected: `unsupported` where the thread's kind has no service, `bad_request`,
                `too_large`, `overloaded` where the inbox is full and its policy is to refuse;
                `draining`, `journal_unavailable`, `thread_failed`.
        """
        limits, kinds = self._registry.limits, self._registry.kind(self.id).casts
        waiting = checked_cast(kind, data, self.principal, limits, kinds=kinds)
        return self._registry.cast(self.id, waiting)

    async def cancel(self, turn: str | None = None, *, rollback: bool = False) -> Cancelled:
        """End a turn, and return once it is settled: scope exited, partial answer durable (I6).

        Args:
            turn: which one; None for the one that runs.
            rollback: take its items out of transcript and context.

        Raises:
            Rejected: `thread_not_found`, `turn_not_found`, `bad_request`, and what every command
                may raise.

        A cancelled call may still end the turn; to repeat it with the turn's id is safe.
        """
        return _expect(Cancelled, await self._ask(Cancel(turn=turn, rollback=rollback)))

    async def truncate(self, after: str | None) -> Truncated:
        """Cut the history after an item, or all of it where `after` is None (I13).

        Raises:
            Rejected: `thread_not_found`, `item_not_found`, `turn_in_progress`, and what every
                command may raise.

        A cancelled call may have cut it.
        """
        command = Truncate(truncate=Truncation(after))
        return _expect(Truncated, await self._ask(command))

    async def finalise(self) -> Submitted:
        """Hand the thread to its kind's `on_finalise`, once in its life, and return once that is
        durable.

        It is a turn of its own, with the id `finalise`, behind those that run and wait. Asking
        again changes nothing. A crash or a shutdown leaves it to the next start, so the handler may
        be started more than once (at most `limits.turn_attempts` times); what it says and how it
        ends is recorded once.

        Raises:
            Rejected: `thread_not_found`, `queue_full`, and what every command may raise.

        A cancelled call may have been accepted; to repeat it is safe.
        """
        return _expect(Submitted, await self._ask(Finalise(principal=self.principal)))

    async def progress(self) -> Progress:
        """Say how far the thread is on its way to being finalised; it activates nothing (I5).

        Raises:
            JournalCorrupt, JournalUnavailable: as the journal does.

        Cancellation changes nothing.
        """
        journal = self._registry.journal
        page = await journal.history(self.id, None, 1, 1)
        settled = await journal.settled(self.id, FINALISING)
        return progress_of(page.head, settled)

    async def fork(self, to: str, *, after: str | None, key: str | None = None) -> ForkReceipt:
        """Begin thread `to` with this one's history, and return once that is durable (I13).

        The new thread has the items up to `after` under their own ids, records among them, and
        shares nothing that changes with this one, which stays as it is. It is there wholly or not
        at all.

        Args:
            to: the new thread's id.
            after: the last item that is copied; None for none.
            key: as in `submit`; the receipt is this thread's.

        Raises:
            Rejected: `thread_not_found`, `item_not_found`, `turn_in_progress`; `bad_request` where
                thread `to` is there already; `too_large` above `limits.fork_items`;
                `idempotency_conflict`, and what every command may raise.

        A cancelled call may have been accepted: repeat it under its key.
        """
        command = checked_fork(self.id, to=to, after=after, principal=self.principal, key=key)
        return _expect(ForkReceipt, await self._ask(command))

    async def open(self) -> bool:
        """Make the thread where it is not there, without any content; False where it was there.

        Raises:
            Rejected: `unsupported` where it was ended: a submit or a record opens it again; and
                what every command may raise.

        A cancelled call may have made it; to repeat it is safe.
        """
        return not _expect(Opened, await self._ask(Open())).existed

    async def end(self) -> bool:
        """Cancel what runs and waits and close the activation; False where there was none.

        Raises:
            Rejected: what every command may raise.

        A cancelled call may still end it.
        """
        return _expect(Closed, await self._ask(End())).existed

    async def delete(self, *, unless_used: bool = False) -> bool:
        """End the thread and remove it; False where it was not there (I13), or is to stay.

        Args:
            unless_used: leave it as it is where it has content, or a turn runs or waits.

        Raises:
            Rejected: what every command may raise.

        A cancelled call may still delete it.
        """
        return _expect(Closed, await self._ask(Delete(unless_used))).existed

    async def history(self, before: str | None = None, limit: int | None = None) -> HistoryPage:
        """Return a page of settled items, oldest first.

        Args:
            before: only items older than this one; None for the newest.
            limit: items, at least 1; `limits.page_items_max` at the most.

        Raises:
            Rejected: `item_not_found`, where `before` names no item; `bad_request` for a limit
                below 1.
            JournalCorrupt, JournalUnavailable: as the journal does.

        Cancellation changes nothing.
        """
        limits = self._registry.limits
        want = checked_page(limit, limits)
        if not isinstance(before, str | None):  # a journal takes a place as well
            raise no_such_item()
        page = await self._registry.journal.history(self.id, before, want, limits.page_bytes)
        if not page.items and self._registry.is_failed(self.id):
            # Nothing is settled, and what is not may be damaged: it must not pass for empty (I16).
            await self._registry.journal.load(self.id)
        return page

    async def projection(self, name: str) -> Any:
        """Return what a projection of `ThreadKind.projections` comes to: all durable records.

        It is read where the thread is not active, and activates nothing (I5).

        Returns:
            A copy, which is the caller's own; the initial state where the thread is not there.

        Raises:
            ValueError: where there is none of that name.
            JournalCorrupt, JournalUnavailable: as the journal does.

        Cancellation changes nothing.
        """
        return (await self._registry.folded(self.id)).copy_of(name)

    def _subscription(self) -> Subscription:
        return self._registry.subscribe(self.id, self.principal)

    @asynccontextmanager
    async def attach(
        self, after: str | None = None, *, window: int | None = None
    ) -> AsyncIterator[Subscription]:
        """Watch the thread; any number may, at any time, and it changes nothing (I5).

        Args:
            after: the cursor to go on from; None, or one that is no good, begins with a snapshot.
            window: items in a snapshot, at least 0; `limits.window_items_max` at the most.

        Yields:
            A subscription: iterate over its batches, and keep the last one's `cursor`.

        Raises:
            Rejected: `overloaded`, where the thread has as many viewers as it may have;
                `bad_request` for a window below 0.
            JournalCorrupt, JournalUnavailable: as the journal does.

        Cancellation detaches, and changes nothing else.
        """
        subscription = self._subscription()
        try:
            await subscription.attach(after, window)
            yield subscription
        finally:
            subscription.close()

    @asynccontextmanager
    async def ask(
        self,
        content: Content,
        *,
        key: str | None = None,
        on_busy: OnBusy | str = OnBusy.REJECT,
    ) -> AsyncIterator[Answer]:
        """Submit, and read the answer as it is written; leaving does not cancel.

        Under a key that was used before, it yields the same turn's answer from its beginning.

        Raises:
            Rejected: as `submit`.
        """
        receipt = await self.submit(content, key=key, on_busy=on_busy)
        subscription = self._subscription()
        try:
            await subscription.attach(receipt.position.cursor())
            yield Answer(receipt, subscription)
        finally:
            subscription.close()

    async def outcome(self, turn: str) -> Settled:
        """Wait until a turn has ended, and return how it did and what it left.

        Raises:
            Rejected: `turn_not_found`, also where the thread was deleted meanwhile; `thread_failed`
                where it was set aside with the turn still open.
            JournalCorrupt, JournalUnavailable: as the journal does.

        Cancellation does not touch the turn.
        """
        return await wait_outcome(self._registry, self.id, turn)

    async def _ask(self, command: Command) -> Result:
        return await self._registry.ask(self.id, command, self.principal)


def _expect(sort: type[R], result: Result) -> R:
    if not isinstance(result, sort):
        raise InternalError(f"expected {sort.__name__}, got {type(result).__name__}")
    return result

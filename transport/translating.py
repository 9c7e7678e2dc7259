"""What clients say as the runtime's commands, and what those came to as clients are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from actors import (
    Cancelled,
    ForkReceipt,
    InternalError,
    RecordReceipt,
    Submitted,
    Truncated,
    Truncation,
)
from actors.core import commands
from actors.core.effects import Closed, Opened, Result
from actors.core.record_kinds import checked_record

from .wire import client_messages as client
from .wire import replies
from .wire.shapes import Absent

if TYPE_CHECKING:
    from actors import Runtime, Summary

# What is answered by a thread's actor.
Commands: TypeAlias = (
    client.Submit
    | client.Record
    | client.Fork
    | client.Cancel
    | client.Truncate
    | client.End
    | client.Delete
)


def translate(message: Commands, principal: str, runtime: Runtime) -> commands.Command:
    """Return the command that a client's message asks for.

    Raises:
        Rejected: `bad_request` or `too_large`.
    """
    match message:
        case client.Submit():
            after = message.after
            truncate = None if isinstance(after, Absent) else Truncation(after)
            return commands.checked_submit(
                turn=runtime.ids.fresh("t"),
                principal=principal,
                content=message.content,
                key=message.key,
                on_busy=message.on_busy,
                metadata=message.metadata,
                attachments=message.attachments,
                truncate=truncate,
                limit_bytes=runtime.limits.command_bytes,
            )
        case client.Record():
            return checked_record(
                runtime.gateway.kind(message.thread).records,
                record=runtime.ids.fresh("r"),
                principal=principal,
                kind=message.kind,
                data=message.data,
                key=message.key,
                limits=runtime.limits,
            )
        case client.Fork(thread=thread, to=to, after=last, key=key):
            return commands.checked_fork(thread, to=to, after=last, principal=principal, key=key)
        case client.Cancel(turn=turn, mode=mode):
            return commands.Cancel(turn=turn, rollback=mode == "rollback")
        case client.Truncate(after=after):
            return commands.Truncate(truncate=Truncation(after))
        case client.End():
            return commands.End()
        case client.Delete():
            return commands.Delete()


def summary_of(summary: Summary, runtime: Runtime) -> replies.ThreadSummary:
    """Return a line of a listing as clients are told."""
    head = summary.head
    failed = runtime.gateway.is_failed(summary.thread)
    return replies.ThreadSummary(
        thread=summary.thread,
        state="failed" if failed else head.activity,
        created_at=head.created_at,
        active_at=head.active_at,
        cursor=head.position.cursor(),
        items=head.items,
    )


def reply_body(message: object, result: Result) -> replies.ReplyBody:
    """Return what a client is told of what became of its command."""
    match result:
        case Submitted(turn=turn, position=position, duplicate=duplicate):
            return replies.SubmitReply(turn, position.cursor(), duplicate)
        case RecordReceipt(position=position, duplicate=duplicate):
            return replies.RecordReply(position.cursor(), duplicate)
        case ForkReceipt(position=position):
            return replies.ForkReply(position.cursor())
        case Cancelled(turn=turn_or_none, outcome=outcome, position=position):
            return replies.CancelReply(turn_or_none, outcome, position.cursor())
        case Truncated(position=position):
            return replies.TruncateReply(position.cursor())
        case Opened():
            raise InternalError("no message of a client's is answered so")
        case Closed(existed=existed):
            ended = isinstance(message, client.End)
            return replies.EndReply(existed) if ended else replies.DeleteReply(existed)

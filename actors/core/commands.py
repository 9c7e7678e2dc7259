"""Commands: what may be asked of a thread, and refused.

A command carries the facts that a decision needs from outside the state (a fresh id, an earlier
receipt, what a truncation would leave), so that `decide` asks nobody.
"""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import orjson
from attrs import field, frozen

from ..errors import Rejected
from .arguments import is_flag, is_text, shown
from .events import Recorded, TurnDelta, TurnItem
from .head import Cut, Receipt
from .items import Content, is_blank, is_content
from .json_values import taken_over
from .position import Position
from .refusals import no_such_turn
from .thread_id import is_thread_id
from .turn_lifecycle import TurnState
from .value import value

# As over the wire; a lone surrogate has no form there, nor on disk.
_KEY: Final = re.compile("[^\ud800-\udfff]{1,128}")


class OnBusy(enum.StrEnum):
    """What a submit does where a turn is running."""

    REJECT = "reject"
    QUEUE = "queue"
    INTERRUPT = "interrupt"
    ROLLBACK = "rollback"


_ON_BUSY: Final = tuple(OnBusy)


def _is_item_or_none(_: object, __: object, item: Any) -> None:
    if not isinstance(item, str | None):
        raise Rejected("bad_request", f"`after` is an item or null, not {shown(item)}")


@frozen
class Truncation:
    """That a command cuts the history.

    Args:
        after: the last item that stays; None clears.

    Raises:
        Rejected: `bad_request`, for what can be no item.
    """

    after: str | None = field(validator=_is_item_or_none)


@frozen(kw_only=True)
class Submit:
    """Say something, and have it answered.

    Args:
        turn: a fresh id for the new turn.
        principal: who says it.
        content: what is said.
        key: the idempotency key.
        on_busy: what to do where a turn runs.
        metadata, attachments: the client's own.
        truncate: cut the history first, in the same append (edit, regenerate).
        prior: the receipt that was given for this key, where one was.
        cut: what that truncation would leave.
    """

    turn: str
    principal: str
    content: Content
    key: str | None = None
    on_busy: OnBusy = OnBusy.REJECT
    metadata: Mapping[str, Any] | None = None
    attachments: Sequence[Any] | None = None
    truncate: Truncation | None = None
    prior: Receipt | None = None
    cut: Cut | None = None

    def digest(self) -> str:
        """Digest the body that a retry under the same key has to repeat (rule 8)."""
        body: list[Any] = [self.content, self.metadata, self.attachments]
        if self.truncate is not None:
            body.append([self.truncate.after])
        return _digest(body)


def check_key(key: Any) -> None:
    """Refuse what is no idempotency key, over the wire or not: such a one could not come back.

    Raises:
        Rejected: `bad_request`.
    """
    if key is not None and not (isinstance(key, str) and _KEY.fullmatch(key)):
        raise Rejected("bad_request", f"a key is a text of 1 to 128 characters, not {shown(key)}")


def checked_submit(
    *,
    turn: str,
    principal: str,
    content: Any,
    key: str | None = None,
    on_busy: str = OnBusy.REJECT,
    metadata: Any = None,
    attachments: Any = None,
    truncate: Truncation | None = None,
    limit_bytes: int,
) -> Submit:
    """Make a submit of values from outside, which stay as they are whatever becomes of those.

    Args:
        limit_bytes: of content, metadata, attachments and key together, as JSON.

    Raises:
        Rejected: `bad_request` where a value is of the wrong sort, `too_large` above the limit.
    """
    if on_busy not in _ON_BUSY:
        raise Rejected(
            "bad_request", f"on_busy is one of {', '.join(OnBusy)}, not {shown(on_busy)}"
        )
    body = taken_over([content, metadata, attachments, key], "the command", limit_bytes)
    content, metadata, attachments, key = body
    if not is_content(content):
        wanted = "a text, or a list of objects with a type"
        raise Rejected("bad_request", f"content is {wanted}, not {shown(content)}")
    if is_blank(content):
        raise Rejected("bad_request", "content must not be blank")
    if not isinstance(metadata, dict | None):
        raise Rejected("bad_request", f"metadata is an object, not {shown(metadata)}")
    if not isinstance(attachments, list | None):
        raise Rejected("bad_request", f"attachments are a list, not {shown(attachments)}")
    if not isinstance(truncate, Truncation | None):
        raise Rejected("bad_request", f"truncate is a Truncation, not {shown(truncate)}")
    check_key(key)
    return Submit(
        turn=turn,
        principal=principal,
        content=content,
        key=key,
        on_busy=OnBusy(on_busy),
        metadata=metadata,
        attachments=attachments,
        truncate=truncate,
    )


@frozen(kw_only=True)
class Record:
    """Put an application's own fact into the history.

    Args:
        record: a fresh id for it.
        principal: who says so.
        kind: the application's own word for what it is.
        data: the fact, as JSON.
        key: the idempotency key.
        prior: the receipt that was given for this key, where one was.
    """

    record: str
    principal: str
    kind: str
    data: Any
    key: str | None = None
    prior: Receipt | None = None

    def digest(self) -> str:
        """Digest the body that a retry under the same key has to repeat (rule 8)."""
        return _digest({"record": self.kind, "data": self.data})


# The id of the turn that finalises a thread. Fresh ids are never that, so it cannot be submitted.
FINALISING: Final = "finalise"


@frozen(kw_only=True)
class Finalise:
    """Hand the thread to its finaliser, as a turn of its own: once in a thread's life.

    Args:
        principal: who asks.
        settled: whether that turn is known to have ended earlier.
    """

    principal: str
    settled: bool = False


@frozen(kw_only=True)
class Fork:
    """Copy the history, up to an item, into a thread that is not there.

    Args:
        to: the new thread's id.
        after: the last item that is copied; None for none.
        principal: who asks.
        key: the idempotency key.
        prior: the receipt that was given for this key, where one was.
        made: the head of the new thread, once the copy is durable.
        receipt: what was noted with it under the key.
    """

    to: str
    after: str | None
    principal: str
    key: str | None = None
    prior: Receipt | None = None
    made: Position | None = None
    receipt: Receipt | None = None

    def digest(self) -> str:
        """Digest the body that a retry under the same key has to repeat (rule 8)."""
        return _digest({"fork": self.to, "after": self.after})


def checked_fork(thread: str, *, to: Any, after: Any, principal: str, key: Any = None) -> Fork:
    """Make a fork of values from outside.

    Raises:
        Rejected: `bad_request`, for what cannot be the id of another thread, or no item.
    """
    if not isinstance(to, str) or not is_thread_id(to) or to == thread:
        raise Rejected("bad_request", f"`to` is the id of another thread, not {shown(to)}")
    _is_item_or_none(None, None, after)
    check_key(key)
    return Fork(to=to, after=after, principal=principal, key=key)


def _digest(body: object) -> str:
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def _may_be_turn_or_none(_: object, __: object, turn: Any) -> None:
    if turn is not None and not is_text(turn):
        raise no_such_turn()


@frozen(kw_only=True)
class Cancel:
    """End a turn.

    Args:
        turn: which one; None for the one that runs, whichever it is.
        rollback: take its items out of transcript and context.
        settled: whether that turn is known to have ended earlier.

    Raises:
        Rejected: `turn_not_found`, for what can be no turn; `bad_request`, for a `rollback` that is
            neither True nor False.
    """

    turn: str | None = field(default=None, validator=_may_be_turn_or_none)
    rollback: bool = field(default=False, validator=is_flag)
    settled: bool = False


# What a truncation leaves, until the journal says otherwise.
NOTHING_LEFT = Cut(0, 0, 0)


@frozen(kw_only=True)
class Truncate:
    """Cut the history; `cut` is what that would leave."""

    truncate: Truncation
    cut: Cut = NOTHING_LEFT


@frozen
class Open:
    """Make the thread where it is not there, without any content yet."""


@frozen
class End:
    """Close the activation: cancel what runs and waits, then end the thread.

    Args:
        unless_busy: leave the thread as it is where a turn runs or waits.
    """

    unless_busy: bool = False


@frozen
class Delete:
    """Remove the thread, after ending it.

    Args:
        unless_used: leave the thread as it is where it has content, or a turn runs or waits.

    Raises:
        Rejected: `bad_request`, where that is neither True nor False.
    """

    unless_used: bool = field(default=False, validator=is_flag)


@frozen
class Ending:
    """How a turn is to end: the fields of its terminal event that its state does not give."""

    state: TurnState
    reason: str | None = None
    error: str | None = None
    message: str | None = None
    by: str | None = None
    rolled_back: bool = False
    abandoned: bool = False


@value
class Say:
    """What the live turn's handler has said and recorded: events, each over `width` offsets."""

    turn: str
    pieces: tuple[tuple[TurnDelta | TurnItem | Recorded, int], ...]


@frozen
class Exited:
    """The live turn's scope has exited, or its grace ran out.

    Args:
        turn: which turn.
        ending: the first ending that was decided for it.
        start_next: whether a waiting turn may start now (not while draining).
    """

    turn: str
    ending: Ending
    start_next: bool = True


@frozen
class Recover:
    """Settle what an earlier activation left open, before anyone is served (I9).

    Args:
        retry: whether the handler declared itself safe to be run again.
        reason: why the turn was left open, in a word.
        start_next: whether a waiting turn may start now.
    """

    retry: bool = False
    reason: str = "restart"
    start_next: bool = True


Command: TypeAlias = (
    Submit
    | Record
    | Fork
    | Finalise
    | Cancel
    | Truncate
    | Open
    | End
    | Delete
    | Say
    | Exited
    | Recover
)

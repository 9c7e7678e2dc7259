"""I15 and I4: a page of a history, and a line of a listing, show a thread as it was on disk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ...core.position import Position
from ..facts import Refused
from ..operations import Attach, ListThreads, ReadPage
from ..read_facts import Line, Listing, Page
from .broken import Broken
from .i3_stream import known_to_others, shown_of
from .model import Shown, model_of

if TYPE_CHECKING:
    from ..history import Call, History


# What is neither a person's doing nor a turn's: a start follows from something else that was done,
# and an interruption is the runtime's.
_MAINTENANCE: Final = ("turn.started", "turn.delta", "turn.item", "turn.interrupted")


def reads_show_what_was(history: History) -> Iterator[Broken]:
    """Find pages and lines that were right at no time while they were read."""
    for call in history.calls.values():
        if call.over is None:
            continue
        match call.operation, call.answer:
            case ReadPage(), Page() as page:
                yield from _page(history, call, page, call.over)
            case ReadPage() | Attach(), Refused(code="thread_not_found"):
                if all(head.offset for head in _shown(history, call, call.over)):
                    message = f"page {call.number} is told of no thread, and it was there"
                    yield Broken("I16", message, call.over)
            case ReadPage(), Refused(code="item_not_found"):
                yield from _unknown(history, call, call.over)
            case ListThreads(), Listing() as listing:
                for line in listing.lines:
                    yield from _line(history, call, line, call.over)
            case _:
                pass


def _shown(history: History, call: Call, over: int) -> list[Position]:
    """Return where a thread stood for who looks at it; what nobody was told of may not be shown."""
    heads = _heads(history, call.thread, call, over)
    if isinstance(call.operation, Attach) and known_to_others(history, call) < heads[0]:
        return [Position(1, 0)]
    return heads


def _page(history: History, call: Call, page: Page, over: int) -> Iterator[Broken]:
    shown = shown_of(page.items)
    assert isinstance(call.operation, ReadPage)
    if call.operation.limit is not None and len(shown) > call.operation.limit:
        yield Broken("I12", f"page {call.number} has more items than were asked for", over)
    for items in _histories(history, call, over):
        newest = items if page.before is None else items[max(len(items) - len(shown), 0) :]
        if shown == newest and (page.before is None or len(items) > len(shown)):
            return
    yield Broken("I15", f"page {call.number} shows {shown}, which the history never was", over)


def _unknown(history: History, call: Call, over: int) -> Iterator[Broken]:
    heads = len(_heads(history, call.thread, call, over))
    if heads == len([*_histories(history, call, over)]):
        message = f"page {call.number} is told of no item {call.argument}, and it was there"
        yield Broken("I15", message, over)


def _histories(history: History, call: Call, over: int) -> Iterator[list[Shown]]:
    """Yield what a page is of: the history as it was, up to the item before which it is to end.

    There is none where that item was not.
    """
    for head in _heads(history, call.thread, call, over):
        items = model_of(history.epoch_log(call.thread, head)).history()
        ids = [item for item, _, _ in items]
        if call.argument is None:
            yield items
        elif call.argument in ids:
            yield items[: ids.index(call.argument)]


def _line(history: History, call: Call, line: Line, over: int) -> Iterator[Broken]:
    if line.position not in _heads(history, line.thread, call, over):
        where = line.position.cursor()
        message = f"listing {call.number} has {line.thread} at {where}, where it was not"
        yield Broken("I4", message, over)
        return
    log = history.epoch_log(line.thread, line.position)
    items = model_of(log).history()
    if line.items != len(items):
        message = f"listing {call.number} has {line.items} items of {line.thread}, not {items}"
        yield Broken("I15", message, over)
    done = [event for event in log if event.type not in _MAINTENANCE]
    if done and line.active_at != done[-1].raw["at"]:
        message = f"listing {call.number} has {line.thread} active at another time than it was"
        yield Broken("I5", f"{message}, by {done[-1].type}", over)


def _heads(history: History, thread: str, call: Call, over: int) -> list[Position]:
    """Return where a thread stood on disk while a call was under way, oldest first."""
    places = [e.index for e in history.logs[thread] if call.called < e.index < over]
    return [history.head(thread, index) for index in (call.called, *(p + 1 for p in places))]

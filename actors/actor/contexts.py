"""What turns are given of their thread's history: read once, then kept from one to the next.

An activation sees all that settles in its thread, so the next turn's history is the last one's and
what settled since. Nobody else can change it: another writer fences the activation, and no turn
starts without an append of its own.
"""

from __future__ import annotations

from collections import OrderedDict
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from attrs import define

from ..core.head import Settled
from ..core.items import Item
from ..core.weight import newest, weight_of

if TYPE_CHECKING:
    from ..core.step import Step
    from ..journal.contract import Journal
    from ..limits import Limits

# Bytes that a context takes with nothing in it, and its place among the others.
_EMPTY: Final = 500
_PLACE: Final = attrgetter("place")


@define(eq=False)
class Context:
    """What is kept of the history of an activation's thread.

    Args:
        most: how many items a turn is given.
        most_bytes: how much they may weigh; see `core.weight`.
        items: what the turn that lives was given, or else the next one will be; None until it is
            read. Turns hold it: it is replaced, never changed.
        weight: of the items.
        since: what settled behind the turn that lives, which that one is not given.
        since_weight: of that.
    """

    most: int
    most_bytes: int
    items: tuple[Item, ...] | None = None
    weight: int = 0
    since: tuple[Settled, ...] = ()
    since_weight: int = 0

    @property
    def whole_weight(self) -> int:
        """How many bytes all of it takes, about."""
        return _EMPTY + self.weight + self.since_weight

    def fill(self, items: tuple[Item, ...], weight: int) -> None:
        """Take what was read for the turn that lives, and what it weighs."""
        self.items, self.weight = items, weight

    def take(self, step: Step) -> bool:
        """Take in a decision that is durable; False where what is kept is of no more use."""
        if step.cut is not None or step.deletes:
            return False
        self.since += step.settled
        self.since_weight += sum([weight_of(part.items) for part in step.settled])
        live = step.state.live
        if not self.since or (live is not None and live.place < self.since[0].place):
            return True
        if self.items is None:
            return False  # the turn that was to read it is over
        parts = sorted(self.since, key=_PLACE)  # a turn stands before what came while it ran (I15)
        items = self.items + tuple([item for part in parts for item in part.items])
        weight = self.weight + self.since_weight
        self.items, self.weight = newest(items, weight, self.most, self.most_bytes)
        self.since, self.since_weight = (), 0
        return True


async def read_context(
    thread: str, place: int, journal: Journal, limits: Limits, most: int
) -> tuple[tuple[Item, ...], int]:
    """Return what a turn started at `place` is given (I15), and what it weighs.

    That is what ended before it: the newest `most` items of at most `limits.context_bytes`, oldest
    first. Nothing is read for none.

    Raises:
        JournalError: as the journal does.

    Cancellation changes nothing.
    """
    pages: list[tuple[Item, ...]] = []
    before: str | int | None = place - 1
    count = weight = 0
    while before is not None and count < most and weight < limits.context_bytes:
        want = min(limits.page_items_max, most - count)
        page = await journal.history(thread, before, want, limits.page_bytes)
        pages.append(page.items)
        count += len(page.items)
        weight += weight_of(page.items)
        before = page.before
    items = [item for page in reversed(pages) for item in page]
    return newest(items, weight, most, limits.context_bytes)


class Contexts:
    """The contexts of all activations of a runtime; which was not used for longest goes first.

    Args:
        limits: `kept_context_bytes` bounds all together (I12), `context_items` and `context_bytes`
            each of them; what has fewer than `kept_context_items` is not kept.

    Attributes:
        weight: of all of them, in bytes.
    """

    def __init__(self, limits: Limits) -> None:
        self.weight = 0
        self._limits = limits
        self._kept: OrderedDict[object, Context] = OrderedDict()

    def begin(self, activation: object, most: int | None, *, keep: bool) -> Context:
        """Return the context for a turn that starts now, which is to be read where it has no items.

        Args:
            activation: what the context belongs to.
            most: how many items its kind wants; None for as many as may be.
            keep: whether all that has settled is this turn's to read. What stands behind it was
                settled before, so the next turn would miss it.
        """
        context = self._take_out(activation)
        if context is None:
            limit = self._limits.context_items
            most = limit if most is None else min(most, limit)
            context = Context(most, self._limits.context_bytes)
        if keep:
            self._put(activation, context)
        return context

    def fill(
        self, activation: object, context: Context, items: tuple[Item, ...], weight: int
    ) -> None:
        """Keep what was read for a turn, unless it is next to nothing, or was dropped meanwhile."""
        if self._kept.get(activation) is context:
            self._take_out(activation)
            context.fill(items, weight)
            if len(items) >= self._limits.kept_context_items:
                self._put(activation, context)

    def take(self, activation: object, step: Step) -> None:
        """Take in a decision that is durable, all of them in their order."""
        context = self._take_out(activation)
        if context is not None and context.take(step):
            self._put(activation, context)

    def drop(self, activation: object) -> None:
        """Keep nothing for an activation any more."""
        self._take_out(activation)

    def _take_out(self, activation: object) -> Context | None:
        context = self._kept.pop(activation, None)
        if context is not None:
            self.weight -= context.whole_weight
        return context

    def _put(self, activation: object, context: Context) -> None:
        if context.whole_weight > self._limits.kept_context_bytes:
            return  # it would drive out all others, and then go itself
        self._kept[activation] = context
        self.weight += context.whole_weight
        while self.weight > self._limits.kept_context_bytes:
            _, gone = self._kept.popitem(last=False)
            self.weight -= gone.whole_weight

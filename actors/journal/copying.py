"""What a fork copies, told anew as steps of the thread that it makes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from attrs import define, evolve, field

from ..core.decide import Decision
from ..core.events import Event, ThreadCreated, ThreadTruncated
from ..core.head import Life
from ..core.refusals import no_such_item, no_such_thread
from ..core.step import Step, take_step
from ..core.telling import Part
from ..core.thread_state import ThreadState
from ..errors import Rejected
from ..limits import Limits
from . import rules
from .contract import Append, Copy

if TYPE_CHECKING:
    from ..core.head import Head, Settled


def check_absent(head: Head) -> None:
    """Refuse a fork into a thread that is there.

    Raises:
        Rejected: `bad_request`.
    """
    if head.life is not Life.ABSENT:
        raise Rejected("bad_request", "a thread of that id is there already")


def damaged_target() -> Rejected:
    """Return the refusal of a fork into a thread whose rows are damaged: its source is sound."""
    return Rejected("bad_request", "what is there of that id is damaged")


def check_source(head: Head) -> None:
    """Refuse a fork of a thread that is not there.

    Raises:
        Rejected: `thread_not_found`.
    """
    if head.life is Life.ABSENT:
        raise no_such_thread()


def last_copied(part: Settled | None, after: str) -> Settled:
    """Return the last part that is copied, with the items of it that are.

    Args:
        part: the one that the item names, if it is there.
        after: the item.

    Raises:
        Rejected: `item_not_found`.
    """
    if part is None or after not in [item.item for item in part.items]:
        raise no_such_item()
    return evolve(part, items=rules.kept(part.items, rules.named_item(after)[1]))


@define
class Retelling:
    """The new thread as it comes to be, a part of history after the other.

    Args:
        copy: what is asked.
        state: the new thread, as far as it came; absent at first.
        limits: `fork_items` bounds it, and `fork_portion_events` and `_bytes` a portion.
        whole: whether the last portion was told.
    """

    copy: Copy
    state: ThreadState
    limits: Limits
    whole: bool = field(default=False, init=False)
    _items: int = field(default=0, init=False)

    def portions(self, parts: Iterator[Settled]) -> Iterator[Append]:
        """Yield what is written, a portion at a time, and all of it at once where that fits.

        Args:
            parts: what is copied, with the items that it has left, oldest first.

        Raises:
            Rejected: `too_large`.
        """
        steps, size = [self._step(ThreadCreated(), self.copy.at)], 0
        for part in parts:
            for step in self._part(part):
                steps.append(step)
                size += sum(len(row.body) for row in step.rows)
                if self._is_portion(len(steps), size):
                    yield self._append(steps)
                    steps, size = [], 0
        steps.append(self._end())
        self.whole = True
        yield self._append(steps)

    def _is_portion(self, events: int, size: int) -> bool:
        most = self.limits
        return events >= most.fork_portion_events or size >= most.fork_portion_bytes

    def _part(self, part: Settled) -> Iterator[Step]:
        self._items += len(part.items)
        if self._items > self.limits.fork_items:
            raise Rejected("too_large", f"a fork copies at most {self.limits.fork_items} items")
        if part.items:
            ran = part.place != part.last
            for event, at in Part(part.items, part.state, part.ended_at, ran).told(self.limits):
                yield self._step(event, at)

    def _end(self) -> Step:
        # What comes behind the item left the history: so the floor is here, and nobody is shown the
        # telling as if it had happened.
        truncated = ThreadTruncated(self.copy.after, self.state.transcript_items)
        return self._step(truncated, self.copy.at)

    def _append(self, steps: Sequence[Step]) -> Append:
        return Append(
            thread=self.copy.to,
            expected=self.state.position,
            generation=0,
            rows=tuple(row for step in steps for row in step.rows),
            head=self.state.head,
            settled=tuple(part for step in steps for part in step.settled),
        )

    def _step(self, event: Event, at: float) -> Step:
        step = take_step(self.state, Decision(((event, 1),)), at)
        self.state = step.state
        return step

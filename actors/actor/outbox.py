"""The outbox: decisions in their order, on their way to the journal, to viewers and to callers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from ..core.step import Step
from ..core.value import value
from ..errors import Rejected
from ..journal.contract import Append
from .reply import Reply

if TYPE_CHECKING:
    from ..core.head import Kept
    from ..core.position import Position


@value
class Outgoing:
    """A decision whose consequences wait until everything up to it is durable (idea 2).

    Args:
        step: what follows from it; of a refusal, nothing but the state that it was made in.
        reply: who asked, if anybody did.
        refusal: why the command was refused, if it was.
        pieces: how many pieces of the turn's buffer it holds.
    """

    step: Step
    reply: Reply | None = None
    refusal: Rejected | None = None
    pieces: int = 0


def take_batch(outbox: list[Outgoing]) -> tuple[Outgoing, ...]:
    """Take what goes out in one append: everything, up to a truncation or a deletion."""
    if len(outbox) == 1:  # the rule while a turn runs
        return (outbox.pop(),)
    ends = (
        number
        for number, outgoing in enumerate(outbox, 1)
        if outgoing.step.cut is not None or outgoing.step.deletes
    )
    batch = tuple(outbox[: next(ends, len(outbox))])
    del outbox[: len(batch)]
    return batch


def replies_of(batch: Iterable[Outgoing]) -> tuple[Reply, ...]:
    """Return everybody who waits for one of these decisions."""
    return tuple([outgoing.reply for outgoing in batch if outgoing.reply])


def append_of(
    thread: str,
    generation: int,
    expected: Position,
    batch: tuple[Outgoing, ...],
    due: Callable[[], Kept | None],
) -> Append | None:
    """Return the batch as one atomic append, or None where it only answers.

    Args:
        thread, generation, expected: as of `Append`.
        batch: what was decided.
        due: gives the fold that is to be kept with it.
    """
    step = batch[0].step if len(batch) == 1 else _joined([outgoing.step for outgoing in batch])
    if not step.rows:
        return None
    # In order, since names would cost as much again, and this is done for each piece.
    return Append(
        thread,
        expected,
        generation,
        step.rows,
        step.state.head,
        step.settled,
        step.receipts,
        step.cut,
        step.deletes,
        due(),
    )


def _joined(steps: Sequence[Step]) -> Step:
    last = steps[-1]
    return Step(
        last.state,
        rows=tuple(chain.from_iterable([step.rows for step in steps])),
        settled=tuple(chain.from_iterable([step.settled for step in steps])),
        receipts=tuple(chain.from_iterable([step.receipts for step in steps])),
        cut=last.cut,
        deletes=last.deletes,
    )

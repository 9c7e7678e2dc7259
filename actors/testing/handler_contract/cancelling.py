"""What holds of a handler that is cancelled, wherever that finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio
import trio.testing

from .kit import Check, Observed, Stage, check_ended, staged

if TYPE_CHECKING:
    from ...actor.kinds import ThreadKind

# Calls of its handle at which a handler is cancelled; the first ones tell the most.
_PLACES: Final = 8


async def stops_at_any_call(kind: ThreadKind) -> None:
    """Cancelled as it calls its turn's handle: it stops in its grace and leaves nothing."""
    await _stops_everywhere(kind, waiting=False)


async def stops_while_it_waits(kind: ThreadKind) -> None:
    """Cancelled as it waits for a model, a tool or a timer: likewise."""
    await _stops_everywhere(kind, waiting=True)


async def answers_after_a_cancel(kind: ThreadKind) -> None:
    """The next turn of the thread is as good as the first."""
    async with staged(kind) as stage:
        observed, _ = await _stopped(stage, 0, waiting=True)
        check_ended(*await stage.answered())
        await stage.check_nothing_left(observed)


async def _stops_everywhere(kind: ThreadKind, *, waiting: bool) -> None:
    for place in range(_PLACES):
        async with staged(kind) as stage:
            observed, reached = await _stopped(stage, place, waiting=waiting)
            assert not observed.swallowed, "it was cancelled, and the cancellation never came out"
            await stage.check_nothing_left(observed)
        if not reached:
            return


async def _stopped(stage: Stage, place: int, *, waiting: bool) -> tuple[Observed, bool]:
    """Cancel a turn at a place of its handler; return the run, and whether it came so far."""
    observed = Observed(at=place, holds=not waiting)
    stage.expected.append(observed)
    asked = await stage.thread.submit("hello")
    reached = await _reached(observed)
    if waiting:
        await trio.testing.wait_all_tasks_blocked()
    observed.stopping = not observed.over.is_set()
    cancelled = await stage.thread.cancel(asked.turn)
    assert cancelled.outcome != "abandoned", "it was cancelled, and did not stop in its grace"
    settled = await stage.thread.outcome(asked.turn)
    assert observed.over.is_set(), f"its turn is {settled.state}, and it goes on"
    return observed, reached


async def _reached(observed: Observed) -> bool:
    """Wait until the handler is at its place, or over; say which."""
    async with trio.open_nursery() as nursery:

        async def wait(event: trio.Event) -> None:
            await event.wait()
            nursery.cancel_scope.cancel()

        nursery.start_soon(wait, observed.reached)
        nursery.start_soon(wait, observed.over)
    return observed.reached.is_set()


CHECKS: Final[tuple[Check, ...]] = (
    stops_at_any_call,
    stops_while_it_waits,
    answers_after_a_cancel,
)

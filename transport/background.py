"""A nursery for tasks that serve the body of a `with`, and stay out of its way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def background_nursery() -> AsyncIterator[trio.Nursery]:
    """Open a nursery whose tasks end with the body; what the body raises comes out as it is.

    A bare nursery would wrap the body's exception in a group, and so every `except` around it would
    have to know that there is a nursery inside.

    Raises:
        BaseException: what the body raised, or what one of the tasks raised, which cancels the
            body; all of it in a group where it was more than one of them.
    """
    raised: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            try:
                yield nursery
            except BaseException as exc:
                raised = exc
                raise
            finally:
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raised = _bare(group, raised)
    if raised is not None:
        raise raised


def _bare(group: BaseExceptionGroup[BaseException], raised: BaseException | None) -> BaseException:
    """Return the exception that a nursery's group stands for.

    The nursery has taken out what its own cancellation caused. So where a `Cancelled` is left, it
    is on its way to a scope around the nursery, and so is the one that the body raised.
    """
    of_body = {id(leaf) for leaf in _leaves(raised)} if raised is not None else set[int]()
    of_tasks = [
        leaf
        for leaf in _leaves(group)
        if id(leaf) not in of_body and not isinstance(leaf, trio.Cancelled)
    ]
    if not of_tasks:
        return raised if raised is not None else group
    body_raised = raised is not None and not isinstance(raised, trio.Cancelled)
    return group if body_raised or len(of_tasks) > 1 else of_tasks[0]


def _leaves(exc: BaseException) -> Iterator[BaseException]:
    """Yield the exceptions of a group; a nursery may have made other groups of them."""
    if isinstance(exc, BaseExceptionGroup):
        for inner in exc.exceptions:
            yield from _leaves(inner)
    else:
        yield exc

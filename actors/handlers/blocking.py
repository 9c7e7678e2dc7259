"""Handlers that block: an ordinary function or generator, run in a worker thread.

    @blocking
    def reply(turn: BlockingTurn) -> Iterator[str]:
        for chunk in some_blocking_library.stream(turn.messages()):
            yield chunk.text

The worker thread hands each piece to the event loop and waits until the turn's buffer took it, so a
handler that is too fast is slowed down. It notices a cancellation when it hands over its next
piece: the generator is closed there, and its `finally` blocks run. A worker thread that waits for
something else cannot be stopped; where it does not come back within the kind's `cancel_grace`, its
turn is abandoned, as that of any handler that will not stop.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from functools import partial, update_wrapper
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import trio
import trio.from_thread
import trio.to_thread
from attrs import frozen

from ..core.items import Content

if TYPE_CHECKING:
    from ..actor.turn import Turn

# Worker threads of one handler at a time; further turns wait for one, without blocking anybody.
WORKERS: Final = 40
# Characters of a piece; a longer one is handed over in several, each within `Limits.piece_bytes`.
_PIECE_CHARACTERS: Final = 16 * 1024


@frozen(kw_only=True)
class BlockingTurn:
    """What a blocking handler sees of its turn. It answers by what it yields or returns.

    Args:
        thread: the thread's id.
        id: the turn's own id.
        attempt: as `Turn.attempt`.
        metadata: what the client sent along, untouched.
        content: what was said: text, or a list of parts.
        text: the plain text of it.
        history: what `messages` returns.
    """

    thread: str
    id: str
    attempt: int
    metadata: Mapping[str, Any]
    content: Content
    text: str
    history: Sequence[Mapping[str, Any]]

    def messages(self) -> list[dict[str, Any]]:
        """Return the conversation for a model, oldest first; see `Turn.messages`."""
        return [dict(message) for message in self.history]


# Returns the answer, or yields it piece by piece.
BlockingHandler: TypeAlias = Callable[[BlockingTurn], str | Iterable[str]]


def blocking(
    handler: BlockingHandler, *, workers: int = WORKERS
) -> Callable[[Turn], Awaitable[None]]:
    """Make a handler of a blocking function or generator function; also a decorator.

    Args:
        handler: is called in a worker thread with a `BlockingTurn`, and returns the answer or
            yields its pieces. What it raises ends the turn as in any handler.
        workers: how many turns may run at a time; each holds an OS thread while it does.

    Returns:
        The handler, to be given to `open_runtime` or a `ThreadKind`.

    Raises:
        TypeError: where `handler` is asynchronous already.
    """
    if inspect.iscoroutinefunction(handler) or inspect.isasyncgenfunction(handler):
        raise TypeError(f"{handler!r} is asynchronous: it is a handler as it is")
    limiter = trio.CapacityLimiter(workers)

    async def reply(turn: Turn) -> None:
        work = partial(_work, handler, _seen(turn), turn.write)
        # Never abandoned by itself: the turn's grace counts and names a thread that hangs.
        await trio.to_thread.run_sync(work, abandon_on_cancel=False, limiter=limiter)

    return update_wrapper(reply, handler)


def _seen(turn: Turn) -> BlockingTurn:
    return BlockingTurn(
        thread=turn.thread,
        id=turn.id,
        attempt=turn.attempt,
        metadata=turn.metadata,
        content=turn.content,
        text=turn.text,
        history=turn.messages(),
    )


def _work(
    handler: BlockingHandler, turn: BlockingTurn, write: Callable[[str], Awaitable[None]]
) -> None:
    answer = handler(turn)
    if isinstance(answer, str):
        _hand_over(answer, write)
    elif isinstance(answer, Generator):
        with closing(answer):  # where a cancellation ends it, its `finally` blocks run here
            _hand_over_all(answer, write)
    else:
        _hand_over_all(answer, write)


def _hand_over_all(pieces: Iterable[str], write: Callable[[str], Awaitable[None]]) -> None:
    for piece in pieces:
        _hand_over(piece, write)


def _hand_over(piece: str, write: Callable[[str], Awaitable[None]]) -> None:
    """Wait in the worker thread until the turn took a piece; raises what `Turn.write` raises."""
    for start in range(0, len(piece), _PIECE_CHARACTERS):
        trio.from_thread.run(write, piece[start : start + _PIECE_CHARACTERS])

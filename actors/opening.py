"""`open_runtime`: a runtime of what it is to have, hosted while its block runs."""

from __future__ import annotations

import contextvars
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, Literal, TypeAlias

import trio

from .actor.kinds import Handler, ThreadKind
from .core.arguments import check_has, check_is, shown
from .incident.recording import RecordTo, recorded
from .journal.contract import Journal
from .journal.sqlite import open_sqlite_journal
from .limits import DEFAULT_LIMITS, Limits
from .ports import Clock, Ids, RandomIds, SystemClock
from .runtime import Runtime

# Called anew whenever the journal has to be opened: at the start, and after it failed.
JournalOpener: TypeAlias = Callable[[], Awaitable[Journal]]

_DURABILITIES: Final = ("full", "relaxed")


def opener_of(
    journal: str | os.PathLike[str] | Journal | JournalOpener,
    durability: Literal["full", "relaxed"],
    limits: Limits,
) -> JournalOpener:
    """Return what opens a journal; arguments, and what is refused, as `open_runtime`'s."""
    if durability not in _DURABILITIES:
        raise ValueError(f"durability is {' or '.join(_DURABILITIES)}, not {shown(durability)}")
    if isinstance(journal, str | os.PathLike):
        return partial(open_sqlite_journal, journal, durability=durability, limits=limits)
    if callable(journal):
        return journal
    if not hasattr(journal, "append_many"):
        expected = "a path, a journal or a function that opens one"
        raise TypeError(f"open_runtime takes {expected}, not {shown(journal)}")

    async def the_one_given() -> Journal:
        await trio.lowlevel.checkpoint()
        return journal

    return the_one_given


def kinds_of(
    on_turn: Handler | None, kind_of: Callable[[str], ThreadKind] | None
) -> Callable[[str], ThreadKind]:
    """Return what gives a thread's kind; arguments, and what is refused, as `open_runtime`'s."""
    if (on_turn is None) == (kind_of is None):
        given = "neither" if on_turn is None else "both"
        raise TypeError(f"open_runtime takes either on_turn or kind_of, not {given}")
    if on_turn is not None:
        kind = ThreadKind(on_turn=on_turn)
        return lambda _: kind
    if not callable(kind_of):
        raise TypeError(f"kind_of takes a function of a thread's id, not {shown(kind_of)}")
    return partial(_checked_kind, kind_of)


def _checked_kind(kind_of: Callable[[str], ThreadKind], thread: str) -> ThreadKind:
    kind = kind_of(thread)
    if not isinstance(kind, ThreadKind):
        raise TypeError(
            f"kind_of has to return a ThreadKind; of {thread!r} it returned {shown(kind)}"
        )
    return kind


def _check(limits: object, clock: object, ids: object, record_to: object) -> None:
    check_is("limits", limits, Limits)
    check_has("clock", clock, "now")
    check_has("ids", ids, "fresh")
    if record_to is not None and not isinstance(record_to, str | os.PathLike):
        check_has("record_to, where it is no folder,", record_to, "__call__")


@asynccontextmanager
async def open_runtime(
    journal: str | os.PathLike[str] | Journal | JournalOpener,
    *,
    on_turn: Handler | None = None,
    kind_of: Callable[[str], ThreadKind] | None = None,
    durability: Literal["full", "relaxed"] = "full",
    limits: Limits = DEFAULT_LIMITS,
    clock: Clock | None = None,
    ids: Ids | None = None,
    watchdog: bool = False,
    record_to: RecordTo | None = None,
) -> AsyncIterator[Runtime]:
    """Open a runtime, and drain it on the way out.

    Args:
        journal: the path of a SQLite file, made where it is not there; or a journal; or a function
            that opens one, which is called again after the journal failed.
        on_turn: the handler of every thread: the short form for one kind.
        kind_of: gives a thread's kind from its id: at once, and the same one each time that it is
            called. Exactly one of the two is given.
        durability: of a file: `full` survives power loss, `relaxed` only a crash of the process.
        limits: the bounds in force.
        clock, ids: where the time of day and fresh ids come from.
        watchdog: log the stack of code that holds the event loop for `limits.watchdog_seconds`, as
            a server does; not on a virtual clock.
        record_to: a folder, made where it is not there, or a function that takes lines: where to
            write down what is asked of the threads and what comes of it, so that an incident can be
            replayed. None records nothing. At most `limits.record_bytes` of it are kept, and it
            never holds up the runtime: where the disk fails it ends, and the log says so.

    Yields:
        The runtime, once every turn that a crash left open is settled (I9).

    Raises:
        TypeError, ValueError: an argument is of another sort than it has to be.
        JournalUnavailable: where the file cannot be opened, or another process has it.
        OSError: where the folder to record into cannot be opened.
        TurnsAbandoned: on the way out, where handlers would not stop.

    Leaving it, also by cancellation, drains: turns may go on for `limits.drain_seconds`, then they
    are interrupted and have their grace to stop in.
    """
    clock, ids = clock or SystemClock(), ids or RandomIds()
    _check(limits, clock, ids, record_to)
    kinds = kinds_of(on_turn, kind_of)
    opener = opener_of(journal, durability, limits)
    body = trio.CancelScope()
    async with recorded(record_to, clock, limits) as recording:
        runtime = Runtime(
            opener,
            kinds,
            ids,
            limits,
            body.cancel,
            recording,
        )
        # A system task: a cancellation of the embedding code must not reach the actors before they
        # are drained, and a handler that will not stop must not keep that code from going on.
        trio.lowlevel.spawn_system_task(
            runtime.host,
            clock,
            watchdog,
            name="holdfast.runtime",
            context=contextvars.copy_context(),
        )
        try:
            await runtime.opened()
            with body:  # where the runtime itself fails, its user is stopped and told why
                yield runtime
        finally:
            await runtime.close()  # noqa: ASYNC102 - it shields itself, and bounds every wait

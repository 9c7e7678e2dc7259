"""A recording: what the runtime tells of commands, attachments and endings, line by line."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
import trio

from ..core.position import parse_cursor
from ..errors import PositionUnrecoverable
from .caller import Numbers
from .lines import FORMAT, answer_fields, asked_fields, command_name, line
from .output import Output, open_files

if TYPE_CHECKING:
    from ..core.commands import Command
    from ..core.effects import Result
    from ..core.events import TurnEnded
    from ..core.position import Position
    from ..core.resume import AttachPlan
    from ..errors import Rejected
    from ..limits import Limits
    from ..ports import Clock

# Is given each line, its end included; returns at once, and does not raise.
Sink: TypeAlias = Callable[[bytes], None]
# What a runtime may be recorded to: the path of a folder, or a sink.
RecordTo: TypeAlias = str | os.PathLike[str] | Sink
# Where each thread that is active stands.
Heads: TypeAlias = Callable[[], Iterable[tuple[str, "Position"]]]


class Recording:
    """Writes down what happens to the threads of a runtime, and changes nothing about it.

    Args:
        clock: gives the time of day; what lies how far apart comes from trio's own clock.
        limits: those of the runtime.

    Attributes:
        put: takes the lines.
        output: writes them into files, where that is where they go.
        heads: gives where the threads are that are active, for a file that begins in between.
    """

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self.put: Sink = _nowhere
        self.output: Output | None = None
        self.heads: Heads = tuple
        self._clock = clock
        self._limits = limits
        self._callers = Numbers()
        self._last = 0

    async def run(self) -> None:
        """Write what there is to write, until cancelled."""
        if self.output is not None:
            await self.output.run()

    def asked(
        self,
        thread: str,
        command: Command,
        principal: str | None,
        reply: Callable[[Result | Rejected], None],
    ) -> Callable[[Result | Rejected], None]:
        """Note a command, and return what its answer goes through, to be noted as well.

        What the runtime asks of itself (`principal` is None) it will ask again: it is not noted.
        """
        if principal is None:
            return reply
        place = {"principal": principal, "thread": thread}
        number = self._note_numbered(
            "asked", **place, command=command_name(command), **asked_fields(command)
        )

        def answered(answer: Result | Rejected) -> None:
            self._note("answered", n=number, **answer_fields(answer))
            reply(answer)

        return answered

    def attaching(self, thread: str, principal: str) -> Watched:
        """Return what notes an attachment, once it is made, and its end."""
        return Watched(self, thread, principal)

    def claimed(self, thread: str, position: Position) -> None:
        """Note that a thread is activated, and where it stands."""
        self._note("claimed", thread=thread, position=position.cursor())

    def ended(self, thread: str, event: TurnEnded) -> None:
        """Note how a turn ended."""
        self._note("ended", thread=thread, turn=event.turn, state=event.state.value)

    def failed(self, thread: str | None, failure: Exception) -> None:
        """Note that an actor failed; or the journal, where no thread is named."""
        self._note("failed", thread=thread, error=type(failure).__name__)

    def begin(self) -> None:
        """Note that the process starts."""
        self._note("start", format=FORMAT, limits=attrs.asdict(self._limits))

    def end(self) -> None:
        """Note that it stopped in order."""
        self._note("stop")

    def header(self, dropped: int) -> bytes:
        """Return what a file begins with; `dropped` lines are gone since the process started."""
        known = {"format": FORMAT, "limits": attrs.asdict(self._limits)}
        lines = [self._line("goes_on", **known, dropped=dropped)]
        for thread, position in self.heads():
            lines.append(self._line("claimed", thread=thread, position=position.cursor()))
        return b"".join(lines)

    def attached(
        self, thread: str, principal: str, cursor: str | None, plan: AttachPlan, at: Position
    ) -> int:
        """Note an attachment, and return its number."""
        place = {"principal": principal, "thread": thread}
        begins = {"mode": plan.mode.value, "reason": plan.reason, "position": at.cursor()}
        return self._note_numbered("attached", **place, cursor=_readable(cursor), **begins)

    def detached(self, number: int) -> None:
        """Note the end of an attachment."""
        self._note("detached", n=number)

    def _note_numbered(self, what: str, **fields: Any) -> int:
        self._last += 1
        self._note(what, n=self._last, caller=self._callers.current(), **fields)
        return self._last

    def _note(self, what: str, **fields: Any) -> None:
        self.put(self._line(what, **fields))

    def _line(self, what: str, **fields: Any) -> bytes:
        mono = round(trio.current_time(), 6)
        return line(what, at=self._clock.now(), mono=mono, **fields)


class Watched:
    """One attachment on its way into a recording."""

    def __init__(self, recording: Recording, thread: str, principal: str) -> None:
        self._recording = recording
        self._place = thread, principal
        self._number: int | None = None

    def attached(self, cursor: str | None, plan: AttachPlan, at: Position) -> None:
        """Note that it is made."""
        self._number = self._recording.attached(*self._place, cursor, plan, at)

    def detached(self) -> None:
        """Note its end; where it never was, there is none."""
        if self._number is not None:
            self._recording.detached(self._number)


@asynccontextmanager
async def recorded(
    to: RecordTo | None, clock: Clock, limits: Limits
) -> AsyncIterator[Recording | None]:
    """Record while the block runs; nothing, where there is nowhere to go.

    Somebody has to `run` what it yields.

    Raises:
        OSError: where the files cannot be opened.

    Leaving it writes the last lines, shielded from cancellation and bounded.
    """
    if to is None:
        yield None
        return
    recording = Recording(clock, limits)
    if isinstance(to, str | os.PathLike):
        files = await trio.to_thread.run_sync(open_files, Path(to))
        recording.output = Output(files, limits, recording.header)
        recording.put = recording.output.put
    else:
        recording.put = to
    recording.begin()
    try:
        yield recording
    finally:
        recording.end()
        if recording.output is not None:
            await recording.output.aclose()  # noqa: ASYNC102 - it shields itself, and is bounded


def _readable(cursor: str | None) -> str | None:
    """Return a cursor as it may be written down: what is none may be anything, of any length."""
    try:
        return None if cursor is None else parse_cursor(cursor).cursor()
    except PositionUnrecoverable:
        return "unreadable"


def _nowhere(text: bytes) -> None:
    """Stand for a recording that has not begun."""

"""A recording: what the runtime tells of commands, attachments and endings, as lines of a file."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio

from .caller import Numbers
from .lines import FORMAT, answer_fields, asked_fields, command_name, line
from .output import Output, open_output

if TYPE_CHECKING:
    from ..core.commands import Command
    from ..core.effects import Result
    from ..core.events import TurnEnded
    from ..core.resume import AttachPlan
    from ..errors import Rejected
    from ..limits import Limits
    from ..ports import Clock


class Recording:
    """Writes down what happens to the threads of a runtime, and changes nothing about it.

    Args:
        output: where the lines go.
        clock: gives the time of day; what lies how far apart comes from trio's own clock.
    """

    def __init__(self, output: Output, clock: Clock) -> None:
        self.output = output
        self._clock = clock
        self._callers = Numbers()
        self._last = 0

    def asked(
        self,
        thread: str,
        command: Command,
        principal: str | None,
        reply: Callable[[Result | Rejected], None],
    ) -> Callable[[Result | Rejected], None]:
        """Note a command, and return what its answer goes through, to be noted as well."""
        number = self._number()
        self._note(
            "asked",
            n=number,
            caller=self._callers.current(),
            principal=principal,
            thread=thread,
            command=command_name(command),
            fields=asked_fields(command),
        )

        def answered(answer: Result | Rejected) -> None:
            self._note("answered", n=number, **answer_fields(answer))
            reply(answer)

        return answered

    def attaching(self, thread: str, principal: str | None) -> Watched:
        """Return what notes an attachment, once it is made, and its end."""
        return Watched(self, thread, principal)

    def ended(self, thread: str, event: TurnEnded) -> None:
        """Note how a turn ended."""
        self._note("ended", thread=thread, turn=event.turn, state=event.state.value)

    def begin(self) -> None:
        """Note that the process starts."""
        self._note("start", format=FORMAT)

    def end(self) -> None:
        """Note that it stopped in order."""
        self._note("stop")

    def attached(
        self, thread: str, principal: str | None, cursor: str | None, plan: AttachPlan
    ) -> int:
        """Note an attachment, and return its number."""
        number = self._number()
        self._note(
            "attached",
            n=number,
            caller=self._callers.current(),
            principal=principal,
            thread=thread,
            cursor=cursor,
            mode=plan.mode.value,
            reason=plan.reason,
        )
        return number

    def detached(self, number: int) -> None:
        """Note the end of an attachment."""
        self._note("detached", n=number)

    def _number(self) -> int:
        self._last += 1
        return self._last

    def _note(self, what: str, **fields: Any) -> None:
        if not self.output.stopped:
            mono = round(trio.current_time(), 6)
            self.output.put(line(what, at=self._clock.now(), mono=mono, **fields))


class Watched:
    """One attachment on its way into a recording."""

    def __init__(self, recording: Recording, thread: str, principal: str | None) -> None:
        self._recording = recording
        self._place = thread, principal
        self._number: int | None = None

    def attached(self, cursor: str | None, plan: AttachPlan) -> None:
        """Note that it is made."""
        self._number = self._recording.attached(*self._place, cursor, plan)

    def detached(self) -> None:
        """Note its end; where it never was, there is none."""
        if self._number is not None:
            self._recording.detached(self._number)


@asynccontextmanager
async def record_to(
    path: str | os.PathLike[str] | None, clock: Clock, limits: Limits
) -> AsyncIterator[Recording | None]:
    """Record into a file while the block runs; without a path, nothing.

    Raises:
        OSError: where the file cannot be opened.

    Leaving it writes the last lines, shielded from cancellation and bounded.
    """
    if path is None:
        yield None
        return
    recording = Recording(await open_output(path, limits), clock)
    recording.begin()
    try:
        yield recording
    finally:
        recording.end()
        await recording.output.aclose()  # noqa: ASYNC102 - it shields itself, and is bounded

"""The recording of an incident, played line by line to a simulation."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import trio
from attrs import evolve

from ...core.position import Position, parse_cursor
from ..facts import Answered as AnsweredFact
from ..facts import Called, Stored
from ..operations import Attach, Crash, Cursor, Damage, FailJournal, Restart
from ..operations import Detach as DetachOperation
from ..scenario import Step
from .asking import Bodies, answer_of, answers_of, cursor_then, in_a_word, question
from .lines import Answered, Asked, Attached, Detached, Ended, Failed, GoesOn, Start, Stop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...core.effects import Result
    from ...errors import Rejected
    from ..process import Process
    from ..simulation import Simulation
    from ..world import World
    from .lines import Line
    from .past import Past
    from .recall import Recall

# Refusals of a runtime that was about to close: the simulated one closes in no time.
_CLOSING: Final = "draining"
# Refusals of commands that a failure of the journal struck, so many seconds before it is told of.
_FAILED: Final = "journal_unavailable"
_JUST_BEFORE: Final = 0.1


def lives(lines: Sequence[Line]) -> list[list[Line]]:
    """Return the lines of each life of the process."""
    found: list[list[Line]] = []
    for line in lines:
        if isinstance(line, Start) or not found:
            found.append([])
        found[-1].append(line)
    return found


class Play:
    """Asks what was asked, when it was, and keeps what is answered otherwise.

    Args:
        lines: the recording.
        past: what the journal knows beside it.
        world: where it is played.
        recall: lets the turns end.

    Attributes:
        notes: what was not played.
        differences: which answers are not those of the incident, in sentences.
    """

    def __init__(self, lines: Sequence[Line], past: Past, world: World, recall: Recall) -> None:
        self.notes: list[str] = []
        self.differences: list[str] = []
        self._lives = [_with_faults_in_front(life) for life in lives(lines)]
        self._past = past
        self._world = world
        self._recall = recall
        self._bodies = Bodies(past)
        self._answers: dict[int, Answered] = {}
        self._attached: dict[int, tuple[int, str]] = {}
        self._heads: defaultdict[str, Position] = defaultdict(lambda: Position(1, 0))
        self._read = 0
        self._skipped = 0

    @property
    def longest_silence(self) -> float:
        """Seconds between two lines, at the most."""
        times = [[line.mono for line in life] for life in self._lives]
        return max((b - a for life in times for a, b in pairwise(life)), default=0.0)

    async def __call__(self, simulation: Simulation) -> None:
        """Play all of it, and let everything come to its end."""
        stopped = False
        for number, life in enumerate(self._lives):
            if number:
                self._recall.let_life_end()
                await self._world.delays.quiet()
                await simulation.perform(Step(0, "", Restart() if stopped else Crash()))
            await simulation.serving()
            await self._play_life(simulation, life)
            stopped = isinstance(life[-1], Stop)
        self._recall.let_all_end()
        if self._skipped:
            self.notes.append(f"{self._skipped} commands were left out: nothing came of them then")

    async def _play_life(self, simulation: Simulation, life: Sequence[Line]) -> None:
        self._answers, self._attached = answers_of(life), {}
        began, first = trio.current_time(), life[0].mono
        for line in life:
            simulation.renew_patience()
            at = began + line.mono - first
            if at > trio.current_time():
                await trio.sleep_until(at)
            await self._play(simulation, await simulation.serving(), line)

    async def _play(self, simulation: Simulation, process: Process, line: Line) -> None:
        match line:
            case Asked():
                self._ask(process, line)
            case Attached(caller=caller, thread=thread, n=n):
                self._attached[n] = caller, thread
                simulation.clients.principals[caller] = line.principal
                await self._attach(simulation, process, line)
            case Detached(n=n) if n in self._attached:
                step = Step(*self._attached.pop(n), DetachOperation())
                await simulation.clients.perform(process, step)
            case Ended(turn=turn):
                self._recall.let_end(turn)
                await self._world.delays.quiet()
            case Answered():
                await self._world.delays.quiet()
            case Failed(thread=None):
                await simulation.perform(Step(0, "", FailJournal()))
            case Failed(thread=str(thread), error="JournalCorrupt"):
                await simulation.perform(Step(0, thread, Damage()))
            case _:
                pass

    # Commands

    def _ask(self, process: Process, asked: Asked) -> None:
        then = self._answers.get(asked.n)
        asking = question(asked, self._bodies.of(asked, then))
        if asking is None or _came_to_nothing(asked, then):
            self._skipped += 1
            return
        operation, argument, command = asking
        call = self._world.recorder.next_call()
        author = asked.principal
        process.note(Called(call, asked.caller, asked.thread, operation, argument, author))
        reply = partial(self._answered, process, call, asked, then)
        process.runtime.gateway.post(asked.thread, command, reply, asked.principal)

    def _answered(
        self,
        process: Process,
        call: int,
        asked: Asked,
        then: Answered | None,
        answer: Result | Rejected,
    ) -> None:
        if not process.alive:
            return
        process.note(AnsweredFact(call, answer_of(answer)))
        was, now = in_a_word(then), in_a_word(answer)
        if was != now:
            what = f"call {call}, {asked.command} of thread {asked.thread}"
            self.differences.append(f"{what}: {now}; in the incident {was}")

    # Subscribers

    async def _attach(self, simulation: Simulation, process: Process, line: Attached) -> None:
        cursor = cursor_then(line.cursor, self._past.before[line.thread].epoch)
        held = cursor is not None and line.mode != "reset" and self._reached(line.thread, cursor)
        operation = Attach(Cursor.HELD if held else Cursor.NONE)
        step = Step(line.caller, line.thread, operation)
        await simulation.clients.attach(process, step, cursor)

    def _reached(self, thread: str, cursor: str) -> bool:
        """Say whether the log got as far as a cursor in this run too: else nobody was given it."""
        records = self._world.recorder.records
        for record in records[self._read :]:
            if isinstance(record.fact, Stored) and record.fact.rows:
                stored = Position(record.fact.epoch, record.fact.rows[-1].to)
                self._heads[record.fact.thread] = max(stored, self._heads[record.fact.thread])
        self._read = len(records)
        return parse_cursor(cursor) <= self._heads[thread]


def _came_to_nothing(asked: Asked, then: Answered | None) -> bool:
    """Say whether a command had no effect for a reason that the simulation does not have."""
    if then is None:
        return False
    conditional = asked.unless_busy or asked.unless_used
    return then.refused == _CLOSING or (conditional and then.existed is False)


def _with_faults_in_front(life: Sequence[Line]) -> list[Line]:
    """Return the lines with each failure of the journal in front of what it struck.

    It is told of once it has happened: what it struck is the oldest command that had no answer by
    then, or was refused for it just before.
    """
    found: list[Line] = []
    waiting: dict[int, Asked] = {}
    refused: list[tuple[float, Asked]] = []
    for line in life:
        match line:
            case Asked(n=n):
                waiting[n] = line
            case Answered(n=n) if n in waiting:
                asked = waiting.pop(n)
                refused += [(line.mono, asked)] if line.refused == _FAILED else []
            case Failed(thread=None):
                by_it = [asked for at, asked in refused if line.mono - at < _JUST_BEFORE]
                struck = min((*waiting.values(), *by_it), key=lambda asked: asked.n, default=None)
                refused.clear()
                if struck is not None:
                    found.insert(found.index(struck), evolve(line, mono=struck.mono))
                    continue
            case GoesOn() if found:
                continue
            case _:
                pass
        found.append(line)
    return found

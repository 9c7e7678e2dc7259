"""`replay_incident`: what a runtime was asked in production, asked again in a simulation."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio
from attrs import field, frozen

from ...actor.kinds import ThreadKind
from ...journal.sqlite import open_sqlite_journal
from ...transfer import Restoration, import_thread
from ..facts import Stored
from ..recorder import Record
from ..run import InvariantBroken, Run
from ..scenario import Scenario
from ..schedule import PLAIN
from ..simulation import KindOf, MakeHandler, Simulation, drive
from ..world import World
from .lines import DamagedIncident, GoesOn, Lines, Start, read_lines
from .past import Past, read_past
from .play import Play
from .recall import Recall

if TYPE_CHECKING:
    import os

    from ...actor.kinds import Handler
    from ..checkers import Broken
    from ..scripted_service import MakeService

# Virtual seconds beyond the longest silence of the recording: more than any timer of a runtime.
_PATIENCE: Final = 86_400.0


@frozen
class Incident:
    """A recording, and what the journal knows beside it. Made by `read_incident`."""

    recording: Lines
    past: Past

    @property
    def notes(self) -> tuple[str, ...]:
        """What is gone, and so cannot be replayed, in sentences."""
        return (*self.recording.notes, *self.past.notes)


@frozen
class Replayed:
    """What came of a replay.

    Args:
        run: the simulated run; its scenario is empty.
        notes: what could not be replayed.
        differences: which commands were answered otherwise than in the incident.
    """

    run: Run
    notes: tuple[str, ...] = field(default=())
    differences: tuple[str, ...] = field(default=())

    def check(self) -> Replayed:
        """Hold the run against every invariant, and return the replay.

        Raises:
            InvariantBroken: with the story.
        """
        broken = self.broken()
        if broken:
            raise InvariantBroken(self.run, broken)
        return self

    def broken(self) -> tuple[Broken, ...]:
        """Return what the checkers find; see `Run.broken`."""
        return self.run.broken()

    def story(self, broken: tuple[Broken, ...] = ()) -> str:
        """Tell the run line by line, then what could not be replayed, and what differs."""
        notes = [f"note: {note}" for note in self.notes]
        differs = [f"differs: {each}" for each in self.differences]
        return "\n".join([self.run.story(broken), "", *notes, *differs]).rstrip()


def read_incident(folder: str | os.PathLike[str], journal: str | os.PathLike[str]) -> Incident:
    """Read what a runtime recorded, and what its journal knows of that.

    Args:
        folder: what the runtime was recorded to.
        journal: its journal's file, or a copy; nobody else may have it open.

    Raises:
        DamagedIncident: where the recording is none, or is damaged; the text says where.
        JournalUnavailable: where the journal cannot be opened.
        OSError: where a file cannot be read.
    """
    recording = read_lines(Path(folder))
    if not Path(journal).exists():
        raise FileNotFoundError(f"expected the journal of the incident at {journal}, found none")
    return Incident(recording, trio.run(_read_past, journal, recording))


async def _read_past(journal: str | os.PathLike[str], recording: Lines) -> Past:
    async with await open_sqlite_journal(journal) as opened:
        return await read_past(opened, recording.lines)


def any_kind(thread: str, handler: Handler) -> ThreadKind:
    """Return the kind that a replay uses by default: nothing but the recording ends a turn."""
    return ThreadKind(on_turn=handler, deadline=None, no_progress=None)


def replay_incident(
    incident: Incident,
    make_handler: MakeHandler | None = None,
    *,
    kind: KindOf = any_kind,
    make_service: MakeService | None = None,
) -> Replayed:
    """Ask a simulated runtime what a real one was asked, in the same order and at the same times.

    The threads begin as they were when the recording did. Time and disk are the simulation's; the
    disk fails, and the process is killed, where the real ones were. The same incident gives the
    same run, byte for byte (I17).

    Args:
        incident: from `read_incident`.
        make_handler: makes the handler; None for one that says what each turn said then.
        kind: a thread's kind, from its id and the handler.
        make_service: as for `simulate`; nothing is cast to it.
    """
    first = incident.recording.lines[0]
    assert isinstance(first, Start | GoesOn)  # `read_lines` says so
    world = World(PLAIN, first.limits)
    world.slowest = math.inf  # a turn speaks at the times of the incident, not in ticks
    recall = Recall(incident.past.spoken)
    play = Play(incident.recording.lines, incident.past, world, recall)
    patience = _PATIENCE + play.longest_silence
    make = make_handler or recall.handler
    simulation = Simulation(play, make, world, kind, make_service, patience)

    async def main() -> None:
        await _restore(incident.past, world)
        await simulation.run()

    drive(world, PLAIN, main, simulation.give_up)
    run = Run(Scenario(()), PLAIN, tuple(world.recorder.records), replayed_by=None)
    return Replayed(run, (*incident.notes, *play.notes), tuple(play.differences))


async def _restore(past: Past, world: World) -> None:
    """Put every thread on the disk as it was before."""
    for thread, before in past.before.items():
        if not before.entries:
            continue
        restoration = Restoration(world.limits)
        try:
            for entry in before.entries:
                restoration.add(entry)
            made = await import_thread(world.disk, thread, restoration, now=world.now())
        except ValueError as exc:
            raise DamagedIncident(f"thread {thread} cannot be what it was: {exc}") from exc
        there = Stored(thread, 0, made.epoch, world.disk.rows(thread))
        world.recorder.records.append(Record(0.0, 0, there))
